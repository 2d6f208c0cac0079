"""The image cache of profile openshift-4: 128 Images for 60 seconds (docs/spec/image-policy.md 5.3)."""

from __future__ import annotations

from typing import Any, cast

import pytest

from imagegate.core.admission.lookup import Absent, Found, Lookup
from imagegate.core.image_streams.questions import Image, StreamImage, StreamTag
from imagegate.ports.image_streams import ImageStreams
from imagegate.service.evidence.openshift4_image_cache import LIFETIME_S, SIZE, SOURCE, CachedImages


def image(digest: str) -> dict[str, Any]:
    return {"metadata": {"name": digest}, "dockerImageReference": f"registry.example.com/shop/app:{digest}"}


class Streams:
    """Image streams that count look-ups of images."""

    def __init__(self) -> None:
        self.looked_up: list[str] = []

    def image(self, question: Image, *, deadline_s: float) -> Lookup[Any]:
        self.looked_up.append(question.digest)
        missing = question.digest == "missing"
        return Absent("not found", "images") if missing else Found(image(question.digest), "store")

    def stream_tag(self, question: StreamTag, *, deadline_s: float) -> Lookup[Any]:
        local = {"local": question.tag == "local"}
        match question.tag:
            case "empty":
                return Found({"image": None}, "store")
            case "unreadable":
                broken = image("unreadable") | {"dockerImageReference": "a b"}
                return Found({"image": broken, "lookupPolicy": local}, "store")
            case tag:
                return Found({"image": image(tag), "lookupPolicy": local}, "store")

    def stream_image(self, question: StreamImage, *, deadline_s: float) -> Lookup[Any]:
        return Found({"image": image("of-a-stream")}, "store")


class Setup:
    def __init__(self) -> None:
        self.now = 0.0
        self.streams = Streams()
        self.images = CachedImages(cast("ImageStreams", self.streams), lambda: self.now)

    def source(self, digest: str) -> str:
        answer = self.images.image(Image(digest), deadline_s=1)
        assert isinstance(answer, Found)
        assert answer.value == image(digest)
        return answer.source


def test_an_image_is_cached_for_a_minute_from_its_last_look_up() -> None:
    world = Setup()
    assert [world.source("a"), world.source("a")] == ["store", SOURCE]
    world.now = LIFETIME_S - 1
    assert world.source("a") == SOURCE  # which does not make it last longer
    world.now = LIFETIME_S
    assert world.source("a") == "store"


def test_images_of_tags_and_stream_images_enter_it() -> None:
    world = Setup()
    for tag in ("full", "empty"):
        assert isinstance(world.images.stream_tag(StreamTag("ns", "app", tag), deadline_s=1), Found)
    assert isinstance(world.images.stream_image(StreamImage("ns", "app", "of-a-stream"), deadline_s=1), Found)
    assert [world.source("full"), world.source("of-a-stream")] == [SOURCE, SOURCE]
    assert world.streams.looked_up == []


@pytest.mark.parametrize(
    "tag, if_local, enters",
    [("app", False, True), ("app", True, False), ("local", True, True), ("local", False, True)],
)
def test_a_tag_that_a_local_name_may_not_mean_does_not_enter_it(tag: str, if_local: bool, enters: bool) -> None:
    world = Setup()
    assert isinstance(world.images.stream_tag(StreamTag("ns", "app", tag, if_local), deadline_s=1), Found)
    assert world.source(tag) == (SOURCE if enters else "store")


def test_an_image_whose_pull_spec_cannot_be_read_does_not_enter_it() -> None:
    world = Setup()
    assert isinstance(world.images.stream_tag(StreamTag("ns", "app", "unreadable"), deadline_s=1), Found)
    assert world.source("unreadable") == "store"


def test_absence_is_not_cached() -> None:
    world = Setup()
    for _ in range(2):
        assert isinstance(world.images.image(Image("missing"), deadline_s=1), Absent)
    assert world.streams.looked_up == ["missing", "missing"]


def test_the_image_used_least_recently_goes_first() -> None:
    world = Setup()
    for number in range(SIZE):
        world.source(f"i{number}")
    assert world.source("i0") == SOURCE
    world.source("one more")
    assert world.source("i0") == SOURCE
    assert world.source("i1") == "store"
