"""Requests as only an attacker, or a program with a fault, sends them: what both faces make of them.

The twin of each, sent as it should be, is in ``test_serve.py`` or ``TestMalformed`` of ``test_event_loop.py``.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagegate.web.server import EVENT_LOOP, GTHREAD
from tests.support.certificates import Authority
from tests.support.processes import wait_until
from tests.support.programs import program
from tests.support.service import Service, serving
from tests.web.test_event_loop import BODY, CHUNKS, HEAD, LENGTH, MALFORMED, sent, settings, slowest_review

BEHIND = b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n"
VERSION = b"gitVersion"
CLOSE = b"Connection: close\r\n"
CODING_THAT_GUNICORN_TAKES = "coding before chunks"
"""Where the body ends is plain there; gunicorn ignores the other coding."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, face: str) -> Iterator[Service]:
    """The service without any option but its kind of worker."""
    with serving(tmp_path_factory.mktemp("hostile"), "--worker", face) as found:
        yield found


@pytest.mark.parametrize("name", MALFORMED)
def test_no_request_is_hidden_in_another(service: Service, face: str, name: str) -> None:
    if (face, name) == (GTHREAD, CODING_THAT_GUNICORN_TAKES):
        return
    rest, status = MALFORMED[name]
    answer = sent(service, HEAD + rest + BEHIND, wait_s=3)
    assert answer.startswith(b"HTTP/1.1 " + status)
    assert answer.count(b"HTTP/1.1 ") == 1
    assert VERSION not in answer


@pytest.mark.parametrize("kept", [b"", b"Connection: keep-alive\r\n"], ids=["closed", "kept"])
def test_http_1_0_is_answered(service: Service, kept: bytes) -> None:
    head = b"POST /mutate HTTP/1.0\r\nContent-Type: application/json\r\n" + kept
    begun = time.monotonic()
    answer = sent(service, head + LENGTH + BODY, wait_s=2)
    assert b" 200 OK\r\n" in answer[:20]
    assert answer.endswith(b'"allowed":true}}')
    assert kept or time.monotonic() - begun < 1.5, "closed by the service, not by the test"


def test_http_1_0_has_no_chunks(service: Service) -> None:
    answer = sent(service, HEAD.replace(b"HTTP/1.1", b"HTTP/1.0") + CHUNKS + BEHIND, wait_s=3)
    assert answer.split()[1] in (b"400", b"501")
    assert VERSION not in answer


def test_a_client_that_waits_to_be_told_to_continue_is_told_once(service: Service) -> None:
    with socket.create_connection(("127.0.0.1", service.running.port), timeout=10) as raw:
        raw.sendall(HEAD + CLOSE + b"Expect: 100-continue\r\n" + LENGTH)
        assert raw.recv(4096) == b"HTTP/1.1 100 Continue\r\n\r\n"
        raw.sendall(BODY)
        answer = raw.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.count(b"HTTP/1.1 ") == 1


def test_an_upgrade_is_not_made(service: Service) -> None:
    """h2c, as Java's client offers it: answered in HTTP/1.1 or refused with a reason, and nothing else is spoken."""
    upgrade = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"
    answer = sent(service, HEAD + upgrade + LENGTH + BODY, wait_s=2)
    assert answer.startswith(b"HTTP/1.1 200 ") or b"send the request without Upgrade" in answer
    assert b" 101 " not in answer
    get = sent(service, b"GET /livez HTTP/1.1\r\nHost: x\r\n" + upgrade + b"\r\n", wait_s=2)
    assert get.startswith(b"HTTP/1.1 200 OK\r\n")


def test_http_2_is_refused(service: Service) -> None:
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\x04\0\0\0\0\0"
    assert sent(service, preface, wait_s=3).split()[1] in (b"400", b"505")


def test_many_requests_in_one_packet_are_answered_in_order(service: Service) -> None:
    answer = sent(service, (HEAD + LENGTH + BODY + BEHIND) * 25 + HEAD + CLOSE + LENGTH + BODY, wait_s=10)
    parts = answer.split(b"HTTP/1.1 200 ")[1:]
    assert [VERSION in part for part in parts] == [False, True] * 25 + [False]


