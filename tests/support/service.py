"""``imagegate serve`` as a child process, and requests to it."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import shutil
import ssl
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.processes import Running, free_port, started, wait_until

ROOT = Path(__file__).resolve().parent.parent.parent
CONFIG = ROOT / "config"
PROSE = ("imagegate serves ", "Try in another terminal")
IMAGEGATE = Path(sys.executable).parent / "imagegate"
"""The installed script."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer with a JSON body."""

    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        """The decoded body."""
        return json.loads(self.content)

    @property
    def response(self) -> Any:
        """The ``response`` of an AdmissionReview, after the form of the answer was checked."""
        assert self.status == 200, self.content
        assert self.json.keys() == {"apiVersion", "kind", "response"}
        assert self.json["kind"] == "AdmissionReview"
        return self.json["response"]

    @property
    def patch(self) -> Any:
        """The JSON Patch of an AdmissionReview."""
        assert self.response["patchType"] == "JSONPatch"
        return json.loads(base64.b64decode(self.response["patch"]))


@dataclass(frozen=True, slots=True)
class Service:
    """A running service."""

    running: Running
    context: ssl.SSLContext | None = None

    def connection(self) -> http.client.HTTPConnection:
        """A connection of one's own."""
        if self.context is not None:
            return http.client.HTTPSConnection("127.0.0.1", self.running.port, timeout=30, context=self.context)
        return http.client.HTTPConnection("127.0.0.1", self.running.port, timeout=30)

    def ask(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Answer:
        """One request on a connection of its own."""
        with contextlib.closing(self.connection()) as connection:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())

    def get(self, path: str) -> Answer:
        """GET."""
        return self.ask("GET", path)

    def post(self, path: str, body: Any, **headers: str) -> Answer:
        """POST of JSON, given as bytes or as a value."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.ask("POST", path, content, {"Content-Type": "application/json", **headers})

    def workers(self) -> set[int]:
        """Process ids of the workers."""
        children = Path(f"/proc/{self.running.pid}/task/{self.running.pid}/children").read_text()
        return {int(pid) for pid in children.split()}

    def log_lines(self) -> list[dict[str, Any]]:
        """The log so far; every line of it must be JSON. What is said to people stands before or between."""
        time.sleep(0.1)  # lines are written beside the answers
        return [json.loads(line) for line in self.running.output().splitlines() if not line.startswith(("  ", *PROSE))]

    def metric(self, name: str, **labels: str) -> float:
        """The value of a metric; 0 where it is not there."""
        for line in self.get("/metrics").content.decode().splitlines():
            series, _, value = line.rpartition(" ")
            metric, _, rest = series.partition("{")
            found = dict(pair.split("=", 1) for pair in rest.rstrip("}").split(",") if "=" in pair)
            if metric == name and {key: text.strip('"') for key, text in found.items()} == labels:
                return float(value)
        return 0.0


@contextlib.contextmanager
def serving(
    directory: Path,
    *options: str | Path,
    context: ssl.SSLContext | None = None,
    workers: int = 1,
    prefix: tuple[str, ...] = (),
) -> Iterator[Service]:
    """``imagegate serve`` with ``options``, its log below ``directory``; ``prefix``: a command that starts it."""
    port = free_port()
    command = [*prefix, IMAGEGATE, "serve", "--bind", f"127.0.0.1:{port}", "--workers", str(workers), *options]
    environment = {**os.environ, "XDG_STATE_HOME": str(directory / "state")}
    with started(command, port=port, log=directory / "serve.log", env=environment, cwd=directory) as running:
        service = Service(running, context)
        wait_until(lambda: len(service.workers()) >= workers, "the workers")
        yield service


def sample_config(directory: Path) -> Path:
    """A copy of the sample configuration that may be changed; the folder."""
    return Path(shutil.copytree(CONFIG, directory / "config"))


def sample_review(name: str) -> dict[str, Any]:
    """One of the example reviews."""
    found: dict[str, Any] = json.loads((CONFIG / "examples" / "reviews" / f"{name}.json").read_text())
    return found
