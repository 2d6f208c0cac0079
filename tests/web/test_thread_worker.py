"""Connections without a request hold no thread of gunicorn's worker: more of them than it has threads."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from pathlib import Path

import pytest

from imagegate.web.server import GTHREAD
from tests.support.certificates import Authority
from tests.support.service import Service, sample_review, serving

OPTIONS = ("--worker", GTHREAD, "--threads", "2")


def connected(service: Service) -> socket.socket:
    """A connection whose handshake, if any, is done."""
    raw = socket.create_connection(("127.0.0.1", service.running.port), timeout=10)
    if service.context is None:
        return raw
    return service.context.wrap_socket(raw, server_hostname="127.0.0.1")


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
def test_unused_connections_delay_nobody_and_are_used_later(tmp_path: Path, ca: Authority, tls: bool) -> None:
    files = ca.issue("127.0.0.1")
    options = ("--tls-cert", files.certificate, "--tls-key", files.key) if tls else ()
    context = ssl.create_default_context(cafile=ca.bundle) if tls else None
    with serving(tmp_path, *OPTIONS, *options, context=context) as service, contextlib.ExitStack() as stack:
        unused = [stack.enter_context(connected(service)) for _ in range(6)]
        begun = time.monotonic()
        for _ in range(5):
            assert service.post("/mutate", sample_review("step-2-docker-hub")).response["allowed"] is True
        assert time.monotonic() - begun < 3
        for each in unused:
            each.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
            assert each.recv(4096).startswith(b"HTTP/1.1 200 OK")


def test_a_handshake_that_fails_harms_nobody(tmp_path: Path, ca: Authority) -> None:
    files = ca.issue("127.0.0.1")
    tls = ("--tls-cert", files.certificate, "--tls-key", files.key)
    with serving(tmp_path, *OPTIONS, *tls, context=ssl.create_default_context(cafile=ca.bundle)) as service:
        workers = service.workers()
        for _ in range(5):
            with socket.create_connection(("127.0.0.1", service.running.port), timeout=10) as raw:
                raw.sendall(b"GET / HTTP/1.1\r\n\r\n")
                with contextlib.suppress(ConnectionResetError):
                    assert b" 200 " not in raw.recv(4096)
        assert service.get("/livez").status == 200
        assert service.workers() == workers
        assert not [line for line in service.log_lines() if line["level"] == "error"]
