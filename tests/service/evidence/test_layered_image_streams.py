"""The store over files."""

from __future__ import annotations

from typing import Any

import pytest

from imagegate.adapters.files.image_streams import ImageStreamsFromObjects
from imagegate.core.admission.lookup import Absent, Found, Lookup, Unknown
from imagegate.core.image_streams.questions import Image, Namespace, PullSpecHolders, Stream, StreamImage, StreamTag
from imagegate.service.evidence.layered_image_streams import LayeredImageStreams
from tests.support.image_objects import DIGEST_1, DIGEST_2, event, image, stream

IN_STORE = stream("app", tags={"t": [event(DIGEST_1, f"store/app@{DIGEST_1}")]})
IN_FILES = stream("app", tags={"t": [event(DIGEST_2, f"files/app@{DIGEST_2}")], "u": [event(DIGEST_2, "files/app@2")]})
ONLY_FILES = stream("files", tags={"t": [event(DIGEST_2, f"files/app@{DIGEST_2}")]})


def namespace(name: str, **annotations: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "annotations": annotations}}


@pytest.fixture
def both() -> LayeredImageStreams:
    marked = image(DIGEST_1, metadata={"annotations": {"deny": "true", "level": "file"}, "labels": {"from": "file"}})
    return LayeredImageStreams(
        ImageStreamsFromObjects(
            image_streams=[IN_STORE],
            images=[image(DIGEST_1, metadata={"annotations": {"level": "store"}})],
            namespaces=[namespace("default"), namespace("both", a="store")],
        ),
        ImageStreamsFromObjects(
            image_streams=[IN_FILES, ONLY_FILES],
            images=[marked, image(DIGEST_2)],
            namespaces=[namespace("file"), namespace("both", a="file", b="file")],
        ),
    )


def found(answer: Lookup[Any]) -> Any:
    assert isinstance(answer, Found)
    return answer.value


def test_a_stream_of_the_store_hides_one_of_the_files(both: LayeredImageStreams) -> None:
    assert found(both.stream(Stream("test", "app"), deadline_s=1))["status"] == IN_STORE["status"]
    assert found(both.stream(Stream("test", "files"), deadline_s=1))["status"] == ONLY_FILES["status"]
    tag = both.stream_tag(StreamTag("test", "app", "u"), deadline_s=1)
    assert tag == Absent('imagestreamtags.image.openshift.io "app:u" not found', "imagestreamtags")
    assert (
        found(both.stream_tag(StreamTag("test", "files", "t"), deadline_s=1))["image"]["metadata"]["name"] == DIGEST_2
    )
    assert found(both.stream_image(StreamImage("test", "files", DIGEST_2), deadline_s=1))


def test_marks_of_both_places_are_seen(both: LayeredImageStreams) -> None:
    wanted = {"deny": "true", "level": "store"}
    shown = found(both.image(Image(DIGEST_1), deadline_s=1))
    assert (shown["metadata"]["annotations"], shown["metadata"]["labels"]) == (wanted, {"from": "file"})
    for answer in (
        both.stream_tag(StreamTag("test", "app", "t"), deadline_s=1),
        both.stream_image(StreamImage("test", "app", DIGEST_1), deadline_s=1),
    ):
        assert found(answer)["image"]["metadata"]["annotations"] == wanted
    assert found(both.image(Image(DIGEST_2), deadline_s=1))["metadata"]["name"] == DIGEST_2
    assert isinstance(both.image(Image("sha256:none"), deadline_s=1), Absent)


def test_namespaces_of_both(both: LayeredImageStreams) -> None:
    assert found(both.namespace(Namespace("both"), deadline_s=1))["metadata"]["annotations"] == {
        "a": "store",
        "b": "file",
    }
    assert found(both.namespace(Namespace("file"), deadline_s=1))
    assert found(both.namespace(Namespace("default"), deadline_s=1))["metadata"]["annotations"] == {}
    assert isinstance(both.namespace(Namespace("none"), deadline_s=1), Absent)


def test_pull_spec_holders_of_both(both: LayeredImageStreams) -> None:
    assert found(both.pull_spec_holders(PullSpecHolders(f"store/app@{DIGEST_1}"), deadline_s=1)) == {"test"}
    assert found(both.pull_spec_holders(PullSpecHolders(f"files/app@{DIGEST_2}"), deadline_s=1)) == {"test"}
    assert found(both.pull_spec_holders(PullSpecHolders("none"), deadline_s=1)) == set()


class Failing(ImageStreamsFromObjects):
    """A store that cannot answer."""

    def _fails(self, question: Any, *, deadline_s: float) -> Unknown:
        return Unknown("the disk is gone")

    stream_tag = stream = stream_image = image = namespace = pull_spec_holders = _fails


def test_a_store_that_fails_is_not_replaced_by_files() -> None:
    both = LayeredImageStreams(Failing(), ImageStreamsFromObjects(image_streams=[IN_FILES], images=[image(DIGEST_2)]))
    for answer in (
        both.stream_tag(StreamTag("test", "app", "t"), deadline_s=1),
        both.stream(Stream("test", "app"), deadline_s=1),
        both.stream_image(StreamImage("test", "app", DIGEST_2), deadline_s=1),
        both.image(Image(DIGEST_2), deadline_s=1),
        both.namespace(Namespace("x"), deadline_s=1),
        both.pull_spec_holders(PullSpecHolders("x"), deadline_s=1),
    ):
        assert answer == Unknown("the disk is gone")
