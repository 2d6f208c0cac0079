"""A Go program that calls the service as Kubernetes' API server calls a webhook (``apiserver_client.go``)."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.certificates import Authority, Certificate
from tests.support.programs import program
from tests.support.service import Service

SOURCE = Path(__file__).with_name("apiserver_client.go")


@dataclass(slots=True)
class Calls:
    """What became of the calls; filled in once they have ended."""

    answered: int = 0
    reused: int = 0
    """Calls over a connection of an earlier one."""
    dialled: int = 0
    """Connections made."""
    failures: dict[str, int] = field(default_factory=dict)
    """How often each error came."""
    protocol: dict[str, int] = field(default_factory=dict)
    """Answers by protocol, such as ``HTTP/1.1``."""
    slowest_s: float = 0.0


@dataclass(frozen=True, slots=True)
class ApiserverClient:
    """The program, built."""

    path: Path

    @contextlib.contextmanager
    def calling(
        self,
        service: Service,
        body: Path,
        *options: str,
        ca: Authority | None = None,
        certificate: Certificate | None = None,
        path: str = "/mutate?timeout=10s",
    ) -> Iterator[Calls]:
        """Post ``body`` from several callers at a time while the block runs; ``options`` are those of the program.

        Raises:
            AssertionError: the program failed.
        """
        scheme = "http" if ca is None else "https"
        url = f"{scheme}://127.0.0.1:{service.running.port}{path}"
        command: list[str | Path] = [self.path, "-url", url, "-body", body, *options]
        if ca is not None:
            command += ["-ca", ca.bundle]
        if certificate is not None:
            command += ["-cert", certificate.certificate, "-key", certificate.key]
        calls = Calls()
        with subprocess.Popen(
            list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            try:
                yield calls
                printed, errors = process.communicate(timeout=30)  # closes its input, which ends it
            finally:
                process.kill()
        assert process.returncode == 0, errors
        seen = json.loads(printed)
        calls.answered, calls.reused, calls.dialled = seen["answered"], seen["reused"], seen["dialled"]
        calls.failures, calls.protocol, calls.slowest_s = seen["failures"], seen["protocol"], seen["slowestS"]


def build_apiserver_client(directory: Path) -> ApiserverClient:
    """Build it. It uses Go's standard library only, so nothing is downloaded.

    Raises:
        AssertionError: it does not build; with the compiler's message.
    """
    path = directory / "apiserver-client"
    environment = {**os.environ, "GO111MODULE": "off", "GOFLAGS": "", "GOTOOLCHAIN": "local", "CGO_ENABLED": "0"}
    command: list[str | Path] = [program("go"), "build", "-o", path, SOURCE]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return ApiserverClient(path)
