"""Validation of image-stream objects beside and with the list (docs/spec/import-gate.md 3.1, 4)."""

from __future__ import annotations

from typing import Any

import pytest

from imagegate.core.image_streams.objects import (
    read_image_tag,
    read_import,
    read_mapping,
    read_stream,
    read_stream_tag,
)
from imagegate.core.import_gate.behaviour import GateBehaviour, Grandfather
from imagegate.core.import_gate.findings import stream_name_errors
from imagegate.core.import_gate.gate import ImportGate
from imagegate.core.import_gate.import_validation import validate_import, validate_import_registries
from imagegate.core.import_gate.rules import AllowedRegistry
from imagegate.core.import_gate.validation import (
    inherited,
    split_tag_name,
    validate_image_tag,
    validate_mapping,
    validate_stream,
    validate_stream_status_update,
    validate_stream_tag,
    validate_stream_update,
)
from tests.support.image_objects import DIGEST_1, event, spec_tag, stream

GATE = ImportGate([AllowedRegistry("quay.io")])


def fields(findings: list[Any]) -> list[str]:
    return [finding.error.field for finding in findings]


def test_errors_of_a_stream_are_sorted_by_tag() -> None:
    tags = [spec_tag(name, "docker.io/a/b") for name in "cab"]
    document = stream("app", tags={"z": [event(DIGEST_1, "docker.io/x")]}, spec_tags=tags)
    findings = validate_stream(GATE, read_stream(document))
    assert fields(findings) == [
        "spec.tags[a].from.name", "spec.tags[b].from.name", "spec.tags[c].from.name",
        "status.tags[z].items[0].dockerImageReference",
    ]  # fmt: skip
    assert all(finding.refused for finding in findings)


@pytest.mark.parametrize("name,is_valid", [("app", True), ("a.b-c", True), ("App", False), ("a..b", False)])
def test_names_of_streams(name: str, is_valid: bool) -> None:
    assert (not stream_name_errors(name)) is is_valid


def test_stored_repositories_stay_allowed() -> None:
    old = {**stream("app", tags={"a": [event(DIGEST_1, f"docker.io/a/b@{DIGEST_1}")]}, resourceVersion="1")}
    new = {**old, "spec": {"tags": [spec_tag("t", "docker.io/a/b:2"), spec_tag("u", "docker.io/a/c")]}}
    findings = validate_stream_update(GATE, read_stream(new), read_stream(old))
    assert fields(findings) == ["spec.tags[u].from.name"]


@pytest.mark.parametrize(
    "grandfather,repositories,whole",
    [
        (Grandfather.REPOSITORY, 1, 2),
        (Grandfather.EXACT, 0, 2),
        (Grandfather.NONE, 0, 0),
    ],
)
def test_references_that_stay_allowed(grandfather: Grandfather, repositories: int, whole: int) -> None:
    gate = ImportGate([AllowedRegistry("quay.io")], behaviour=GateBehaviour(grandfather=grandfather))
    found = inherited(gate, ["docker.io/a/b:1", "docker.io/a/b:2", "Not A Reference"])
    assert (len(found.repositories), len(found.texts)) == (repositories, whole)


def test_a_status_update_checks_new_references_only() -> None:
    old = stream("app", tags={"a": [event(DIGEST_1, "docker.io/a/b")]}, resourceVersion="1")
    new = stream(
        "app",
        tags={"a": [event(DIGEST_1, "docker.io/a/b")], "b": [event(DIGEST_1, "docker.io/a/c")]},
        resourceVersion="1",
    )
    findings = validate_stream_status_update(GATE, read_stream(new), read_stream(old))
    assert fields(findings) == ["status.tags[b].items[0].dockerImageReference"]


def test_tags() -> None:
    metadata = {"name": "app:t", "namespace": "test"}
    refused = read_stream_tag({"metadata": metadata, "tag": spec_tag("t", "docker.io/x")})
    assert fields(validate_stream_tag(GATE, refused)) == ["tag.from.name"]
    assert not validate_stream_tag(GATE, read_stream_tag({"metadata": metadata, "tag": spec_tag("t", "quay.io/x")}))
    assert fields(validate_image_tag(GATE, read_image_tag({"metadata": metadata}))) == ["spec"]
    wrong = {"metadata": metadata, "spec": spec_tag("u", "quay.io/x")}
    assert fields(validate_image_tag(GATE, read_image_tag(wrong))) == ["spec.name"]


@pytest.mark.parametrize(
    "name,parts", [("app:t", ("app", "t")), ("app:", ("app", "latest")), ("app", ("", "")), ("a:b:c", ("a", "b:c"))]
)
def test_names_of_tags(name: str, parts: tuple[str, str]) -> None:
    assert split_tag_name(name) == parts


def test_a_mapping_needs_tag_image_and_reference() -> None:
    empty = read_mapping({"metadata": {"name": "app", "namespace": "test"}, "image": {"metadata": {"name": DIGEST_1}}})
    assert fields(validate_mapping(empty)) == ["tag", "image.dockerImageReference"]


def test_an_insecure_import_needs_a_rule_for_port_80() -> None:
    image = {"from": {"kind": "DockerImage", "name": "quay.io/a/b"}}
    document = {"metadata": {"name": "app", "namespace": "test"}, "spec": {"images": [image]}}
    assert not validate_import_registries(GATE, read_import(document))
    document["spec"] = {"images": [{**image, "importPolicy": {"insecure": True}}]}
    assert fields(validate_import_registries(GATE, read_import(document))) == ["spec.images[0].from.name"]
    assert not validate_import(GATE, read_import(document))
    document["spec"] = {}
    assert fields(validate_import(GATE, read_import(document))) == ["spec.images"]
