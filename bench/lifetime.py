"""Start, memory, and half an hour of load."""

from __future__ import annotations

import http.client
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from bench import program, reviews
from bench.figures import Figure, Options, WrongAnswer, median
from bench.load import check_answers, put_under_load
from bench.mutating import BODIES, IMAGE, prepared, rewritten
from bench.servers import Server

READY_LIMIT_S = 20.0
IMAGES, POLICIES = 10_000, 1_000
FLAT_MIB = 4.0
"""How much a worker may grow in a soak after its first tenth: caches fill, allocators round up."""


def ready(options: Options) -> Iterable[Figure]:
    """From the start of ``imagegate serve``, without any option but the port, to a positive /readyz."""
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        seconds = [_ready_s(Path(directory)) for _ in range(options.rounds + 1)][1:]
    yield Figure("ready", median(seconds), "s", 1.0)


def _ready_s(directory: Path) -> float:
    started = time.perf_counter()
    with program.serving("ready", directory, cpus=None) as server:
        while _status(server, "/readyz") != 200:
            if time.perf_counter() - started > READY_LIMIT_S:
                raise WrongAnswer(f"not ready within {READY_LIMIT_S:g} s")
            time.sleep(0.005)
        return time.perf_counter() - started


def _status(server: Server, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


def rss_worker(options: Options) -> Iterable[Figure]:
    """Resident memory of a worker that holds 1,000 policies and 10,000 images, after it has served a while."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        directory = Path(name)
        per_stream = 20
        objects = [
            item
            for number in range(IMAGES // per_stream)
            for item in program.stream(f"app-{number}", [f"v{tag}" for tag in range(1, per_stream + 1)])
        ]
        images = program.write_images(directory / "images.json", objects)
        policies = write_policies(directory / "policies.yaml", POLICIES)
        arguments = ("--config", program.POLICY, "--images", images, "--policies", policies)
        with program.serving("memory", directory, *arguments) as server:
            documents = [reviews.usual(f"app-{number}:v1", program.NAMESPACE, number) for number in range(500)]
            bodies = reviews.write(documents, directory, "usual")
            check_answers(server, "/mutate/image-policy", bodies[:1], program.rewrites_to(_rewritten(0)))
            put_under_load(server, "/mutate/image-policy", bodies, seconds=options.seconds)
            yield Figure("rss_worker", server.worker_rss_mib(), "MiB", 80)


def _rewritten(number: int) -> str:
    digest = program.digest_of(f"{program.NAMESPACE}/app-{number}:v1")
    return f"docker.io/{program.NAMESPACE}/app-{number}@{digest}"


def write_policies(path: Path, count: int) -> Path:
    """``count`` ImagePolicies of five repositories each, every one in a namespace of its own."""
    entries = "".join(f"  - {{name: 'registry-{n}.example.com/{{team}}/*'}}\n" for n in range(5))
    documents = (
        "apiVersion: portieris.cloud.ibm.com/v1\nkind: ImagePolicy\n"
        f"metadata: {{name: policy-{number}, namespace: team-{number}}}\n"
        f"spec:\n  repositories:\n{entries.replace('{team}', f'team-{number}')}"
        for number in range(count)
    )
    path.write_text("---\n".join(documents), encoding="utf-8")
    return path


def soak(options: Options) -> Iterable[Figure]:
    """Steady load for ``options.soak_minutes``; the worker's memory at the end against that after a tenth."""
    with prepared() as (directory, server):
        documents = [reviews.usual(IMAGE, program.NAMESPACE, number) for number in range(BODIES)]
        bodies = reviews.write(documents, directory, "usual")
        check = program.rewrites_to(rewritten())
        check_answers(server, "/mutate", bodies, check)
        samples, requests = [], 0
        for _ in range(max(options.soak_minutes, 1) * 6):
            load = put_under_load(server, "/mutate", bodies, seconds=10)
            program.must(load.failures == 0, f"{load.failures} failures")
            requests += load.requests
            samples.append(server.worker_rss_mib())
        check_answers(server, "/mutate", bodies, check)
        settled = samples[len(samples) // 10]
        yield Figure("soak", samples[-1] - settled, "MiB", FLAT_MIB)
        yield Figure("soak_requests", requests, "requests")
        yield Figure("soak_rss", samples[-1], "MiB")
