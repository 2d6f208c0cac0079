"""Figures of the service under load, beside no-ops: a Flask route, a bare WSGI function, a bare ASGI function."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.figures import Options, WrongAnswer, median
from bench.load import Check, Load, check_answers, is_allowed, put_under_load
from bench.servers import BIN, SERVER_CPU, Server, free_port, running
from imagegate.web.server import EVENT_LOOP, GTHREAD
from tests.support.certificates import Certificate

WARM_UP_S = 1
REFERENCES = {
    "flask": ("bench.noop:flask_app()", GTHREAD),
    "wsgi": ("bench.noop:wsgi_app", GTHREAD),
    "same": ("bench.noop:asgi_app", EVENT_LOOP),
}
"""Application and worker of each no-op; ``same``: the worker that imagegate itself runs under."""


@dataclass(slots=True)
class Target:
    """One server with the path and bodies that it gets, and what its rounds showed."""

    server: Server
    path: str
    bodies: Sequence[Path]
    check: Check = is_allowed
    rounds: list[Load] = field(default_factory=list)

    @property
    def cpu_us(self) -> float:
        """Processor time per request in microseconds, median of the rounds."""
        return median([each.cpu_us for each in self.rounds])

    @property
    def p99_ms(self) -> float:
        """Median of the rounds' 99th percentiles."""
        return median([each.p99_ms for each in self.rounds])

    @property
    def per_second(self) -> float:
        """Requests per second, median of the rounds."""
        return median([each.per_second for each in self.rounds])


@contextlib.contextmanager
def reference(
    kind: str,
    directory: Path,
    *,
    workers: int = 1,
    cpus: Sequence[int] | None = (SERVER_CPU,),
    tls: Certificate | None = None,
) -> Iterator[Server]:
    """One of ``REFERENCES``: the no-op under the shipped gunicorn configuration."""
    port = free_port()
    application, worker = REFERENCES[kind]
    command: list[str | Path] = [BIN / "gunicorn", "-c", "bench/gunicorn_reference.py", application]
    env = {"BENCH_BIND": f"127.0.0.1:{port}", "BENCH_WORKER": worker, "BENCH_WORKERS": str(workers)}
    if tls is not None:
        env |= {"BENCH_CERTIFICATE": str(tls.certificate), "BENCH_KEY": str(tls.key)}
    log = directory / f"noop-{kind}.log"
    with running(f"noop-{kind}", command, port=port, env=env, cpus=cpus, log=log) as server:
        yield server


def alternate(targets: Sequence[Target], options: Options, *, connections: int = 16) -> None:
    """Check every target's answers, warm it up, and put all under load in turn.

    Raises:
        WrongAnswer: an answer is wrong before or after, or a request failed under load.
    """
    for target in targets:
        check_answers(target.server, target.path, target.bodies, target.check)
        put_under_load(target.server, target.path, target.bodies, seconds=WARM_UP_S, connections=connections)
    for _ in range(options.rounds):
        for target in targets:
            load = put_under_load(
                target.server, target.path, target.bodies, seconds=options.seconds, connections=connections
            )
            target.rounds.append(load)
    for target in targets:
        check_answers(target.server, target.path, target.bodies, target.check)
    if options.profile is not None:
        for target in targets:
            profile(target, options.profile, connections=connections)


def profile(target: Target, directory: Path, *, connections: int) -> None:
    """Write a flame graph (SVG) of the worker under ten seconds of load: py-spy, all threads.

    Raises:
        WrongAnswer: py-spy could not.
    """
    directory.mkdir(parents=True, exist_ok=True)
    worker = str(target.server.pids()[-1])
    graph = directory / f"{target.server.name}{target.path.replace('/', '-')}.svg"
    command = [BIN / "py-spy", "record", "--pid", worker, "--duration", "8", "--output", graph, "--rate", "200"]
    sampler = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    put_under_load(target.server, target.path, target.bodies, seconds=10, connections=connections)
    _, errors = sampler.communicate(timeout=60)
    if sampler.returncode != 0:
        raise WrongAnswer(f"py-spy: {errors.decode(errors='replace')}")
