"""Results of look-ups from stored objects: found, absent, and names that no path can contain."""

from __future__ import annotations

import pytest

from imagegate.core.admission.lookup import Absent, Ambiguous, Found, Impossible
from imagegate.core.image_streams import lookups
from imagegate.core.image_streams.questions import Image, Namespace, PullSpecHolders, Stream, StreamImage, StreamTag
from imagegate.core.image_streams.stream import RegistryHosts, with_computed_status
from tests.support.image_objects import DIGEST_1, DIGEST_12, event, image, stream

APP = with_computed_status(
    stream(tags={"v1": [event(DIGEST_1, f"quay.io/a/b@{DIGEST_1}")], "v2": [event(DIGEST_12, f"q.io/c@{DIGEST_12}")]}),
    RegistryHosts(),
)


def image_of(digest: str) -> dict[str, object] | None:
    return image(digest) if digest in (DIGEST_1, DIGEST_12) else None


@pytest.mark.parametrize(
    "name,error",
    [
        ("", "resource name may not be empty"),
        ("..", "invalid resource name \"..\": [may not be '..']"),
        ("a/b%", "invalid resource name \"a/b%\": [may not contain '/' may not contain '%']"),
        ("a:b", None),
    ],
)
def test_names_of_a_path(name: str, error: str | None) -> None:
    assert lookups.resource_name_error(name) == error


def test_a_stream_tag() -> None:
    found = lookups.stream_tag(StreamTag("test", "app", "v1"), APP, image_of, "files")
    assert isinstance(found, Found)
    assert found.value["image"]["metadata"]["name"] == DIGEST_1
    assert found.source == "files"
    missing = lookups.stream_tag(StreamTag("test", "app", "v3"), APP, image_of, "files")
    assert isinstance(missing, Absent)
    assert missing.kind == "imagestreamtags"
    gone = lookups.stream_tag(StreamTag("test", "app", "v1"), APP, lambda _: None, "files")
    assert isinstance(gone, Absent)
    assert gone.kind == "images"
    no_stream = lookups.stream_tag(StreamTag("test", "app", "v1"), None, image_of, "files")
    assert isinstance(no_stream, Absent)
    assert no_stream.kind == "imagestreams"


@pytest.mark.parametrize("stream_name,tag", [("", ""), ("a/b", "v1"), ("app", "v1:2"), ("app", "")])
def test_a_stream_tag_that_cannot_exist(stream_name: str, tag: str) -> None:
    assert isinstance(lookups.stream_tag(StreamTag("test", stream_name, tag), APP, image_of, ""), Impossible)


def test_a_stream_image() -> None:
    found = lookups.stream_image(StreamImage("test", "app", "111"), APP, image_of, "")
    assert isinstance(found, Found)
    assert found.value["image"]["metadata"]["name"] == DIGEST_1
    both = lookups.stream_image(StreamImage("test", "app", "sha256:1"), APP, image_of, "")
    assert isinstance(both, Ambiguous)
    assert not both.retryable
    assert isinstance(lookups.stream_image(StreamImage("test", "app", "22"), APP, image_of, ""), Absent)
    assert isinstance(lookups.stream_image(StreamImage("test", "app", "1@2"), APP, image_of, ""), Impossible)
    assert isinstance(lookups.stream_image(StreamImage("test", "app", "11"), None, image_of, ""), Absent)


def test_whole_objects() -> None:
    assert lookups.stream(Stream("test", "app"), APP, "x") == Found(APP, "x")
    assert isinstance(lookups.stream(Stream("test", "app"), None, ""), Absent)
    assert isinstance(lookups.stream(Stream("test", ".."), APP, ""), Impossible)
    assert isinstance(lookups.image(Image(DIGEST_1), image(DIGEST_1), ""), Found)
    assert isinstance(lookups.image(Image(DIGEST_1), None, ""), Absent)
    assert isinstance(lookups.image(Image("a/b"), image(DIGEST_1), ""), Impossible)
    assert lookups.namespace(Namespace("n"), {"kind": "Namespace"}, "") == Found({"kind": "Namespace"}, "")
    assert isinstance(lookups.namespace(Namespace("n"), None, ""), Absent)
    assert isinstance(lookups.namespace(Namespace(""), {}, ""), Impossible)


def test_holders_of_a_pull_spec() -> None:
    holders = lookups.pull_spec_holders(PullSpecHolders(f"quay.io/a/b@{DIGEST_1}"), [APP], "")
    assert holders == Found(frozenset({"test"}), "")
    assert lookups.pull_spec_holders(PullSpecHolders("quay.io/a/c"), [APP], "") == Found(frozenset(), "")
    assert lookups.pull_spec_holders(PullSpecHolders("Not A Reference"), [APP], "") == Found(frozenset(), "")
