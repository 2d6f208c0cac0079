"""Derived reads: docs/spec/import-gate.md 6.3."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from imagegate.core.image_streams.stream import RegistryHosts, with_computed_status
from imagegate.core.image_streams.views import (
    holds_pull_spec,
    image_stream_image,
    image_stream_tag,
    image_stream_tags,
    image_tag,
    image_tags,
    layers,
    pull_spec,
)
from imagegate.core.kube.status import StatusError
from imagegate.core.references.openshift import ImageReference
from tests.support.image_objects import CREATED, DIGEST_1, DIGEST_2, DIGEST_12, event, image, spec_tag, stream

HOSTS = RegistryHosts("reg:5000")


def images(*found: dict[str, Any]) -> Callable[[str], dict[str, Any] | None]:
    return {entry["metadata"]["name"]: entry for entry in found}.get


def refused(make: Callable[[], object]) -> tuple[int, str, str]:
    with pytest.raises(StatusError) as error:
        make()
    return error.value.status.code, error.value.status.kind, error.value.status.message


@pytest.mark.parametrize(
    "policy, repository, digest, expected",
    [
        ("Source", "reg:5000/test/app", DIGEST_1, "org/app@one"),
        ("Local", "reg:5000/test/app", DIGEST_1, f"reg:5000/test/app@{DIGEST_1}"),
        ("Local", "", DIGEST_1, "org/app@one"),
        ("Local", "Not A Reference", DIGEST_1, "org/app@one"),
        ("Local", "reg:5000/test/app", "", "org/app@one"),
        (None, "reg:5000/test/app", DIGEST_1, "org/app@one"),
    ],
)
def test_pull_spec(policy: str | None, repository: str, digest: str, expected: str) -> None:
    tags = [spec_tag("v1", "org/app:v1", referencePolicy={"type": policy})] if policy else []
    found = stream(spec_tags=tags)
    found["status"]["dockerImageRepository"] = repository
    assert pull_spec(found, "v1", event(digest, "org/app@one")) == expected


def test_image_stream_tag_shows_stream_tag_and_image() -> None:
    tag = spec_tag("v1", "org/app:v1", annotations={"mark": "tag", "more": "x"}, generation=3)
    found = stream(
        tags={"v1": [event(DIGEST_1, f"org/app@{DIGEST_1}", 3)]},
        spec_tags=[tag],
        uid="u",
        resourceVersion="7",
        labels={"a": "b"},
        annotations={"stream": "only"},
    )
    texts = {"dockerImageManifest": "{}", "dockerImageConfig": "{}"}
    stored = image(DIGEST_1, metadata={"annotations": {"mark": "image", "own": "y"}}, **texts)
    shown = image_stream_tag(with_computed_status(found, HOSTS), "v1", images(stored))
    assert shown["metadata"] == {
        "name": "app:v1",
        "namespace": "test",
        "creationTimestamp": CREATED,
        "resourceVersion": "7",
        "uid": "u",
        "labels": {"a": "b"},
        "annotations": {"mark": "tag", "more": "x"},
    }
    assert shown["generation"] == 3
    assert shown["lookupPolicy"] == {"local": False}
    assert shown["tag"] == tag
    assert shown["image"]["metadata"]["annotations"] == {"mark": "tag", "own": "y", "more": "x"}
    assert shown["image"]["dockerImageReference"] == f"org/app@{DIGEST_1}"
    assert "dockerImageManifest" not in shown["image"]
    assert stored["metadata"]["annotations"] == {"mark": "image", "own": "y"}, "the stored Image was changed"
    assert stored["dockerImageManifest"] == "{}"


def test_image_stream_tag_without_spec_tag() -> None:
    found = stream(tags={"v1": [event(DIGEST_1, "org/app@one")]})
    shown = image_stream_tag(found, "v1", images(image(DIGEST_1)))
    assert shown["tag"] is None
    assert "annotations" not in shown["metadata"]


def test_image_stream_tag_not_found() -> None:
    no_image = event("", "org/app:v1")
    found = stream(tags={"ref": [no_image], "gone": [event(DIGEST_2, "x")]}, spec_tags=[spec_tag("ref", "org/app:v1")])
    for tag in ("nope", "ref"):
        assert refused(lambda tag=tag: image_stream_tag(found, tag, images())) == (  # type: ignore[misc]
            404,
            "imagestreamtags",
            f'imagestreamtags.image.openshift.io "app:{tag}" not found',
        )
    assert refused(lambda: image_stream_tag(found, "gone", images())) == (
        404,
        "images",
        f'images.image.openshift.io "{DIGEST_2}" not found',
    )


def test_after_a_write_a_tag_without_image_is_shown() -> None:
    found = stream(spec_tags=[spec_tag("ref", "org/app:v1")], creationTimestamp=CREATED)
    shown = image_stream_tag(found, "ref", images(), allow_empty=True)
    assert shown["image"] == {"metadata": {"name": ""}, "dockerImageReference": ""}
    assert shown["metadata"]["creationTimestamp"] == CREATED


def test_list_of_image_stream_tags_names_images_only() -> None:
    found = stream(tags={"b": [event(DIGEST_1, "x@1")], "a": [event(DIGEST_2, "x@2")], "ref": [event("", "x:3")]})
    listed = image_stream_tags(found)
    assert [entry["metadata"]["name"] for entry in listed] == ["app:a", "app:b"]
    assert listed[0]["image"] == {"metadata": {"name": DIGEST_2}, "dockerImageReference": "x@2"}


def test_image_tag_exists_with_either_tag() -> None:
    found = stream(tags={"old": [event(DIGEST_1, "x@1")]}, spec_tags=[spec_tag("new", "x:2")], uid="u")
    old = image_tag(found, "old", images(image(DIGEST_1)))
    assert (old["spec"], old["status"]["tag"], old["image"]["dockerImageReference"]) == (None, "old", "x@1")
    assert old["metadata"] == {"name": "app:old", "namespace": "test", "uid": "u"}
    new = image_tag(found, "new", images())
    assert (new["spec"]["name"], new["status"], new["image"]) == ("new", None, None)
    assert refused(lambda: image_tag(found, "none", images()))[2] == 'imagetags.image.openshift.io "app:none" not found'
    assert [entry["metadata"]["name"] for entry in image_tags(found)] == ["app:new", "app:old"]


def test_stream_image_by_digest_hex_and_prefix() -> None:
    found = stream(tags={"a": [event(DIGEST_1, "x@1"), event(DIGEST_2, "x@2")]}, annotations={"of": "stream"})
    known = images(image(DIGEST_1), image(DIGEST_2))
    for asked in (DIGEST_2, "2" * 64, "22", "sha256:2"):
        shown = image_stream_image(found, asked, known)
        assert shown["metadata"] == {
            "name": f"app@{asked}",
            "namespace": "test",
            "creationTimestamp": CREATED,
            "annotations": {"of": "stream"},
        }
        assert shown["image"]["metadata"]["name"] == DIGEST_2
        assert shown["image"]["dockerImageReference"] == f"quay.io/org/app@{DIGEST_2}"


def test_stream_image_not_found_or_ambiguous() -> None:
    found = stream(tags={"a": [event(DIGEST_1, "x@1"), event(DIGEST_12, "x@2")]})
    known = images(image(DIGEST_1), image(DIGEST_12))
    assert refused(lambda: image_stream_image(found, "33", known)) == (
        404,
        "imagestreamimage",
        'imagestreamimage.image.openshift.io "app@33" not found',
    )
    assert refused(lambda: image_stream_image(found, "1", known)) == (
        409,
        "imagestreamimage",
        (
            'Operation cannot be fulfilled on imagestreamimage.image.openshift.io "app@1": multiple images match the '
            f'prefix "1": {DIGEST_1}, {DIGEST_12}'
        ),
    )
    assert image_stream_image(found, "11", known)["image"]["metadata"]["name"] == DIGEST_1


def test_stream_image_finds_manifests_of_a_list() -> None:
    listed = image(DIGEST_1, dockerImageManifests=[{"digest": DIGEST_2}])
    found = stream(tags={"a": [event(DIGEST_1, "x@1")]})
    shown = image_stream_image(found, DIGEST_2, images(listed, image(DIGEST_2)))
    assert shown["image"]["metadata"]["name"] == DIGEST_2


def test_conditions_of_a_failed_import_are_shown() -> None:
    found = stream(tags={"t": [event(DIGEST_1, "x@1")]})
    failed = [{"type": "ImportSuccess", "status": "False"}]
    found["status"]["tags"][0]["conditions"] = failed
    assert image_stream_tag(found, "t", images(image(DIGEST_1)))["conditions"] == failed


def test_an_image_in_two_tags_is_listed_once_and_may_be_gone() -> None:
    found = stream(tags={"a": [event(DIGEST_1, "x@1")], "b": [event(DIGEST_1, "x@1")]})
    assert list(layers(found, images(image(DIGEST_1)))["images"]) == [DIGEST_1]
    assert image_stream_image(found, "11", images(image(DIGEST_1)))["metadata"]["name"] == "app@11"
    assert refused(lambda: image_stream_image(found, DIGEST_1, images())) == (
        404,
        "images",
        f'images.image.openshift.io "{DIGEST_1}" not found',
    )


def test_layers() -> None:
    listed = image(
        DIGEST_1,
        dockerImageManifestMediaType="application/vnd.docker.distribution.manifest.list.v2+json",
        dockerImageLayers=[],
        dockerImageManifests=[{"digest": DIGEST_2}, {"digest": DIGEST_12}],
    )
    found = stream(tags={"a": [event(DIGEST_1, "x@1")]})
    shown = layers(found, images(listed, image(DIGEST_2)))
    config, layer = "sha256:" + "c" * 64, "sha256:" + "a" * 64
    assert shown["images"] == {
        DIGEST_1: {"imageMissing": False, "layers": None, "config": None, "manifests": [DIGEST_2, DIGEST_12]},
        DIGEST_2: {"imageMissing": False, "layers": [layer], "config": config},
        DIGEST_12: {"imageMissing": True, "layers": None, "config": None},
    }
    assert shown["blobs"][layer] == {"size": 10, "mediaType": "layer"}
    assert shown["blobs"][config] == {"size": None, "mediaType": "application/vnd.docker.container.image.v1+json"}
    assert shown["blobs"][DIGEST_1]["mediaType"] == "application/vnd.docker.distribution.manifest.list.v2+json"


@pytest.mark.parametrize(
    "asked, held",
    [
        (f"org/app@{DIGEST_1}", True),
        (f"reg:5000/test/app@{DIGEST_2}", True),
        (f"org/app@{DIGEST_2}", False),
        (f"docker.io/org/app@{DIGEST_1}", False),
        ("org/app", True),
        ("reg:5000/test/app", True),
        ("org/other", False),
        ("quay.io", False),
    ],
)
def test_pull_specs_of_a_stream(asked: str, held: bool) -> None:
    local = spec_tag("local", "org/app:2", referencePolicy={"type": "Local"})
    tags = {
        "v1": [event(DIGEST_12, "org/app:v2"), event(DIGEST_1, "org/app:v1")],
        "local": [event(DIGEST_2, "org/app:2")],
    }
    found = with_computed_status(stream(tags=tags, spec_tags=[local]), HOSTS)
    assert holds_pull_spec(found, ImageReference.parse(asked)) is held
