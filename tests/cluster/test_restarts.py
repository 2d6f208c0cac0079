"""The API server and etcd end, come back, or come back with an older state: policies and decisions meanwhile."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL
from typing import cast

import pytest

from tests.cluster.control_plane import READY_S, ControlPlane, control_plane
from tests.cluster.policy_objects import PORTIERIS, Writer, install, policy
from tests.cluster.test_watched_policies import review, settings_file
from tests.cluster.workers import Asked, every_worker
from tests.support.processes import Running, started, wait_until
from tests.support.service import Service, serving

AWAY_S = 5.0
BACK_WITHIN_S = 15.0
"""The longest pause between two attempts is 5 seconds; the rest is for a busy machine."""


@dataclass(slots=True)
class Drilled:
    plane: ControlPlane
    service: Service
    workers: list[Asked]
    stack: contextlib.ExitStack

    def all_say(self, image: str, allowed: bool) -> bool:
        return all(each.review(review(image, "default"))["allowed"] is allowed for each in self.workers)

    def apply(self, *names: str) -> None:
        writer = Writer(self.plane)
        with contextlib.closing(writer):
            writer.apply(policy("ClusterImagePolicy", "all", *(f"{each}/*" for each in names)))

    def start(self, ended: Running) -> Running:
        """Start a server that was killed again, at the same port and with the same data."""
        log = ended.log.with_suffix(f".{time.monotonic():.0f}.log")
        command = [str(part) for part in cast("list[str]", ended.process.args)]
        return self.stack.enter_context(started(command, port=ended.port, log=log))

    def ready(self) -> None:
        wait_until(lambda: self.plane.answers("/readyz"), "kube-apiserver to be ready", timeout_s=READY_S)


@pytest.fixture(scope="module")
def drilled() -> Iterator[Drilled]:
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="drilled-")))
        plane = stack.enter_context(control_plane(directory))
        install(plane.kubectl, PORTIERIS)
        own = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="service-")))
        service = stack.enter_context(serving(own, "--settings", settings_file(own, plane), workers=2))
        workers = stack.enter_context(every_worker(service))
        restarted = stack.enter_context(contextlib.ExitStack())
        yield Drilled(plane, service, workers, restarted)


def in_force_s(drilled: Drilled, *names: str) -> float:
    """Seconds until a change of the policy is in force in each worker."""
    drilled.apply(*names)
    began = time.monotonic()
    wait_until(lambda: drilled.all_say(f"{names[-1]}/a:1", True), "the change")
    return time.monotonic() - began


def _decides_as_before(drilled: Drilled, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        assert drilled.all_say("one.example/a:1", True)
        assert drilled.all_say("two.example/a:1", False)
        time.sleep(0.05)


def test_decisions_go_on_while_both_are_away(drilled: Drilled, capsys: pytest.CaptureFixture[str]) -> None:
    assert in_force_s(drilled, "one.example") < 1
    shutil.copytree(drilled.plane.directory / "etcd", drilled.plane.directory / "backup")
    drilled.plane.api_server.end(SIGKILL)
    drilled.plane.etcd.end(SIGKILL)
    _decides_as_before(drilled, AWAY_S)
    ready = drilled.service.get("/readyz")
    assert ready.status == 200
    assert "when the API server was last heard from" in ready.json["checks"]["cluster"]
    kind = f"clusterimagepolicies.{PORTIERIS[0]}"
    wait_until(
        lambda: drilled.service.metric("imagegate_cluster_watch_age_seconds", kind=kind) > AWAY_S / 2, "the metric"
    )
    drilled.start(drilled.plane.etcd)
    drilled.start(drilled.plane.api_server)
    drilled.ready()
    took = in_force_s(drilled, "one.example", "three.example")
    assert took < BACK_WITHIN_S
    wait_until(lambda: drilled.service.get("/readyz").json["checks"]["cluster"] == "ok", "all watches")
    assert in_force_s(drilled, "one.example", "four.example") < 1


def test_a_backup_of_etcd_is_in_force_as_soon_as_it_is_served(drilled: Drilled) -> None:
    """Versions go back, so that a watch that only waited for newer ones would show nothing for a long time."""
    drilled.stack.pop_all().close()  # ends what was started again
    shutil.rmtree(drilled.plane.directory / "etcd")
    shutil.copytree(drilled.plane.directory / "backup", drilled.plane.directory / "etcd")
    drilled.start(drilled.plane.etcd)
    drilled.start(drilled.plane.api_server)
    drilled.ready()
    wait_until(lambda: drilled.all_say("four.example/a:1", False), "the older state", timeout_s=40)
    assert drilled.all_say("one.example/a:1", True)
    assert in_force_s(drilled, "one.example", "five.example") < BACK_WITHIN_S
