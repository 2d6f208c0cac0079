"""The API server and etcd under the store end and come back, while replicas write and review."""

from __future__ import annotations

import contextlib
import http.client
import json
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGKILL
from typing import cast

import pytest

from tests.cluster.control_plane import READY_S, ControlPlane, control_plane
from tests.cluster.stores import IMAGES_PATH, STREAMS_PATH, define, import_into, new_namespace, replica, set_tag
from tests.cluster.test_store_replicas import DENY, MERGE, allows, tags_of
from tests.support.processes import Running, started, wait_until
from tests.support.registry import Registry
from tests.support.service import Answer, Service
from tests.walkthrough.document_004 import IMAGE

OTHER = "openshift/other:latest"
AWAY_S = 3.0
BACK_WITHIN_S = 30.0


@dataclass(slots=True)
class Drilled:
    plane: ControlPlane
    services: tuple[Service, Service]
    good: str
    """An image that may run."""
    marked: str
    """An image that is marked: it may not."""
    stack: contextlib.ExitStack

    def start(self, ended: Running) -> Running:
        """Start a server that was killed again, at the same port and with the same data."""
        log = ended.log.with_suffix(f".{time.monotonic():.0f}.log")
        command = [str(part) for part in cast("list[str]", ended.process.args)]
        return self.stack.enter_context(started(command, port=ended.port, log=log))

    def ready(self) -> None:
        wait_until(lambda: self.plane.answers("/readyz"), "kube-apiserver to be ready", timeout_s=READY_S)


@pytest.fixture(scope="module")
def drilled(registry_tls: Registry) -> Iterator[Drilled]:
    digests = [registry_tls.push_sample("tiny-docker", IMAGE), registry_tls.push_sample("tiny-oci", OTHER)]
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="drilled-")))
        plane = stack.enter_context(control_plane(directory))
        define(plane)
        namespace = new_namespace(plane)
        own = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="services-")))
        one, other = (
            stack.enter_context(replica(plane, namespace, own / name, registry_tls)) for name in ("one", "other")
        )
        for stream, image in (("good", IMAGE), ("marked", OTHER)):
            assert import_into(one, stream, "latest", image).status == 201
        assert one.ask("PATCH", f"{IMAGES_PATH}/{digests[1]}", json.dumps(DENY), MERGE).status == 200
        good, marked = f"docker.io/openshift/image-policy-check@{digests[0]}", f"docker.io/openshift/other@{digests[1]}"
        restarted = stack.enter_context(contextlib.ExitStack())
        found = Drilled(plane, (one, other), good, marked, restarted)
        wait_until(lambda: not any(allows(each, marked) for each in (one, other)), "the mark to be in force")
        yield found


@dataclass(slots=True)
class Load:
    """Writes and reviews at both replicas."""

    drilled: Drilled
    acknowledged: list[tuple[str, str]] = field(default_factory=list)
    refused: int = 0
    reviews: int = 0
    wrong: int = 0
    _ends: threading.Event = field(default_factory=threading.Event)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        threads = [threading.Thread(target=self._write, args=(number,)) for number in range(4)]
        threads += [threading.Thread(target=self._review, args=(number,)) for number in range(2)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._ends.set()
            for thread in threads:
                thread.join()

    def _write(self, number: int) -> None:
        service, count = self.drilled.services[number % 2], 0
        while not self._ends.is_set():
            count += 1
            tag = f"w{number}-{count}"
            try:
                answer = self._written(service, tag, imports=number < 2)
            except (OSError, http.client.HTTPException):
                continue
            if answer.status in (200, 201):
                self.acknowledged.append(("load", tag))
            else:
                # 500: the pull secrets of an import, which a dry cluster has in the store, could not be listed
                assert answer.status in (409, 429, 500, 503), answer.content
                self.refused += 1
            time.sleep(0.05)

    def _written(self, service: Service, tag: str, *, imports: bool) -> Answer:
        return import_into(service, "load", tag, IMAGE) if imports else set_tag(service, "good", tag, "good:latest")

    def _review(self, number: int) -> None:
        service = self.drilled.services[number]
        while not self._ends.is_set():
            self.wrong += not allows(service, self.drilled.good)
            self.wrong += allows(service, self.drilled.marked)
            self.reviews += 2
            time.sleep(0.02)


def _nothing_was_lost(drilled: Drilled, load: Load) -> None:
    def written() -> set[str]:
        found = [tags_of(service.get(f"{STREAMS_PATH}/{name}").json) for name in ("load", "good")]
        return set().union(*found)

    for service in drilled.services:
        wait_until(lambda service=service: service.get(STREAMS_PATH).status == 200, "the lists")  # type: ignore[misc]
        assert {tag for _, tag in load.acknowledged} <= written()


@pytest.mark.timeout(300)
def test_both_end_and_come_back_under_load(drilled: Drilled, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(drilled.plane.directory / "etcd", drilled.plane.directory / "backup")
    with (load := Load(drilled)).running():
        time.sleep(2)
        drilled.plane.api_server.end(SIGKILL)
        time.sleep(AWAY_S)
        server = drilled.start(drilled.plane.api_server)
        drilled.ready()
        time.sleep(2)
        drilled.plane.etcd.end(SIGKILL)
        server.end(SIGKILL)
        time.sleep(AWAY_S)
        away = drilled.services[0].get("/readyz")
        drilled.start(drilled.plane.etcd)
        drilled.start(drilled.plane.api_server)
        drilled.ready()
        before = len(load.acknowledged)
        wait_until(lambda: len(load.acknowledged) > before + 10, "writes to go on", timeout_s=BACK_WITHIN_S)
    with capsys.disabled():
        sys.stdout.write(
            f"\n{len(load.acknowledged)} writes, {load.refused} refused; {load.reviews} reviews, {load.wrong} wrong\n"
        )
    assert away.status == 200
    assert "storedobjects.imagegate.dev are as they were" in away.json["checks"]["cluster"]
    assert load.wrong == 0
    assert load.reviews > 200
    _nothing_was_lost(drilled, load)


@pytest.mark.timeout(200)
def test_a_backup_of_etcd_is_in_force_as_soon_as_it_is_served(drilled: Drilled) -> None:
    """Versions go back, and the replicas have written newer ones: they list, and write on."""
    drilled.stack.pop_all().close()
    shutil.rmtree(drilled.plane.directory / "etcd")
    shutil.copytree(drilled.plane.directory / "backup", drilled.plane.directory / "etcd")
    drilled.start(drilled.plane.etcd)
    drilled.start(drilled.plane.api_server)
    drilled.ready()

    def is_restored(service: Service) -> bool:
        answer = service.get(STREAMS_PATH)
        return answer.status == 200 and {each["metadata"]["name"] for each in answer.json["items"]} == {
            "good",
            "marked",
        }

    def is_tagged(service: Service) -> bool:
        """503 asks to try again: versions of the restored etcd may have passed those that were written before."""
        answer = set_tag(service, "good", "after", "good:latest")
        assert answer.status in (200, 201, 503), answer
        return answer.status != 503

    for service in drilled.services:
        wait_until(lambda service=service: is_restored(service), "the older state", timeout_s=60)  # type: ignore[misc]
        wait_until(lambda service=service: is_tagged(service), "a write", timeout_s=60)  # type: ignore[misc]
        assert not allows(service, drilled.marked)
