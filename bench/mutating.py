"""The mutating webhook beside the no-ops: processor time, p99, throughput."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from bench import program, reviews
from bench.figures import Figure, Options, median
from bench.load import Check, Load, check_answers, is_allowed, put_under_load
from bench.server_figures import Target, alternate, reference
from bench.servers import Server

IMAGE = "app:v1"
BODIES = 16


def stream_files(directory: Path) -> Path:
    """One stream with 20 tags."""
    objects = program.stream("app", [f"v{number}" for number in range(1, 21)])
    return program.write_images(directory / "images.json", objects)


def rewritten(tag: str = "v1") -> str:
    """The reference that ``app:TAG`` is rewritten to."""
    digest = program.digest_of(f"{program.NAMESPACE}/app:{tag}")
    return f"docker.io/{program.NAMESPACE}/app@{digest}"


@contextlib.contextmanager
def prepared(*, workers: int = 1, pinned: bool = True) -> Iterator[tuple[Path, Server]]:
    """A temporary directory, and imagegate under the documented example's policy with a stream."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        directory = Path(name)
        images = stream_files(directory)
        arguments = ("--config", program.POLICY, "--images", images)
        cpus = (0,) if pinned else None
        with program.serving("imagegate", directory, *arguments, workers=workers, cpus=cpus) as server:
            yield directory, server


def mutate(options: Options) -> Iterable[Figure]:
    """A pod of 4 KB whose image is rewritten, warm, with log line and metrics on."""
    with (
        prepared() as (directory, server),
        reference("flask", directory) as flask,
        reference("wsgi", directory) as wsgi,
        reference("same", directory) as same,
    ):
        bodies = reviews.write(
            [reviews.usual(IMAGE, program.NAMESPACE, number) for number in range(BODIES)], directory, "usual"
        )
        ours = Target(server, "/mutate", bodies, program.rewrites_to(rewritten()))
        by_flask, by_wsgi, by_same = (Target(noop, "/mutate", bodies) for noop in (flask, wsgi, same))
        alternate((ours, by_flask, by_wsgi, by_same), options)
        yield Figure("mutate_vs_flask_noop", ours.cpu_us / by_flask.cpu_us, "ratio", 0.35)
        yield Figure("mutate_vs_wsgi_noop", ours.cpu_us / by_wsgi.cpu_us, "ratio", 0.75)
        yield Figure("mutate_vs_same_noop", ours.cpu_us / by_same.cpu_us, "ratio", 2.2)
        yield Figure("mutate_p99_vs_noop", ours.p99_ms / by_flask.p99_ms, "ratio", 1.2)
        yield from shown("mutate", ours)
        yield from shown("flask_noop", by_flask)
        yield from shown("wsgi_noop", by_wsgi)
        yield from shown("same_noop", by_same)


def granian(options: Options) -> Iterable[Figure]:
    """The same review under ``--server granian``, beside gunicorn."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        directory = Path(name)
        images = stream_files(directory)
        arguments = ("--config", program.POLICY, "--images", images)
        with (
            program.serving("gunicorn", directory, *arguments) as usual,
            program.serving("granian", directory, *arguments, "--server", "granian") as other,
        ):
            documents = [reviews.usual(IMAGE, program.NAMESPACE, number) for number in range(BODIES)]
            bodies = reviews.write(documents, directory, "usual")
            check = program.rewrites_to(rewritten())
            by_gunicorn, by_granian = Target(usual, "/mutate", bodies, check), Target(other, "/mutate", bodies, check)
            alternate((by_gunicorn, by_granian), options)
            yield Figure("granian_vs_gunicorn", by_granian.cpu_us / by_gunicorn.cpu_us, "ratio")
            yield from shown("granian_mutate", by_granian)
            yield from shown("gunicorn_mutate", by_gunicorn)


def shown(name: str, target: Target) -> Iterator[Figure]:
    """The figures of one target that are printed beside the ratios."""
    yield Figure(f"{name}_cpu", target.cpu_us, "us/request")
    yield Figure(f"{name}_throughput", target.per_second, "requests/s")
    yield Figure(f"{name}_p99", target.p99_ms, "ms")


def mutate_sizes(options: Options) -> Iterable[Figure]:
    """Reviews of other sizes and operations; nothing but processor time."""
    many = [f"app:v{number}" for number in range(1, 21)]
    space = program.NAMESPACE
    kinds: Sequence[tuple[str, list[dict[str, object]], Check]] = (
        (
            "1kB_1_container",
            [reviews.small(IMAGE, space, n) for n in range(BODIES)],
            program.rewrites_to(rewritten()),
        ),
        (
            "30kB_20_containers",
            [reviews.large(many, space, n) for n in range(BODIES)],
            program.rewrites_to(rewritten()),
        ),
        ("8kB_update", [reviews.updated(rewritten(), space, n) for n in range(BODIES)], is_allowed),
        ("4kB_denied", [reviews.usual("quay.example/a/b:v1", space, n) for n in range(BODIES)], program.is_denied),
    )
    with prepared() as (directory, server), reference("flask", directory) as flask:
        for name, documents, check in kinds:
            bodies = reviews.write(documents, directory, name)
            ours, noop = Target(server, "/mutate", bodies, check), Target(flask, "/mutate", bodies)
            alternate((ours, noop), options)
            yield Figure(f"mutate_{name}_vs_flask_noop", ours.cpu_us / noop.cpu_us, "ratio")
            yield Figure(f"mutate_{name}_cpu", ours.cpu_us, "us/request")


def bursts(options: Options) -> Iterable[Figure]:
    """Many connections at once against two workers that may use every processor."""
    with prepared(workers=2, pinned=False) as (directory, server):
        documents = [reviews.usual(IMAGE, program.NAMESPACE, number) for number in range(BODIES)]
        bodies = reviews.write(documents, directory, "usual")
        check = program.rewrites_to(rewritten())
        check_answers(server, "/mutate", bodies, check)
        for connections, goal_ms in ((200, 40), (500, 100)):
            rounds = [_burst(server, bodies, connections, options) for _ in range(options.rounds + 1)][1:]
            yield Figure(f"burst_{connections}", median([each.p99_ms for each in rounds]), "ms", goal_ms)
            yield Figure(f"burst_{connections}_failures", sum(each.failures for each in rounds), "failures", 0)
            yield Figure(f"burst_{connections}_throughput", median([each.per_second for each in rounds]), "requests/s")
        check_answers(server, "/mutate", bodies, check)


def _burst(server: Server, bodies: Sequence[Path], connections: int, options: Options) -> Load:
    return put_under_load(server, "/mutate", bodies, seconds=options.seconds, connections=connections, pinned=False)
