"""Reviews beside thousands of open watches, and what these cost."""

from __future__ import annotations

import http.client
import json
import tempfile
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from bench import program, reviews
from bench.figures import Figure, Options, WrongAnswer, median
from bench.load import check_answers, put_under_load
from bench.mutating import BODIES, IMAGE, rewritten, stream_files
from bench.servers import Server
from tests.support.watches import MAPS, Clients, watching

WATCHES = 2_000
IDLE_S = 10.0
CHANGES = 5
CHANGE_EVERY_S = 0.5


class _Round(NamedTuple):
    without_p99_ms: float
    """p99 of reviews before there are watches."""
    p99_ms: float
    failures: int
    idle_percent: float
    """Of a core, of all processes of the server."""
    change_ms: float
    """From the request that changes an object until all watches have the change."""
    change_cpu_ms: float
    changing_p99_ms: float
    """p99 of reviews while an object changes twice a second."""
    rss_mib: float


def watches(options: Options) -> Iterable[Figure]:
    """p99 of reviews beside 2,000 watches, and the processor time that these take while nothing changes."""
    rounds = [_beside_watches(options) for _ in range(options.rounds)]
    yield Figure("watches", median([each.p99_ms for each in rounds]), "ms", 20)
    yield Figure("watches_none", median([each.without_p99_ms for each in rounds]), "ms")
    yield Figure("watches_lost", sum(each.failures for each in rounds), "reviews", 0)
    yield Figure("watches_idle", median([each.idle_percent for each in rounds]), "%", 2)
    yield Figure("watches_change", median([each.change_ms for each in rounds]), "ms")
    yield Figure("watches_change_cpu", median([each.change_cpu_ms for each in rounds]), "ms")
    yield Figure("watches_changing", median([each.changing_p99_ms for each in rounds]), "ms")
    yield Figure("watches_rss", median([each.rss_mib for each in rounds]), "MiB")


def _beside_watches(options: Options) -> _Round:
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        directory = Path(name)
        arguments = ("--config", program.POLICY, "--images", stream_files(directory))
        with program.serving("imagegate", directory, *arguments) as server:
            documents = [reviews.usual(IMAGE, program.NAMESPACE, number) for number in range(BODIES)]
            bodies = reviews.write(documents, directory, "usual")
            check_answers(server, "/mutate", bodies, program.rewrites_to(rewritten()))
            put_under_load(server, "/mutate", bodies, seconds=1)
            without = put_under_load(server, "/mutate", bodies, seconds=options.seconds)
            with watching(server.port, WATCHES) as clients:
                refused = [client.status for client in clients if client.status != 200]
                program.must(not refused, f"{len(refused)} watches were refused: {refused[:1]}")
                clients.read(1)
                idle = _idle_percent(server)
                load = put_under_load(server, "/mutate", bodies, seconds=options.seconds)
                took = [_change(server, clients, number) for number in range(CHANGES)]
                changing = _changing(server, clients, bodies, options)
                return _Round(
                    without.p99_ms,
                    load.p99_ms,
                    load.failures,
                    idle,
                    median([wall for wall, _ in took]),
                    median([cpu for _, cpu in took]),
                    changing,
                    server.worker_rss_mib(),
                )


def _idle_percent(server: Server) -> float:
    before, began = server.cpu_s(), time.perf_counter()
    time.sleep(IDLE_S)
    return (server.cpu_s() - before) / (time.perf_counter() - began) * 100


def _change(server: Server, clients: Clients, number: int) -> tuple[float, float]:
    """Milliseconds until all watches have a new object, and of processor time of the server."""
    name = f"change-{number}"
    before, began = server.cpu_s(), time.perf_counter()
    _create(server, name)
    clients.read_until(lambda client: name.encode() in client.received, name)
    return (time.perf_counter() - began) * 1e3, (server.cpu_s() - before) * 1e3


def _changing(server: Server, clients: Clients, bodies: list[Path], options: Options) -> float:
    """p99 of reviews, in milliseconds, while an object is created twice a second and all watches are read."""
    ends = threading.Event()

    def change() -> None:
        number = 0
        while not ends.wait(CHANGE_EVERY_S):
            _create(server, f"changing-{number}")
            number += 1
            clients.read(0.1)

    thread = threading.Thread(target=change, name="changes")
    thread.start()
    try:
        return put_under_load(server, "/mutate", bodies, seconds=options.seconds).p99_ms
    finally:
        ends.set()
        thread.join()


def _create(server: Server, name: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        body = json.dumps({"metadata": {"name": name}, "data": {"a": "x" * 2_000}})
        connection.request("POST", MAPS, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        if answer.status != 201:
            raise WrongAnswer(f"{server.name}: a config map was not stored: {answer.status} {answer.read()[:400]!r}")
    finally:
        connection.close()
