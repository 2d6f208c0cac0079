"""The service as the API server's HTTP client sees it: a Go program calls it while the operator does things to it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from imagegate.web.server import EVENT_LOOP, KEEP_ALIVE_S
from tests.support.apiserver_client import ApiserverClient
from tests.support.certificates import Authority, Certificate
from tests.support.processes import wait_until
from tests.support.service import Service, sample_review, serving

CLIENTS = 8
IDLE_CONN_TIMEOUT_S = 90
"""Of the API server: client-go's transport closes a connection that was idle for so long."""


@dataclass(frozen=True, slots=True)
class Setup:
    """A service with TLS in two workers, which asks its clients for certificates."""

    service: Service
    ca: Authority
    client: Certificate
    certificate: Path
    key: Path
    body: Path

    def serial(self) -> object:
        """Serial number of the certificate that a new connection is shown."""
        assert self.service.context is not None
        with (
            socket.create_connection(("127.0.0.1", self.service.running.port), timeout=30) as raw,
            self.service.context.wrap_socket(raw, server_hostname="127.0.0.1") as wrapped,
        ):
            shown = wrapped.getpeercert()
        assert shown is not None
        return shown["serialNumber"]

    def rotate(self) -> None:
        """Replace the certificate, then its key, and wait until new connections see it."""
        before, fresh = self.serial(), self.ca.issue("127.0.0.1")
        shutil.copy(fresh.certificate, self.certificate)
        time.sleep(0.2)  # the two do not match meanwhile
        shutil.copy(fresh.key, self.key)
        wait_until(lambda: self.serial() != before, "the new certificate")

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the master."""
        os.kill(self.service.running.pid, number)


@contextlib.contextmanager
def secured(directory: Path, ca: Authority, worker: str) -> Iterator[Setup]:
    """A service of two workers."""
    shown, client = ca.issue("127.0.0.1"), ca.issue("apiserver")
    certificate, key, body = directory / "tls.crt", directory / "tls.key", directory / "review.json"
    shutil.copy(shown.certificate, certificate)
    shutil.copy(shown.key, key)
    body.write_text(json.dumps(sample_review("step-2-docker-hub")))
    context = ssl.create_default_context(cafile=ca.bundle)
    context.load_cert_chain(client.certificate, client.key)
    options = ("--worker", worker, "--tls-cert", certificate, "--tls-key", key, "--tls-client-ca", ca.bundle)
    with serving(directory, *options, context=context, workers=2) as service:
        yield Setup(service, ca, client, certificate, key, body)


@pytest.fixture
def setup(tmp_path: Path, ca: Authority, face: str) -> Iterator[Setup]:
    """Over both faces."""
    with secured(tmp_path, ca, face) as made:
        yield made


@pytest.fixture
def event_loop(tmp_path: Path, ca: Authority) -> Iterator[Setup]:
    """Over the one that loses nothing when workers are replaced (docs/operating.md, Workers)."""
    with secured(tmp_path, ca, EVENT_LOOP) as made:
        yield made


def test_no_call_fails_while_the_certificate_changes(setup: Setup, apiserver_client: ApiserverClient) -> None:
    with apiserver_client.calling(
        setup.service, setup.body, "-fresh", "-pause", "20ms", ca=setup.ca, certificate=setup.client
    ) as calls:
        for _ in range(3):
            setup.rotate()
            time.sleep(0.2)
    assert calls.failures == {}
    assert calls.dialled == calls.answered > 2 * CLIENTS  # so they saw every certificate


def test_no_call_fails_while_workers_change(event_loop: Setup, apiserver_client: ApiserverClient) -> None:
    """Go repeats no POST of which a byte was written, so one connection that is closed at the wrong time would show."""
    setup, service = event_loop, event_loop.service
    with apiserver_client.calling(service, setup.body, ca=setup.ca, certificate=setup.client) as calls:
        time.sleep(1)
        for _ in range(2):
            setup.rotate()
            before = service.workers()
            setup.signal(signal.SIGHUP)
            wait_until(lambda before=before: not before & service.workers(), "new workers")  # type: ignore[misc]
        setup.signal(signal.SIGTTIN)
        wait_until(lambda: len(service.workers()) == 3, "one worker more")
        time.sleep(0.5)
        setup.signal(signal.SIGTTOU)
        wait_until(lambda: len(service.workers()) == 2, "one worker less")
        time.sleep(1)
    assert calls.failures == {}
    assert calls.answered > 100
    assert calls.protocol == {"HTTP/1.1": calls.answered}
    # one a caller, and again whenever its worker goes: three times, or more where the next one goes as well
    # (of the connections that carried a call: Go dials spare ones beside them while it waits)
    assert CLIENTS <= calls.answered - calls.reused <= 10 * CLIENTS
    assert calls.reused >= calls.answered - calls.dialled


def test_connections_are_used_again_and_outlive_pauses(setup: Setup, apiserver_client: ApiserverClient) -> None:
    """A connection is kept longer than the API server keeps it: never closed under a request that is on its way."""
    options = ("-pause", "2500ms", "-clients", "4")
    with apiserver_client.calling(setup.service, setup.body, *options, ca=setup.ca, certificate=setup.client) as calls:
        time.sleep(6)
    assert calls.failures == {}
    assert calls.dialled <= 4
    assert calls.reused >= calls.answered - 4 >= 4


def test_connections_that_stay_unused_hold_nothing(setup: Setup, apiserver_client: ApiserverClient) -> None:
    """Go dials a connection and then takes whichever is free first: under load, some are not used for long."""
    service = setup.service
    assert service.context is not None
    with contextlib.ExitStack() as stack:
        for _ in range(80):  # more than two workers have threads
            raw = stack.enter_context(socket.create_connection(("127.0.0.1", service.running.port), timeout=30))
            stack.enter_context(service.context.wrap_socket(raw, server_hostname="127.0.0.1"))
        options = ("-clients", "32", "-pause", "0s")
        with apiserver_client.calling(service, setup.body, *options, ca=setup.ca, certificate=setup.client) as calls:
            time.sleep(2)
    assert calls.failures == {}
    assert calls.answered > 100


def test_the_keep_alive_time_is_longer_than_the_api_servers() -> None:
    assert KEEP_ALIVE_S > IDLE_CONN_TIMEOUT_S


@pytest.mark.parametrize("options", [("-http2",), ("-protocols", "h2"), ("-protocols", "h2,http/1.1")])
def test_a_client_that_offers_http2_is_answered_in_http1(
    setup: Setup, apiserver_client: ApiserverClient, options: tuple[str, ...]
) -> None:
    with apiserver_client.calling(setup.service, setup.body, *options, ca=setup.ca, certificate=setup.client) as calls:
        time.sleep(0.5)
    assert calls.failures == {}
    assert calls.protocol == {"HTTP/1.1": calls.answered}
    assert calls.answered > 0


def test_calls_under_way_are_answered_after_sigterm(event_loop: Setup, apiserver_client: ApiserverClient) -> None:
    """What fails is a connection that nobody accepts any more; the API server asks another replica then."""
    setup = event_loop
    with apiserver_client.calling(setup.service, setup.body, ca=setup.ca, certificate=setup.client) as calls:
        time.sleep(1)
        setup.signal(signal.SIGTERM)
        assert setup.service.running.process.wait(25) == 0
    assert calls.answered > 20
    assert all("connection refused" in failure for failure in calls.failures), calls.failures
