"""Images of the pods of a namespace: all of them or none, whatever the API server answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from imagegate.adapters.kubernetes_api import running_images
from imagegate.adapters.kubernetes_api.running_images import ClusterPods
from imagegate.core.admission.lookup import Found, Unknown
from imagegate.core.admission.running_images import RunningImages
from tests.adapters.kubernetes_api.api import MisbehavingApi, page, status
from tests.support.simulator import Response

ASKED = RunningImages("kube-system")


@pytest.fixture
def api() -> Iterator[MisbehavingApi]:
    with MisbehavingApi() as found:
        yield found


def pod(*images: str, **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "x"},
        "spec": {"containers": [{"name": "c", "image": each} for each in images], **spec},
    }


def pods(api: MisbehavingApi, tmp_path: Path, *, ttl_s: float = 0) -> ClusterPods:
    connection = api.connection(tmp_path)
    return ClusterPods(lambda: connection, ttl_s=ttl_s)


def test_every_image_of_every_page_and_container_is_named_once(api: MisbehavingApi, tmp_path: Path) -> None:
    volumes = [{"name": "v", "image": {"reference": "volume:1"}}]
    first = pod("b:1", "a:1", initContainers=[{"name": "i", "image": "init:1"}], volumes=volumes)
    api.lists = [page(first, more="next"), page(pod("a:1"), pod("c:1"))]
    assert pods(api, tmp_path).images(ASKED, deadline_s=5) == Found(
        ("a:1", "b:1", "c:1", "init:1", "volume:1"), "cluster"
    )
    assert [each.get("continue") for each in api.asked("list")] == [None, ["next"]]


def test_a_list_is_cached_and_a_failure_is_not(api: MisbehavingApi, tmp_path: Path) -> None:
    api.lists = [status(403, "pods is forbidden"), page(pod("a:1")), status(500, "down")]
    found = pods(api, tmp_path, ttl_s=60)
    refused = found.images(ASKED, deadline_s=5)
    assert refused == Unknown('the pods of namespace "kube-system" could not be listed: pods is forbidden')
    assert found.cached(ASKED) is None
    assert found.images(ASKED, deadline_s=5) == found.images(ASKED, deadline_s=5) == Found(("a:1",), "cluster")


@pytest.mark.parametrize(
    "answer",
    [
        Response(200, b"{}"),
        Response(200, b"[1]"),
        Response(200, b'{"items": [1]}'),
        Response(200, b'{"items": [{"spec": {"containers": {}}}]}'),
        Response(200, b'{"items": [{"spec": []}]}'),
        Response(200, b'{"items": [{"spec": {"containers": [{"name": "c", "image": 1}]}}'),
        Response(200, json.dumps({"items": [pod("a:1")]}).encode()[:-3]),
        status(410, "the continue token is too old"),
    ],
)
def test_an_answer_that_is_not_whole_is_unknown(api: MisbehavingApi, tmp_path: Path, answer: Response) -> None:
    api.lists = [page(pod("b:1"), more="next"), answer]
    assert isinstance(pods(api, tmp_path).images(ASKED, deadline_s=5), Unknown)


def test_a_list_without_end_is_unknown(api: MisbehavingApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running_images, "PODS_MAX", 10)
    api.lists = [page(pod("a:1"), more="next")]
    found = pods(api, tmp_path).images(ASKED, deadline_s=5)
    assert isinstance(found, Unknown)
    assert "more than 10 pods" in found.why


def test_time_that_is_over_is_unknown(api: MisbehavingApi, tmp_path: Path) -> None:
    api.lists = [page(pod("a:1"), more="next")]
    assert isinstance(pods(api, tmp_path).images(ASKED, deadline_s=0.2), Unknown)
