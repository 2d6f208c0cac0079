"""Workers killed in the middle of imports: whatever was answered is there, and nothing is half-written."""

from __future__ import annotations

import http.client
import json
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from imagegate.adapters.store_sqlite.database import Database
from imagegate.adapters.store_sqlite.objects import SqliteStore
from imagegate.ports.image_store import Collection
from tests.support.service import Service
from tests.walkthrough.document_004 import IMAGE, cluster

IMPORTS = 1000
KILLS = 6
CLIENTS = 9
GROUP = "image.openshift.io"


def import_of(number: int) -> bytes:
    entry = {"from": {"kind": "DockerImage", "name": IMAGE}, "to": {"name": f"t{number % 10}"}}
    return json.dumps({"metadata": {"name": f"s{number // 10}"}, "spec": {"import": True, "images": [entry]}}).encode()


class Client:
    """Posts imports one after another on a connection, and notes what was acknowledged."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.acknowledged: list[tuple[str, str, str]] = []

    def post(self, number: int) -> None:
        path = f"/apis/{GROUP}/v1/namespaces/default/imagestreamimports"
        while True:
            try:
                answer = self._service.ask("POST", path, import_of(number), {"Content-Type": "application/json"})
            except (OSError, http.client.HTTPException):
                return  # the worker was killed: this import is not acknowledged
            if answer.status == 201:
                self._note(answer.json)
                return
            assert answer.status == 429, answer.content
            time.sleep(0.05)  # this worker has all the imports that it does at once; sooner than it asks for

    def _note(self, answer: dict[str, Any]) -> None:
        stream = answer["status"]["import"]
        image = answer["status"]["images"][0]["image"]["metadata"]["name"]
        tag = answer["spec"]["images"][0]["to"]["name"]
        self.acknowledged.append((stream["metadata"]["name"], tag, image))


def kill_workers(service: Service, stop: threading.Event) -> int:
    """Kill a worker now and then."""
    killed = 0
    while killed < KILLS and not stop.wait(0.7):
        workers = sorted(service.workers())
        if len(workers) > 1:
            os.kill(workers[killed % len(workers)], signal.SIGKILL)
            killed += 1
    return killed


@pytest.mark.timeout(240)
def test_imports_survive_killed_workers(tmp_path: Path) -> None:
    with cluster(tmp_path, workers=2) as (registry, service):
        digest = registry.push_sample("tiny-docker", IMAGE)
        client, stop = Client(service), threading.Event()
        with ThreadPoolExecutor(CLIENTS + 1) as pool:
            killer = pool.submit(kill_workers, service, stop)
            for done in [pool.submit(client.post, number) for number in range(IMPORTS)]:
                done.result()
            stop.set()
            assert killer.result() >= 3, "too few workers were killed for this to prove anything"
        waiting = time.monotonic() + 20
        while not service.workers() and time.monotonic() < waiting:
            time.sleep(0.1)
        shown = service.get(f"/apis/{GROUP}/v1/namespaces/default/imagestreams").json["items"]
    assert len(client.acknowledged) >= IMPORTS - 2 * KILLS * CLIENTS, (
        "a kill costs each client at most what it is doing"
    )
    store = SqliteStore(Database(tmp_path / "images.db"))
    with store.database.reading_once() as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    streams = {
        found["metadata"]["name"]: found for found in store.list_objects(Collection(GROUP, "imagestreams")).items
    }
    assert {found["metadata"]["name"] for found in shown} == set(streams)
    images = {found["metadata"]["name"] for found in store.list_objects(Collection(GROUP, "images")).items}
    assert images == {digest}
    for name, tag, image in client.acknowledged:
        written = {entry["tag"]: entry["items"][0]["image"] for entry in streams[name]["status"]["tags"]}
        assert written[tag] == image == digest
    for found in streams.values():  # a stream is whole: every tag has its spec, its event and its generation
        spec = {entry["name"] for entry in found["spec"]["tags"]}
        assert {entry["tag"] for entry in found["status"]["tags"]} == spec
        assert all(entry["items"][0]["generation"] for entry in found["status"]["tags"])


def test_a_watch_does_not_keep_the_server_from_stopping(tmp_path: Path) -> None:
    with cluster(tmp_path) as (_, service):
        connection = service.connection()
        connection.request("GET", f"/apis/{GROUP}/v1/imagestreams?watch=1")
        answer = connection.getresponse()
        assert answer.status == 200
        began = time.monotonic()
        service.running.end()
        assert answer.read().strip() == b""
        assert time.monotonic() - began < 9, "the server had to be killed"
        connection.close()
