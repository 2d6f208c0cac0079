"""Load by wrk, pinned to the processor that the server is not on, and checks of the answers."""

from __future__ import annotations

import http.client
import ssl
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from bench.figures import WrongAnswer
from bench.servers import LOAD_CPU, Server

SCRIPT = Path(__file__).with_name("load.lua")

Check = Callable[[dict[str, Any], dict[str, Any]], str | None]
"""(review, answer) -> None if the answer is right, else what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Load:
    """The results of one round of load."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    failures: int
    """Connections, reads, writes, time-outs and answers other than 2xx or 3xx."""
    cpu_us: float
    """Of all processes of the server, per request."""

    @property
    def per_second(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds


def put_under_load(
    server: Server,
    path: str,
    bodies: Sequence[Path],
    *,
    seconds: int,
    connections: int = 16,
    threads: int = 1,
    pinned: bool = True,
    headers: Sequence[str] = (),
) -> Load:
    """Run wrk against ``path`` with the bodies in turn.

    Args:
        headers: more of them, each ``NAME: VALUE``.

    Raises:
        WrongAnswer: wrk did not run to its end, or nothing was answered.
    """
    pin = ["taskset", "-c", str(LOAD_CPU)] if pinned else []
    command = [*pin, "wrk", f"-t{threads}", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s", str(SCRIPT)]
    command += [part for header in headers for part in ("-H", header)]
    command += [f"{server.scheme}://127.0.0.1:{server.port}{path}", "--", *map(str, bodies)]
    before = server.cpu_s()
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=False)
    used_s = server.cpu_s() - before
    lines = [line.split()[1:] for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if not lines or int(lines[0][0]) == 0:
        raise WrongAnswer(f"{server.name}: wrk: {done.stderr or done.stdout}")
    requests, duration_us, p50_us, p99_us, failures = map(int, lines[0])
    return Load(requests, duration_us / 1e6, p50_us / 1e3, p99_us / 1e3, failures, used_s / requests * 1e6)


def check_answers(server: Server, path: str, bodies: Sequence[Path], check: Check) -> None:
    """Send every body once and look at the answer.

    Raises:
        WrongAnswer: any status but 200, or ``check`` finds something.
    """
    connection = connect(server)
    try:
        for body in bodies:
            sent = body.read_bytes()
            connection.request("POST", path, sent, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            received = answer.read()
            if answer.status != 200:
                raise WrongAnswer(f"{server.name}: {path}: {answer.status} {received[:400]!r}")
            wrong = check(orjson.loads(sent), orjson.loads(received))
            if wrong:
                raise WrongAnswer(f"{server.name}: {path}: {wrong}: {received[:400]!r}")
    finally:
        connection.close()


def connect(server: Server) -> http.client.HTTPConnection:
    """A connection to the server. Its certificate is not looked at: it is one of the test's own."""
    if server.scheme == "http":
        return http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return http.client.HTTPSConnection("127.0.0.1", server.port, timeout=30, context=context)


def is_allowed(review: dict[str, Any], answer: dict[str, Any]) -> str | None:
    """The answer is to this review, and allows it."""
    response = answer.get("response", {})
    if response.get("uid") != review["request"]["uid"]:
        return "another uid"
    return None if response.get("allowed") is True else "denied"
