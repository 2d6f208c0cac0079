"""The kinds of servers and workers that imagegate could run under, with the same review (docs/performance.md)."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path

import orjson

from bench import program, reviews
from bench.fairness import least_share
from bench.figures import Figure, Options, median
from bench.load import check_answers, put_under_load
from bench.mutating import BODIES, IMAGE, rewritten, stream_files
from bench.servers import BIN, Server, free_port, running

CONNECTIONS = (16, 200, 500)
FAIRNESS_CONNECTIONS = 200
SHIPPED = {
    "event_loop": (),
    "gthread": ("--worker", "gthread"),
    "granian_wsgi": ("--server", "granian"),
}
"""Options of ``imagegate serve``."""
OTHERS = {
    "uvicorn_httptools": "uvicorn_worker.UvicornWorker",
    "uvicorn_h11": "uvicorn_worker.UvicornH11Worker",
    "gunicorn_asgi": "asgi",
}
"""Workers of gunicorn that are not shipped. Its own parses in C where ``gunicorn_h1c`` can be imported."""


def workers(options: Options) -> Iterable[Figure]:
    """Processor time, throughput, p99 at several numbers of connections, and fairness, of one worker each."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        directory = Path(name)
        settings = directory / "settings.yaml"
        images = stream_files(directory)
        settings.write_bytes(orjson.dumps({"config": str(program.POLICY), "images": [str(images)]}))
        documents = [reviews.usual(IMAGE, program.NAMESPACE, number) for number in range(BODIES)]
        bodies = reviews.write(documents, directory, "usual")
        for worker in (*SHIPPED, *OTHERS, "granian_asgi"):
            with _started(worker, directory, settings) as server:
                check_answers(server, "/mutate", bodies, program.rewrites_to(rewritten()))
                put_under_load(server, "/mutate", bodies, seconds=1)
                for connections in CONNECTIONS:
                    loads = [
                        put_under_load(server, "/mutate", bodies, seconds=options.seconds, connections=connections)
                        for _ in range(options.rounds)
                    ]
                    at = f"{_label(worker)}_{connections}"
                    yield Figure(f"{at}_cpu", median([each.cpu_us for each in loads]), "us/request")
                    yield Figure(f"{at}_throughput", median([each.per_second for each in loads]), "requests/s")
                    yield Figure(f"{at}_p99", median([each.p99_ms for each in loads]), "ms")
                    yield Figure(f"{at}_failures", sum(each.failures for each in loads), "failures")
                share = least_share(
                    server, "/mutate", bodies[0], connections=FAIRNESS_CONNECTIONS, seconds=options.seconds
                )
                yield Figure(f"{_label(worker)}_least_share", share, "of the mean")


def _label(worker: str) -> str:
    if worker == "gunicorn_asgi":
        return "gunicorn_asgi_h1c" if find_spec("gunicorn_h1c") else "gunicorn_asgi_python"
    return worker


@contextlib.contextmanager
def _started(worker: str, directory: Path, settings: Path) -> Iterator[Server]:
    if worker in SHIPPED:
        with program.serving(worker, directory, "--settings", settings, *SHIPPED[worker]) as server:
            yield server
        return
    port = free_port()
    env = {"IMAGEGATE_SETTINGS": str(settings), "XDG_STATE_HOME": str(directory / f"{worker}-state")}
    if worker in OTHERS:
        command: list[str | Path] = [BIN / "gunicorn", "-c", "bench/gunicorn_asgi.py"]
        env |= {"BENCH_BIND": f"127.0.0.1:{port}", "BENCH_WORKER": OTHERS[worker]}
    else:
        command = [BIN / "granian", "--interface", "asgi", "--port", str(port), "--no-ws", "--loop", "uvloop"]
        command += ["--http", "1", "--factory", "bench.asgi_application:for_granian"]
    with running(worker, command, port=port, env=env, log=directory / f"{worker}.log") as server:
        yield server
