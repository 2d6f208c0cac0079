"""Normal reviews beside clients and registries that misbehave."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import yaml

from bench import program, reviews
from bench.crowd import KINDS
from bench.figures import Figure, Options, WrongAnswer, median
from bench.load import Load, check_answers, is_allowed, put_under_load
from bench.mutating import BODIES, IMAGE, rewritten, stream_files
from bench.servers import LOAD_CPU, ROOT
from tests.support.certificates import Authority

SLOW_CLIENTS = 1_000
WAITING_REVIEWS = 500
TIMEOUT_S, ANSWERED_WITHIN_S = 10, 8.0
"""What the API server's ``?timeout=`` says, and the part of it in which even an answer of failure must be there."""
ROUNDING_S = 0.25
"""A deadline of 8 s ends a little after 8 s: the answer is written then, and read by a client that has 500 others."""
NORMAL = "registry.example.com/team/app:v1"


def slow_clients(options: Options) -> Iterable[Figure]:
    """p99 of normal reviews beside 1,000 clients that drip bodies, headers or TLS handshakes: the worst of three."""
    rounds = {kind: [beside_slow_clients(kind, options) for _ in range(options.rounds)] for kind in KINDS}
    worst_ms = {kind: median([load.p99_ms for load in loads]) for kind, loads in rounds.items()}
    yield Figure("slow_clients", max(worst_ms.values()), "ms", 50)
    yield Figure("slow_clients_lost", sum(load.failures for loads in rounds.values() for load in loads), "reviews", 0)
    for kind, loads in rounds.items():
        yield Figure(f"slow_clients_{kind}", worst_ms[kind], "ms")
        yield Figure(f"slow_clients_{kind}_throughput", median([load.per_second for load in loads]), "requests/s")


def beside_slow_clients(kind: str, options: Options) -> Load:
    """The load of normal reviews beside one kind of slow clients."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        directory = Path(name)
        arguments: list[str | Path] = ["--config", program.POLICY, "--images", stream_files(directory)]
        tls = kind == "handshakes"
        if tls:
            (directory / "ca").mkdir()
            certificate = Authority(directory / "ca").server
            arguments += ["--tls-cert", certificate.certificate, "--tls-key", certificate.key]
        with program.serving("imagegate", directory, *arguments) as started:
            server = dataclasses.replace(started, scheme="https" if tls else "http")
            documents = [reviews.usual(IMAGE, program.NAMESPACE, number) for number in range(BODIES)]
            bodies = reviews.write(documents, directory, "usual")
            check = program.rewrites_to(rewritten())
            check_answers(server, "/mutate", bodies, check)
            put_under_load(server, "/mutate", bodies, seconds=1)
            with _crowd("drip", server.port, SLOW_CLIENTS, kind) as clients:
                _line_of(clients)
                load = put_under_load(server, "/mutate", bodies, seconds=options.seconds)
                check_answers(server, "/mutate", bodies, check)
                program.must(clients.poll() is None, "the slow clients ended")
        return load


def bulkhead(options: Options) -> Iterable[Figure]:
    """p99 of reviews that need no look-up, beside 500 whose registry accepts connections and never answers."""
    rounds = [_beside_hanging_registry() for _ in range(options.rounds)]
    yield Figure("bulkhead", median([load.p99_ms for load, _ in rounds]), "ms", 50)
    yield Figure("bulkhead_lost", sum(load.failures for load, _ in rounds), "reviews", 0)
    late = [took for _, answers in rounds for took in answers if took > ANSWERED_WITHIN_S + ROUNDING_S]
    yield Figure("bulkhead_late", len(late), "reviews", 0)
    yield Figure("bulkhead_slowest", max(max(answers) for _, answers in rounds), "s")
    at_once = [sum(took < 1 for took in answers) for _, answers in rounds]
    yield Figure("bulkhead_denied_within_1s", median(at_once), "reviews")


def _beside_hanging_registry() -> tuple[Load, list[float]]:
    """The load of normal reviews, and how long each of the others waited for its denial, in seconds.

    Raises:
        WrongAnswer: a review at the hanging registry was allowed, or had no answer.
    """
    with tempfile.TemporaryDirectory(prefix="bench-") as name, socket.create_server(("127.0.0.1", 0)) as registry:
        registry.listen(4096)  # the kernel accepts; nobody reads
        directory, host = Path(name), f"127.0.0.1:{registry.getsockname()[1]}"
        with program.serving("imagegate", directory, "--settings", _settings(directory, host)) as server:
            normal = [reviews.usual(NORMAL, program.NAMESPACE, number) for number in range(BODIES)]
            bodies = reviews.write(normal, directory, "normal")
            # different images, so that their look-ups are not merged
            images = [f"{host}/team/app-{number}:v1" for number in range(WAITING_REVIEWS)]
            asking = [reviews.usual(image, program.NAMESPACE, number) for number, image in enumerate(images)]
            waiting = reviews.write(asking, directory, "waiting")
            path = f"/admit?timeout={TIMEOUT_S}s"
            check_answers(server, path, bodies, is_allowed)
            put_under_load(server, path, bodies, seconds=1)
            with _crowd("ask", server.port, path, WAITING_REVIEWS, *waiting) as clients:
                load = put_under_load(server, path, bodies, seconds=round(ANSWERED_WITHIN_S))
                answers = _line_of(clients)
            check_answers(server, path, bodies, is_allowed)
    wrong = [answer for _, answer in answers if answer is not False]
    program.must(not wrong, f"{len(wrong)} reviews at a hanging registry were not denied: {wrong[:3]}")
    return load, [took for took, _ in answers]


def _settings(directory: Path, host: str) -> Path:
    """A policy that wants a signature of the images of ``host``, and none of others."""
    simple = {"requirements": [{"type": "insecureAcceptAnything"}]}
    repositories = [
        {"name": f"{host}/*", "policy": {"simple": simple}},
        {"name": "registry.example.com/*", "policy": {}},
    ]
    policy = {
        "apiVersion": "portieris.cloud.ibm.com/v1",
        "kind": "ImagePolicy",
        "metadata": {"name": "bench", "namespace": program.NAMESPACE},
        "spec": {"repositories": repositories},
    }
    policies, settings = directory / "policies.yaml", directory / "imagegate.yaml"
    policies.write_text(yaml.safe_dump(policy), encoding="utf-8")
    document = {
        "policies": [str(policies)],
        "cise": {"profile": "portieris"},
        "registry": {"allowPrivateAddresses": ["127.0.0.0/8"]},
    }
    settings.write_text(yaml.safe_dump(document), encoding="utf-8")
    return settings


@contextlib.contextmanager
def _crowd(*arguments: str | int | Path) -> Iterator[subprocess.Popen[str]]:
    """``bench.crowd`` on the processor of the load, ended with the block."""
    command = ["taskset", "-c", str(LOAD_CPU), sys.executable, "-m", "bench.crowd", *map(str, arguments)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as clients:
        try:
            yield clients
        finally:
            clients.kill()


def _line_of(clients: subprocess.Popen[str]) -> list[tuple[float, bool | None]]:
    assert clients.stdout is not None
    line = clients.stdout.readline()
    if not line:
        raise WrongAnswer("the crowd of clients ended without a word")
    found: list[tuple[float, bool | None]] = json.loads(line)
    return found
