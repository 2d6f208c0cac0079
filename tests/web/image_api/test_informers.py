"""client-go's informers, which list by a watch since 1.35 and wait for the mark at its end."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.support.go_clients import Informer, informing
from tests.support.service import Service, serving

pytestmark = pytest.mark.programs
STREAMS = "/apis/image.openshift.io/v1/namespaces/default/imagestreams"
ALL_STREAMS = "/apis/image.openshift.io/v1/imagestreams"
MANY = 1_000
JSON = {"Content-Type": "application/json"}
MERGE_PATCH = {"Content-Type": "application/merge-patch+json"}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(tmp_path_factory.mktemp("informers"), workers=2) as found:
        yield found


def url_of(service: Service) -> str:
    return f"http://127.0.0.1:{service.running.port}"


def create(service: Service, name: str) -> None:
    tags = [{"name": "latest", "from": {"kind": "DockerImage", "name": "docker.io/library/busybox"}}]
    body = {"metadata": {"name": name}, "spec": {"tags": [{**tag, "reference": True} for tag in tags]}}
    assert service.ask("POST", STREAMS, json.dumps(body), JSON).status == 201


def change(service: Service, name: str, value: int) -> None:
    body = {"metadata": {"annotations": {"changed": str(value)}}}
    assert service.ask("PATCH", f"{STREAMS}/{name}", json.dumps(body), MERGE_PATCH).status == 200


def stored(service: Service) -> dict[str, str]:
    items: list[dict[str, Any]] = service.get(ALL_STREAMS).json["items"]
    metadata = [item["metadata"] for item in items]
    return {f"{each['namespace']}/{each['name']}": each["resourceVersion"] for each in metadata}


def listed_by_a_watch(informer: Informer) -> bool:
    """True if it requested one watch, and never fell back to a list."""
    (request,) = informer.requests
    return request.startswith("GET ") and "watch=true" in request and "sendInitialEvents=true" in request


@pytest.mark.parametrize("group, resource, count", [("", "namespaces", 3), ("", "pods", 0), ("apps", "deployments", 0)])
def test_lists_of_few_objects_and_of_none(service: Service, group: str, resource: str, count: int) -> None:
    with informing(url_of(service), resource, group) as informer:
        assert informer.synced_s < 1
        assert informer.objects == count
        assert listed_by_a_watch(informer)


def test_a_thousand_streams_and_while_they_change(service: Service) -> None:
    names = [f"stream-{number}" for number in range(MANY)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: create(service, name), names))
    before = len(stored(service))
    with informing(url_of(service)) as quiet:
        assert quiet.objects == before >= MANY
        assert listed_by_a_watch(quiet)
        took = quiet.synced_s
    assert took < 1

    stop = threading.Event()

    def writes(start: int) -> int:
        done = 0
        while not stop.is_set():
            change(service, names[(start + 7 * done) % MANY], done)
            done += 1
            if done % 10 == 0:
                create(service, f"new-{start}-{done}")
                assert service.ask("DELETE", f"{STREAMS}/new-{start}-{done}").status == 200
        return done

    with ThreadPoolExecutor(3) as pool:
        writers = [pool.submit(writes, start) for start in (0, 300, 600)]
        try:
            with informing(url_of(service)) as informer:
                assert before <= informer.objects <= before + 3
                assert listed_by_a_watch(informer)
                stop.set()
                assert all(writer.result() > 0 for writer in writers)
                create(service, "last")  # once it is known, so is everything before it
                assert informer.knows("default/last") == stored(service)
        finally:
            stop.set()
