"""What goes wrong with a running service, while the API server asks it: nothing forbidden is ever let in."""

from __future__ import annotations

import os
import shutil
import signal
import ssl
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cluster.control_plane import ControlPlane
from tests.cluster.load import CLIENTS, Load
from tests.cluster.webhooks import Hooked, configure, make_namespace
from tests.support.processes import wait_until
from tests.support.service import CONFIG, Service, serving

IMAGES = ("docker.io/library/nginx:1", "quay.io/evil/tool:1")
BEFORE_S, AFTER_S = 1.0, 3.0


@dataclass(frozen=True, slots=True)
class Drilled:
    """A service whose files the drills change."""

    hooked: Hooked
    config: Path
    certificate: Path
    key: Path

    @property
    def service(self) -> Service:
        return self.hooked.service

    def load(self) -> Load:
        return Load(self.hooked, IMAGES)

    def served(self) -> str:
        """The certificate that new connections get, as PEM."""
        return ssl.get_server_certificate(("127.0.0.1", self.service.running.port))


@pytest.fixture
def drilled(plane: ControlPlane) -> Iterator[Drilled]:
    """Two workers with TLS, from files of their own."""
    label = "drills"
    with tempfile.TemporaryDirectory(prefix="drills-") as name:
        directory = Path(name)
        config = Path(shutil.copy(CONFIG / "master-config.yaml", directory))
        issued = plane.ca.server
        certificate = Path(shutil.copy(issued.certificate, directory / "tls.crt"))
        key = Path(shutil.copy(issued.key, directory / "tls.key"))
        options = ("--config", config, "--tls-cert", certificate, "--tls-key", key)
        with serving(directory, *options, context=plane.context(), workers=2) as service:
            url = f"https://127.0.0.1:{service.running.port}"
            configure(plane.kubectl, label, url, plane.ca.bundle, ("/mutate", "/validate"))
            make_namespace(plane, label, label)
            found = Drilled(Hooked(plane, service, label), config, certificate, key)
            try:
                wait_until(lambda: _asked(found), "the API server to ask the webhooks")
                yield found
            finally:
                for kind in ("mutating", "validating"):
                    plane.kubectl("delete", f"{kind}webhookconfiguration", label)


def _asked(found: Drilled) -> bool:
    with (load := found.load()).running():
        time.sleep(0.2)
    return load.counts["denied"] > 0 and not load.counts["wrongly allowed"]


def _after(found: Drilled, *steps: Callable[[], object]) -> Load:
    """What became of the pods that were asked for before, during and after the steps."""
    with (load := found.load()).running():
        time.sleep(BEFORE_S)
        for step in steps:
            step()
            time.sleep(AFTER_S / len(steps))
    assert load.counts["wrongly allowed"] == 0
    assert min(load.counts["allowed"], load.counts["denied"]) > 20
    return load


def test_reloads(drilled: Drilled) -> None:
    def reload() -> None:
        os.kill(drilled.service.running.pid, signal.SIGHUP)

    before = drilled.service.workers()
    load = _after(drilled, reload, reload, reload)
    assert load.counts["failed"] == 0, load.failures
    assert drilled.service.workers().isdisjoint(before)


def test_a_broken_policy(drilled: Drilled) -> None:
    def spoil() -> None:
        drilled.config.write_text("kind: [")

    def reload() -> None:
        os.kill(drilled.service.running.pid, signal.SIGHUP)

    load = _after(drilled, spoil, reload)
    assert load.counts["failed"] == 0, load.failures
    assert "master-config.yaml:2: not YAML" in str(drilled.service.get("/readyz").json["policies"])


def test_a_policy_that_was_cut_off(drilled: Drilled) -> None:
    """What is left allows everything: only SIGHUP, which says that it is meant, puts such a policy in force."""

    def cut() -> None:
        drilled.config.write_bytes(drilled.config.read_bytes()[:700])

    load = _after(drilled, cut)
    assert load.counts["failed"] == 0, load.failures


def test_a_new_certificate(drilled: Drilled) -> None:
    fresh = drilled.hooked.plane.ca.issue("127.0.0.1", file_name="fresh")

    def rotate() -> None:
        for source, place in ((fresh.key, drilled.key), (fresh.certificate, drilled.certificate)):
            shutil.copy(source, place.with_suffix(".new"))
            place.with_suffix(".new").replace(place)

    load = _after(drilled, rotate)
    assert load.counts["failed"] == 0, load.failures
    assert drilled.served().strip() == fresh.certificate.read_text().strip()


def test_more_and_fewer_workers(drilled: Drilled) -> None:
    def send(what: signal.Signals) -> Callable[[], None]:
        return lambda: os.kill(drilled.service.running.pid, what)

    load = _after(drilled, send(signal.SIGTTIN), send(signal.SIGTTOU))
    assert load.counts["failed"] == 0, load.failures


def test_a_worker_that_is_killed(drilled: Drilled) -> None:
    def kill() -> None:
        os.kill(min(drilled.service.workers()), signal.SIGKILL)

    load = _after(drilled, kill)
    # a request that was under way in the killed process has no answer; the API server denies it
    assert load.counts["failed"] <= CLIENTS, load.failures
    wait_until(lambda: len(drilled.service.workers()) == 2, "the worker to be replaced")


def test_a_service_that_is_gone(drilled: Drilled) -> None:
    drilled.service.running.end()
    with (load := drilled.load()).running():
        time.sleep(BEFORE_S)
    assert load.counts.keys() == {"failed"}
    assert all("failed calling webhook" in text for text in load.failures)
