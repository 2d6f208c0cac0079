"""The store breaks while the service runs: what is marked never runs, and /readyz and a metric say why."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import os
import resource
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.adapters.store_sqlite.test_store import BROKEN, break_store
from tests.support.service import Service, sample_config, serving

MARKS = 12
API = "/apis/image.openshift.io/v1/images"


def digest(number: int) -> str:
    """The digest of the image of that number."""
    return f"sha256:{number + 1:064x}"


def review(number: int) -> bytes:
    """A pod with the marked image of that number."""
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "c", "image": f"docker.io/a/b@{digest(number)}"}]},
    }
    request = {
        "uid": f"u-{number}",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "operation": "CREATE",
        "namespace": "default",
        "userInfo": {"username": "dev"},
        "object": pod,
    }
    return json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}).encode()


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    """The sample settings, and images marked deny-execution in a store below ``tmp_path``."""
    path = sample_config(tmp_path) / "imagegate.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(f"{text}\nstore: {{path: {tmp_path}/store/images.db}}\n", encoding="utf-8")
    with serving(tmp_path, "--settings", path) as running:
        for number in range(MARKS):
            image = {
                "apiVersion": "image.openshift.io/v1",
                "kind": "Image",
                "metadata": {
                    "name": digest(number),
                    "annotations": {"images.openshift.io/deny-execution": "true"},
                },
                "dockerImageReference": f"docker.io/a/b@{digest(number)}",
            }
            assert running.post(API, image).status == 201
    return path


@pytest.fixture
def service(tmp_path: Path, settings: Path) -> Iterator[Service]:
    """A service that has not read anything of its store yet."""
    with serving(tmp_path, "--settings", settings) as running:
        yield running


def denied(service: Service, number: int) -> str:
    """The message of the denial of a marked image."""
    response = service.post("/validate", review(number)).response
    assert response["uid"] == f"u-{number}"
    assert response["allowed"] is False
    return str(response["status"]["message"])


@pytest.mark.parametrize("how", BROKEN)
def test_marked_images_stay_denied_whatever_happens_to_the_store(service: Service, tmp_path: Path, how: str) -> None:
    assert 'rejected by rule "execution-denied"' in denied(service, 0)
    assert service.get("/readyz").json["checks"]["store"] == "ok"
    break_store(how, tmp_path / "store" / "images.db")
    for number in range(MARKS):
        denied(service, number)
    os.kill(service.running.pid, 1)  # SIGHUP: everything is read again
    time.sleep(1.5)
    assert [bool(denied(service, number)) for number in range(MARKS)] == [True] * MARKS
    ready = service.get("/readyz")
    assert (ready.status, ready.json["status"]) == (200, "degraded")
    assert "images.db" in ready.json["checks"]["store"]
    metrics = service.get("/metrics").content.decode()
    assert next(line for line in metrics.splitlines() if line.startswith("imagegate_store_unreadable")).endswith(" 1.0")


def test_marked_images_stay_denied_without_descriptors(service: Service) -> None:
    """Connections that were open before go on being answered by a worker that can open nothing."""
    with contextlib.ExitStack() as opened:
        kept = [opened.enter_context(contextlib.closing(service.connection())) for _ in range(MARKS)]
        for connection in kept:
            ask(connection, "GET", "/livez")
        assert denied(service, 0)  # what all threads share is open by now
        starve(service, kept)


def starve(service: Service, kept: list[http.client.HTTPConnection]) -> None:
    """Reviews over ``kept`` while the worker can open no descriptor, then one, then a few: too few to go on."""
    (worker,) = service.workers()
    used = {int(each.name) for each in Path(f"/proc/{worker}/fd").iterdir()}
    lowest_free = next(number for number in itertools.count() if number not in used)
    before = resource.prlimit(worker, resource.RLIMIT_NOFILE)
    try:
        for spare in range(8):
            resource.prlimit(worker, resource.RLIMIT_NOFILE, (lowest_free + spare, before[1]))
            with ThreadPoolExecutor(
                len(kept)
            ) as clients:  # at once: each may meet a thread that has opened nothing yet
                answers = list(
                    clients.map(
                        lambda numbered: ask(numbered[1], "POST", "/validate", review(numbered[0])), enumerate(kept)
                    )
                )
            for number, (status, answer) in enumerate(answers):
                assert (status, answer["response"]["allowed"]) == (200, False), (spare, answer)
                assert answer["response"]["uid"] == f"u-{number}"
    finally:
        resource.prlimit(worker, resource.RLIMIT_NOFILE, before)
    assert 'rejected by rule "execution-denied"' in denied(service, 0)
    assert service.workers() == {worker}, "the worker lives"


def ask(connection: http.client.HTTPConnection, method: str, path: str, body: bytes | None = None) -> tuple[int, Any]:
    """One request on a connection that stays open."""
    connection.request(method, path, body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())
