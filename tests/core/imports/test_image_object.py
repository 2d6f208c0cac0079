"""Image objects from manifests and configurations."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegate.core.imports.image_object import go_time, image_object
from imagegate.core.registry.manifest import (
    DOCKER_SCHEMA1,
    OCI_MANIFEST,
    Manifest,
    digest_of,
    parse_manifest,
)
from imagegate.errors import Malformed, TooLarge
from tests.support.registry_simulator import OCI_CONFIG

OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
NOW = datetime(2018, 6, 1, 10, tzinfo=UTC)
LAYER = "sha256:" + "1" * 64
OTHER = "sha256:" + "2" * 64


def made(config: dict[str, Any] | bytes) -> tuple[Manifest, bytes]:
    raw = config if isinstance(config, bytes) else json.dumps(config).encode()
    layers = [
        {"mediaType": OCI_LAYER, "digest": digest, "size": size}
        for digest, size in ((LAYER, 7), (OTHER, 5), (LAYER, 7))
    ]
    document = {
        "schemaVersion": 2,
        "config": {"mediaType": OCI_CONFIG, "digest": digest_of(raw), "size": len(raw)},
        "layers": layers,
    }
    return parse_manifest(json.dumps(document).encode(), OCI_MANIFEST), raw


def metadata(config: dict[str, Any] | bytes) -> dict[str, Any]:
    manifest, raw = made(config)
    written: dict[str, Any] = image_object(manifest, raw, "r.io/a@x", now=NOW)["dockerImageMetadata"]
    return written


FULL = {
    "architecture": "arm64",
    "os": "linux",
    "created": "2018-06-01T12:30:15.123456789+02:00",
    "author": "me",
    "comment": "c",
    "parent": "p",
    "container": "k",
    "docker_version": "1.13",
    "container_config": {"Cmd": ["/bin/sh"]},
    "config": {
        "User": "1000",
        "ExposedPorts": {"8080/tcp": {}, "22/tcp": {}},
        "Env": ["A=b"],
        "Entrypoint": ["/e"],
        "Cmd": None,
        "Volumes": {"/v": {}},
        "WorkingDir": "/w",
        "Labels": {"b": "2", "a": "1"},
        "Memory": 5,
        "Tty": True,
        "StopSignal": "SIGTERM",
        "OnBuild": [],
    },
    "rootfs": {"type": "layers", "diff_ids": []},
    "history": [],
}


def test_everything_that_is_known_is_copied() -> None:
    manifest, raw = made(FULL)
    image = image_object(manifest, raw, "r.io/a@x", now=NOW)
    assert image["dockerImageMetadata"] == {
        "kind": "DockerImage",
        "apiVersion": "image.openshift.io/1.0",
        "Id": digest_of(raw),
        "Created": "2018-06-01T10:30:15Z",
        "Parent": "p",
        "Comment": "c",
        "Container": "k",
        "DockerVersion": "1.13",
        "Author": "me",
        "Architecture": "arm64",
        "ContainerConfig": {"Cmd": ["/bin/sh"]},
        "Config": {
            "User": "1000",
            "ExposedPorts": {"22/tcp": {}, "8080/tcp": {}},
            "Env": ["A=b"],
            "Entrypoint": ["/e"],
            "Volumes": {"/v": {}},
            "WorkingDir": "/w",
            "Labels": {"a": "1", "b": "2"},
            "Memory": 5,
            "Tty": True,
        },
        "Size": len(raw) + 7 + 5,
    }
    assert [layer["name"] for layer in image["dockerImageLayers"]] == [LAYER, OTHER, LAYER]
    assert image["metadata"] == {
        "name": manifest.digest,
        "annotations": {"image.openshift.io/dockerLayersOrder": "ascending"},
    }


def test_an_empty_configuration() -> None:
    assert metadata({}) == {
        "kind": "DockerImage",
        "apiVersion": "image.openshift.io/1.0",
        "Id": digest_of(b"{}"),
        "Created": None,
        "ContainerConfig": {},
        "Size": 2 + 7 + 5,
    }


@pytest.mark.parametrize(
    "created, expected",
    [
        ("2018-06-01T10:00:00Z", "2018-06-01T10:00:00Z"),
        ("2018-06-01T10:00:00.9Z", "2018-06-01T10:00:00Z"),
        ("2018-06-01T10:00:00-05:30", "2018-06-01T15:30:00Z"),
        ("0001-01-01T00:00:00Z", None),
        (None, None),
        ("", None),
    ],
)
def test_times(created: str | None, expected: str | None) -> None:
    assert metadata({"created": created})["Created"] == expected


@pytest.mark.parametrize(
    "config",
    [
        {"created": "yesterday"},
        {"created": "2018-13-01T10:00:00Z"},
        {"created": "2018-06-01T10:00:00"},
        {"created": "0001-01-01T00:00:01+23:00"},
        {"created": 5},
        {"author": 5},
        {"config": []},
        {"config": {"Env": "A=b"}},
        {"config": {"Env": [1]}},
        {"config": {"Labels": ["a"]}},
        {"config": {"Labels": {"a": 1}}},
        {"config": {"ExposedPorts": ["80"]}},
        {"config": {"Tty": 1}},
        {"config": {"Memory": "5"}},
        {"config": {"Memory": True}},
        {"config": {"Memory": 2**63}},
        {"container_config": "x"},
        b"[]",
        b"{",
        b'{"config": {}, "config": {}}',
    ],
)
def test_what_is_no_configuration(config: dict[str, Any] | bytes) -> None:
    with pytest.raises(Malformed):
        metadata(config)


def test_depth() -> None:
    with pytest.raises(TooLarge):
        metadata(b'{"a":' * 1000)


def test_a_configuration_is_needed() -> None:
    manifest, _ = made({})
    with pytest.raises(Malformed, match="must not be empty"):
        image_object(manifest, None, "r.io/a@x", now=NOW)


def test_schema_1() -> None:
    newest = {
        "id": "abc",
        "created": "2018-06-01T10:00:00Z",
        "architecture": "amd64",
        "config": {"Cmd": ["x"]},
        "Size": 7,
    }
    document = {
        "schemaVersion": 1,
        "fsLayers": [{"blobSum": OTHER}, {"blobSum": LAYER}],
        "history": [{"v1Compatibility": json.dumps(newest)}, {"v1Compatibility": '{"id": "old", "Size": 5}'}],
    }
    manifest = parse_manifest(json.dumps(document).encode(), DOCKER_SCHEMA1)
    image = image_object(manifest, None, "r.io/a@x", now=NOW)
    assert image["dockerImageMetadata"]["Id"] == "abc"
    assert image["dockerImageMetadata"]["Config"] == {"Cmd": ["x"]}
    assert image["dockerImageMetadata"]["Size"] == 12
    assert [(layer["name"], layer["size"]) for layer in image["dockerImageLayers"]] == [(LAYER, 5), (OTHER, 7)]
    assert image["dockerImageManifestMediaType"] == DOCKER_SCHEMA1


def test_times_are_written_in_utc() -> None:
    there = datetime(2018, 6, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    assert go_time(there) == "2018-06-01T10:00:00Z"


KEYS = st.sampled_from(["created", "config", "container_config", "author", "Env", "Labels", "Tty", "Memory"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(KEYS, JSON))
def test_any_configuration_is_read_or_refused(config: dict[str, Any]) -> None:
    try:
        written = metadata(config)
    except Malformed:
        return
    assert json.loads(json.dumps(written)) == written