def test_a_body_in_chunks_of_a_byte_is_read(service: Service) -> None:
    chunks = b"".join(b"1\r\n%c\r\n" % each for each in BODY)
    answer = sent(service, HEAD + CLOSE + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")


def test_extensions_of_chunks_are_not_received_for_ever(tmp_path: Path, face: str) -> None:
    """Each is thrown away, so only their number counts (Go's CVE-2023-39326)."""
    flood = b"1;" + b"a" * 20_000 + b"\r\n \r\n"
    ended = False
    answer = b""
    with serving(tmp_path, *settings(tmp_path, bodyMaxBytes=100_000), "--worker", face) as service:
        with socket.create_connection(("127.0.0.1", service.running.port), timeout=3) as raw:
            raw.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
            try:
                for _ in range(500):  # 10 MB
                    raw.sendall(flood)
                answer = raw.recv(4096)
            except (BrokenPipeError, ConnectionResetError):
                ended = True
        assert ended or answer.startswith(b"HTTP/1.1 413 ")
        assert slowest_review(service) < 1


class TestHalfClosed:
    """A client that ends its sending side and still reads."""

    def sent_and_ended(self, service: Service, request: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", service.running.port), timeout=10) as raw:
            raw.sendall(request)
            raw.shutdown(socket.SHUT_WR)
            answer = b""
            with contextlib.suppress(ConnectionResetError):
                while piece := raw.recv(65536):
                    answer += piece
            return answer

    @pytest.mark.parametrize(
        "request_",
        [HEAD + LENGTH + BODY, HEAD + b"Content-Length: 100000\r\n\r\n" + BODY.ljust(100_000), BEHIND],
        ids=["a review", "a large one", "another request"],
    )
    def test_it_is_answered(self, service: Service, request_: bytes) -> None:
        begun = time.monotonic()
        assert self.sent_and_ended(service, request_).startswith(b"HTTP/1.1 200 OK\r\n")
        assert time.monotonic() - begun < 5, "and the connection is closed then"

    @pytest.mark.parametrize("request_", [b"", HEAD[:20], HEAD + LENGTH + BODY[:-1]], ids=["no", "no head", "no body"])
    def test_half_a_request_is_not(self, service: Service, request_: bytes) -> None:
        assert b" 200 OK" not in self.sent_and_ended(service, request_)


def test_a_client_that_floods_takes_nothing_from_one_elsewhere(tmp_path: Path) -> None:
    """The slow client elsewhere has fewer connections, so all that makes room comes from the one that floods."""
    with (
        serving(tmp_path, *settings(tmp_path, connectionsPerClient=50), "--worker", EVENT_LOOP) as service,
        contextlib.ExitStack() as stack,
    ):
        here = ("127.0.0.1", service.running.port)
        slow = stack.enter_context(socket.create_connection(here, timeout=30, source_address=("127.0.0.2", 0)))
        slow.sendall(HEAD + CLOSE + LENGTH + BODY[:100])
        flood = [stack.enter_context(socket.create_connection(here, timeout=30)) for _ in range(400)]
        name = "imagegate_connections_closed_early_total"
        wait_until(lambda: service.metric(name, reason="too many of one client") >= 340, "the oldest to be closed")
        assert len(flood) == 400
        slow.sendall(BODY[100:])
        assert slow.makefile("rb").read().startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory, ca: Authority, face: str) -> Iterator[Service]:
    """The same over TLS."""
    files = ca.issue("127.0.0.1")
    tls = ("--tls-cert", files.certificate, "--tls-key", files.key)
    with serving(tmp_path_factory.mktemp("tls"), *tls, "--worker", face) as found:
        yield found


class TestTls:
    def client(self, service: Service, ca: Authority, *options: str, text: str = "") -> str:
        """What openssl prints about a connection."""
        address = ["-connect", f"127.0.0.1:{service.running.port}", "-CAfile", str(ca.bundle)]
        command = [program("openssl"), "s_client", *address, *options]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            assert process.stdin is not None
            time.sleep(0.5)  # the command letter is read after the handshake only
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(text)
                process.stdin.flush()
            time.sleep(0.5)
            return process.communicate(timeout=30)[0]

    def test_no_second_handshake_in_a_connection(self, secure: Service, ca: Authority) -> None:
        printed = self.client(secure, ca, "-tls1_2", text="R\n")
        assert "Verify return code: 0 (ok)" in printed
        assert "RENEGOTIATING" in printed
        assert "no renegotiation" in printed

    def test_no_early_data(self, secure: Service, ca: Authority) -> None:
        """It could be replayed."""
        printed = self.client(secure, ca, "-tls1_3")
        assert "TLSv1.3" in printed
        assert "Max Early Data: 0" in printed

    def test_no_older_protocol(self, secure: Service, ca: Authority) -> None:
        printed = self.client(secure, ca, "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0")
        assert "Cipher is (NONE)" in printed
