"""The platform's image streams and Images, as the watches show them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from imagegate.adapters.kubernetes_api import namespaces as cluster_namespaces
from imagegate.adapters.kubernetes_api.fetched import Fetcher
from imagegate.adapters.kubernetes_api.image_streams import (
    IMAGES_PATH,
    STREAMS_PATH,
    ClusterImageStreams,
    slimmed_image,
    slimmed_stream,
)
from imagegate.adapters.kubernetes_api.namespaces import ClusterNamespaces
from imagegate.adapters.kubernetes_api.watched import Watched
from imagegate.core.admission.lookup import Absent, Found, Unknown
from imagegate.core.image_streams.docker_labels import NoConfig, UndecodableMetadata, docker_labels
from imagegate.core.image_streams.questions import Image, PullSpecHolders, StreamTag
from imagegate.core.image_streams.stream import RegistryHosts, with_computed_status
from tests.adapters.image_streams_contract import IMAGES, OTHER, STREAM, ImageStreamsContract, Make
from tests.adapters.kubernetes_api.api import ObjectsApi
from tests.support.image_objects import DIGEST_1, DIGEST_2, event, stream
from tests.support.processes import wait_until

ASKED = StreamTag("test", "app", "latest")


@contextlib.contextmanager
def following(api: ObjectsApi, directory: Path, *, starts: bool = True) -> Iterator[ClusterImageStreams]:
    connection = api.connection(directory)
    watched = Watched(lambda: connection, cluster_namespaces.PATH, cluster_namespaces.slimmed)
    found = ClusterImageStreams(lambda: connection, ClusterNamespaces(watched, Fetcher(lambda: connection, ttl_s=0)))
    watches = (watched, *found.watches)
    if starts:
        for watch in watches:
            watch.start()
            assert watch.wait(5), watch.state
    try:
        yield found
    finally:
        for watch in watches:
            watch.stop()


@pytest.fixture
def api() -> Iterator[ObjectsApi]:
    with ObjectsApi() as found:
        yield found


class TestContract(ImageStreamsContract):
    @pytest.fixture
    def make(self, api: ObjectsApi, tmp_path: Path) -> Iterator[Make]:
        with contextlib.ExitStack() as stack:

            def made(
                streams: Sequence[dict[str, Any]],
                images: Sequence[dict[str, Any]],
                namespaces: Sequence[dict[str, Any]],
                hosts: RegistryHosts,
            ) -> ClusterImageStreams:
                api.serve(STREAMS_PATH, *(with_computed_status(each, hosts) for each in streams))
                api.serve(IMAGES_PATH, *images)
                api.serve(cluster_namespaces.PATH, *namespaces)
                return stack.enter_context(following(api, tmp_path))

            yield made


def test_changes_are_seen_and_answers_are_the_same_until_then(api: ObjectsApi, tmp_path: Path) -> None:
    for path in (STREAMS_PATH, IMAGES_PATH, cluster_namespaces.PATH):
        api.serve(path)
    api.put(STREAMS_PATH, STREAM)
    for each in IMAGES:
        api.put(IMAGES_PATH, each)
    with following(api, tmp_path) as streams:
        first = streams.stream_tag(ASKED, deadline_s=1)
        assert isinstance(first, Found)
        assert streams.stream_tag(ASKED, deadline_s=1) is first
        token = streams.snapshot()
        assert token is streams.snapshot()
        changed = {**STREAM, "status": {"tags": [{"tag": "latest", "items": [event(DIGEST_2, f"org/app@{DIGEST_2}")]}]}}
        api.put(STREAMS_PATH, changed)
        wait_until(lambda: streams.snapshot() is not token, "the change")
        after = streams.stream_tag(ASKED, deadline_s=1)
        assert isinstance(after, Found)
        assert after.value["image"]["metadata"]["name"] == DIGEST_2
        api.remove(IMAGES_PATH, IMAGES[1])
        wait_until(lambda: isinstance(streams.image(Image(DIGEST_2), deadline_s=1), Absent), "the deletion")
        assert isinstance(streams.stream_tag(ASKED, deadline_s=1), Absent)


def test_holders_of_a_pull_spec_follow_changes(api: ObjectsApi, tmp_path: Path) -> None:
    for path in (STREAMS_PATH, IMAGES_PATH, cluster_namespaces.PATH):
        api.serve(path)
    asked = PullSpecHolders(f"org/app@{DIGEST_1}")

    def holders() -> frozenset[str]:
        found = streams.pull_spec_holders(asked, deadline_s=1)
        assert isinstance(found, Found)
        return found.value

    with following(api, tmp_path) as streams:
        assert holders() == frozenset()
        api.put(STREAMS_PATH, STREAM)
        api.put(STREAMS_PATH, OTHER)
        wait_until(lambda: holders() == {"test", "other"}, "both streams")
        api.put(STREAMS_PATH, stream("copy", "other", tags={"x": [event(DIGEST_2, f"org/else@{DIGEST_2}")]}))
        wait_until(lambda: holders() == {"test"}, "the change")
        api.remove(STREAMS_PATH, STREAM)
        wait_until(lambda: holders() == frozenset(), "the deletion")
        assert streams._index.keys() == streams._indexed[("other", "copy")][1]


def test_nothing_is_absent_before_everything_was_listed(api: ObjectsApi, tmp_path: Path) -> None:
    with following(api, tmp_path, starts=False) as streams:
        assert streams.snapshot() is None
        for watch in streams.watches:
            watch.list_once()  # 404: this platform has no image streams
        found = streams.stream_tag(ASKED, deadline_s=1)
        assert isinstance(found, Unknown)
        assert "imagestreams" in found.why
        assert isinstance(streams.pull_spec_holders(PullSpecHolders("a/b"), deadline_s=1), Unknown)


@pytest.mark.parametrize(
    "metadata",
    [
        None,
        {},
        {"Config": None},
        {"Config": {}},
        {"config": {"labels": {"a": "b", "c": None}}},
        {"Config": {"Labels": {"a": 1}}},
        {"Config": {"Env": [1]}, "Size": 5},
        "text",
    ],
)
def test_labels_are_those_of_the_whole_image(metadata: Any) -> None:
    whole = {
        "metadata": {"name": DIGEST_1, "annotations": {"a": "b"}, "managedFields": [{}]},
        "dockerImageReference": f"quay.io/org/app@{DIGEST_1}",
        "dockerImageLayers": [{"name": "x"}] * 50,
        "dockerImageManifest": "{}",
        **({} if metadata is None else {"dockerImageMetadata": metadata}),
    }
    slim = orjson.loads(slimmed_image(whole))
    assert _labels(slim) == _labels(whole)
    assert slim["metadata"] == {"name": DIGEST_1, "annotations": {"a": "b"}}
    assert slim["dockerImageReference"] == whole["dockerImageReference"]
    assert not {"dockerImageLayers", "dockerImageManifest"} & slim.keys()


def test_streams_keep_what_decides() -> None:
    whole = {**STREAM, "metadata": {**STREAM["metadata"], "managedFields": [{}], "resourceVersion": "5"}}
    slim = orjson.loads(slimmed_stream(whole))
    assert (slim["spec"], slim["status"]) == (STREAM.get("spec"), STREAM["status"])
    assert not {"managedFields", "resourceVersion"} & slim["metadata"].keys()


def _labels(image: dict[str, Any]) -> Any:
    try:
        return docker_labels(image)
    except (NoConfig, UndecodableMetadata) as error:
        return type(error)


def nested(levels: int) -> Any:
    found: Any = {}
    for _ in range(levels):
        found = {"a": found}
    return found


def test_objects_that_are_nested_too_deep_are_of_no_use_and_take_no_other_away() -> None:
    image = orjson.loads(slimmed_image({"metadata": {"name": DIGEST_1}, "dockerImageMetadata": nested(900)}))
    assert image["metadata"] == {"name": DIGEST_1}
    with pytest.raises(UndecodableMetadata):
        docker_labels(image)
    whole = {**STREAM, "metadata": {**STREAM["metadata"], "annotations": nested(900)}}
    slim = orjson.loads(slimmed_stream(whole))
    assert (slim["metadata"]["name"], slim["spec"], slim["status"]) == (STREAM["metadata"]["name"], {}, {})
