"""Programs of Kubernetes' and OpenShift's own client libraries (``go_clients``), built as one Go module.

They are built once for each state of their sources, into the cache of all tests' programs.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.cluster.binaries import caches, go_program

SOURCES = Path(__file__).with_name("go_clients")
BUILD_S = 900


def go_client(name: str) -> Path:
    """The program of a folder of ``go_clients``, built if it is not there. Only one process builds at a time.

    Raises:
        AssertionError: it does not build; with the compiler's message.
    """
    folder = caches() / f"go-clients-{_state()}"
    if not (folder / name).exists():
        caches().mkdir(parents=True, exist_ok=True)
        with (caches() / "go-clients.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (folder / name).exists():
                _build(folder)
    return folder / name


def _state() -> str:
    digest = hashlib.sha256()
    for path in sorted(SOURCES.rglob("*")):
        if path.is_file():
            digest.update(f"{path.relative_to(SOURCES)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _build(folder: Path) -> None:
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false", "GOTOOLCHAIN": "local"}
    with tempfile.TemporaryDirectory(prefix="build-", dir=folder.parent) as work:
        done = subprocess.run(
            [go_program(), "build", "-trimpath", "-ldflags", "-s -w", "-o", f"{work}/bin/", "./..."],
            cwd=SOURCES,
            env=environment,
            capture_output=True,
            text=True,
            timeout=BUILD_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        (Path(work) / "bin").rename(folder)


def _line(process: subprocess.Popen[str]) -> Any:
    """The next line that a program prints, decoded."""
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, f"{process.args!s:.200} ended"
    return json.loads(line)


class Informer:
    """A running informer.

    Args:
        process: the program.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        first = _line(process)
        self.synced_s: float = first["syncedS"]
        """How long it took to know all objects."""
        self.objects: int = first["objects"]
        """How many they were."""
        self.requests: list[str] = first["requests"]
        """All that it had requested until then: ``METHOD URI``."""

    def knows(self, name: str) -> dict[str, str]:
        """What it knows as soon as it knows ``NAMESPACE/NAME``: the version of each object by such a name."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{name}\n")
        self._process.stdin.flush()
        found: dict[str, str] = _line(self._process)
        return found


@contextmanager
def informing(server: str, resource: str = "imagestreams", group: str = "image.openshift.io") -> Iterator[Informer]:
    """An informer of a resource in version v1, synced when the block begins."""
    command: list[str | Path] = [go_client("informer"), "-server", server, "-group", group, "-resource", resource]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Informer(process)
        finally:
            process.kill()


class Merger:
    """Kubernetes' own strategic merge patch, in a running program.

    Args:
        process: the program.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.strategies: dict[str, dict[str, str]] = _line(process)
        """For each kind (``VERSION KIND``) the paths of fields with a strategy: ``STRATEGY[:KEY]``."""

    def merge(self, kind: str, original: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
        """``{"result": ...}`` or ``{"error": ...}``."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{json.dumps({'kind': kind, 'original': original, 'patch': patch})}\n")
        self._process.stdin.flush()
        found: dict[str, Any] = _line(self._process)
        return found


class FieldManager:
    """Kubernetes' own field manager, in a running program.

    Args:
        process: the program.
        schemas: of an OpenAPI v3 document.
    """

    def __init__(self, process: subprocess.Popen[str], schemas: dict[str, Any]) -> None:
        self._process = process
        self._send({"schemas": schemas})

    def _send(self, line: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{json.dumps(line)}\n")
        self._process.stdin.flush()

    def update(self, live: dict[str, Any], new: dict[str, Any], manager: str) -> dict[str, Any]:
        """The new object with its ``managedFields``: ``{"result": ...}`` or ``{"error": ...}``."""
        self._send({"live": live, "object": new, "manager": manager})
        found: dict[str, Any] = _line(self._process)
        return found

    def apply(self, live: dict[str, Any], applied: dict[str, Any], manager: str, *, force: bool) -> dict[str, Any]:
        """The merged object with its ``managedFields``: ``{"result": ...}`` or ``{"error": ...}``."""
        self._send({"live": live, "object": applied, "manager": manager, "apply": True, "force": force})
        found: dict[str, Any] = _line(self._process)
        return found


@contextmanager
def managing_fields(schemas: dict[str, Any]) -> Iterator[FieldManager]:
    """A field manager for the kinds in these schemas while the block runs."""
    with subprocess.Popen([go_client("owners")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield FieldManager(process, schemas)
        finally:
            process.kill()


@contextmanager
def merging() -> Iterator[Merger]:
    """A program that merges while the block runs."""
    with subprocess.Popen([go_client("merge")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Merger(process)
        finally:
            process.kill()
