"""Runs commands with a real ``oc``, and keeps what it sent and received.

A scenario with ``tls`` is served over TLS, since ``oc`` sends its token over nothing else, and begins with no login.
"""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from imagegate.errors import InvalidInput
from imagegate.web.image_api import protobuf
from tests.oc_recordings.replay import decoded, watch_events, write
from tests.support.certificates import Authority
from tests.support.image_api import Api, served

COMMANDS = Path(__file__).with_name("commands.yaml")
HEADERS = ("Accept", "Content-Type", "Impersonate-User", "Impersonate-Group", "User-Agent")
_DISCOVERY = re.compile(r"/(|version|openapi/.*|apis?|api/v1|apis/[^/]+|apis/[^/]+/v1)/?(\?.*)?")
"""Every command repeats these requests."""
_SERVER = re.compile(r"/(|version|openapi/.*)(\?.*)?")
COMMAND_S = 30


class Recorder:
    """A WSGI application that keeps what passes through it.

    Args:
        application: answers.
        left_out: paths that are not kept.
    """

    def __init__(self, application: Callable[..., Iterable[bytes]], left_out: re.Pattern[str]) -> None:
        self._application = application
        self._left_out = left_out
        self._lock = threading.Lock()
        self.exchanges: list[dict[str, Any]] = []
        self.command = ""

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterator[bytes]:
        """Pass a request on."""
        content = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = _Content(content)
        path = environ["PATH_INFO"] + (f"?{environ['QUERY_STRING']}" if environ["QUERY_STRING"] else "")
        exchange: dict[str, Any] = {
            "command": self.command,
            "method": environ["REQUEST_METHOD"],
            "path": path,
            "headers": _headers(environ),
            **_body(content),
        }
        if self._left_out.fullmatch(path) is None and "HTTP_UPGRADE" not in environ:  # oc tries again without
            with self._lock:
                self.exchanges.append(exchange)

        content_type = ""

        def started(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            nonlocal content_type
            exchange["status"] = int(status[:3])
            content_type = dict(headers).get("Content-Type", "")
            return start_response(status, headers, *rest)

        received = b""
        answer = self._application(environ, started)
        try:
            for piece in answer:
                received += piece
                self._note(exchange, received, content_type)
                yield piece
        finally:
            getattr(answer, "close", lambda: None)()
            self._note(exchange, received, content_type)

    def _note(self, exchange: dict[str, Any], received: bytes, content_type: str) -> None:
        """Note what was sent so far.

        A watch may go on after its command has ended, and tell of later requests: these events are left out.
        """
        is_watch = "watch=" in exchange["path"] and exchange["status"] == 200
        is_over = exchange["command"] != self.command or (is_watch and exchange is not self.exchanges[-1])
        if is_over and "response" in exchange:
            return
        exchange["response"] = list(watch_events([received], content_type)) if is_watch else decoded(received)


class _Content:
    """A body that was read already."""

    def __init__(self, content: bytes) -> None:
        self._rest = content

    def read(self, size: int = -1) -> bytes:
        """See ``io.RawIOBase``."""
        size = len(self._rest) if size < 0 else size
        found, self._rest = self._rest[:size], self._rest[size:]
        return found


def _body(content: bytes) -> dict[str, str]:
    """The body as text; one in protobuf as the JSON of its object, under another name. Kinds not served: in base64."""
    if content.startswith(protobuf.MAGIC):
        try:
            return {"protobuf": json.dumps(protobuf.decode(content))}
        except InvalidInput:
            return {"bytes": base64.b64encode(content).decode("ascii")}
    return {"body": content.decode("utf-8")} if content else {}


def _headers(environ: dict[str, Any]) -> dict[str, str]:
    given = {"Content-Type": environ.get("CONTENT_TYPE", "")}
    given |= {name: environ.get(f"HTTP_{name.upper().replace('-', '_')}", "") for name in HEADERS if name not in given}
    return {name: value for name, value in given.items() if value}


def record(scenario: dict[str, Any], api: Api, oc: Path, home: Path) -> list[str]:
    """Run a scenario and write its file; what was not as ``commands.yaml`` says."""
    problems = []
    for name, text in (scenario.get("files") or {}).items():
        (home / name).write_text(text if isinstance(text, str) else yaml.safe_dump(text), encoding="utf-8")
    recorder = Recorder(api.app.wsgi_app, _SERVER if scenario.get("discovery") else _DISCOVERY)
    api.app.wsgi_app = recorder  # type: ignore[method-assign]
    (home / "tls").mkdir()
    authority = Authority(home / "tls") if scenario.get("tls") else None
    with served(api.app, authority.server.server_context() if authority else None) as url:
        if authority is None:
            _log_in(home, url)
        for entry in scenario["commands"]:
            recorder.command = f"oc {entry['run']}"
            problems += _run(entry, oc, home, url)
    write(scenario["name"], (each for each in recorder.exchanges if "response" in each))
    return problems


def _run(entry: dict[str, Any], oc: Path, home: Path, server: str) -> list[str]:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "KUBECONFIG": str(home / "kubeconfig"),
        "KUBECACHEDIR": str(home / "cache"),
        "EDITOR": entry.get("editor", "false"),
        "OC": str(oc),
        "SERVER": server,
        "CA": str(home / "tls" / "trusted" / "ca.crt"),
    }
    command = f"{oc} {entry['run']}"
    try:
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=home,
            env=environment,
            capture_output=True,
            text=True,
            timeout=entry.get("seconds", COMMAND_S),
            check=False,
        )
        code, printed = done.returncode, done.stdout + done.stderr
    except subprocess.TimeoutExpired as expired:
        code, printed = -1, str(expired.stdout or b"") + str(expired.stderr or b"")
    wanted, text = entry.get("exit", 0), entry.get("prints", "")
    if code == wanted and re.search(text, printed):
        return []
    return [f"oc {entry['run']}: exit {code}, expected {wanted} and {text!r}: {printed}"]


def _log_in(home: Path, url: str) -> None:
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "dry", "cluster": {"server": url}}],
        "users": [{"name": "me", "user": {"token": "any"}}],
        "contexts": [{"name": "dry", "context": {"cluster": "dry", "user": "me", "namespace": "test"}}],
        "current-context": "dry",
    }
    (home / "kubeconfig").write_text(yaml.safe_dump(document), encoding="utf-8")


def read_scenarios() -> list[dict[str, Any]]:
    """The scenarios of ``commands.yaml``."""
    found: list[dict[str, Any]] = yaml.safe_load(COMMANDS.read_text(encoding="utf-8"))
    return found
