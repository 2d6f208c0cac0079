"""Look-ups in the image API's store against the number of stored images."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from bench import program
from bench.deciding import ASKED, Case, cost_us
from bench.figures import Figure, Options, WrongAnswer, median
from imagegate.adapters.store_sqlite.database import Database
from imagegate.adapters.store_sqlite.image_streams import StoredImageStreams
from imagegate.adapters.store_sqlite.objects import SqliteStore
from imagegate.core.admission.lookup import Found
from imagegate.core.image_streams.questions import StreamTag
from imagegate.core.image_streams.stream import RegistryHosts
from imagegate.core.image_streams.terms import terms_of
from imagegate.ports.image_store import ObjectKey

PER_STREAM = 20
SMALL, LARGE = 100, 100_000
_MEMORY = Path("/dev/shm")
_RESOURCES = {"ImageStream": "imagestreams", "Image": "images"}


def fill(store: SqliteStore, images: int) -> None:
    """Streams of 20 tags each, until there are ``images`` images."""
    for number in range(images // PER_STREAM):
        for item in program.stream(f"app-{number}", [f"v{tag}" for tag in range(PER_STREAM)]):
            store.create(_key(item), item)


def _key(item: dict[str, Any]) -> ObjectKey:
    meta = item["metadata"]
    return ObjectKey("image.openshift.io", _RESOURCES[item["kind"]], meta.get("namespace", ""), meta["name"])


@contextlib.contextmanager
def filled(images: int, *, answers_kept: int) -> Iterator[Case]:
    """A store with that many images; every look-up asked of it is for another tag than the one before."""
    where = _MEMORY if _MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="bench-", dir=where) as name:
        store = SqliteStore(Database(Path(name) / "images.db"), terms_of=terms_of)
        fill(store, images)
        streams = StoredImageStreams(store, RegistryHosts("", ""), answers_kept=answers_kept)
        count = images // PER_STREAM
        asked = [
            StreamTag(program.NAMESPACE, f"app-{number * (count - 1) // (ASKED - 1)}", f"v{number % PER_STREAM}")
            for number in range(ASKED)
        ]

        def ask() -> None:
            for question in asked:
                if not isinstance(streams.stream_tag(question, deadline_s=1), Found):
                    raise WrongAnswer(f"{question} is not found")

        yield Case(images, ask)
        store.database.close()


def stream_scale(options: Options) -> Iterable[Figure]:
    """A stream-tag look-up with 100,000 stored images against 100: kept answers, and reads of the file."""
    with (
        filled(SMALL, answers_kept=10_000) as small,
        filled(LARGE, answers_kept=10_000) as large,
    ):
        warm = _medians(small, large, options.rounds)
    with filled(SMALL, answers_kept=1) as small, filled(LARGE, answers_kept=1) as large:
        cold = _medians(small, large, options.rounds)
    yield Figure("stream_scale", warm[1] / warm[0], "ratio", 1.5)
    yield Figure("stream_scale_warm", warm[1], "us")
    yield Figure("stream_scale_from_file", cold[1] / cold[0], "ratio", 1.5)
    yield Figure("stream_scale_from_file_cost", cold[1], "us")


def curve(sizes: Sequence[int]) -> dict[int, float]:
    """Microseconds of a look-up from the file by number of stored images."""
    found = {}
    for size in sizes:
        with filled(max(size, PER_STREAM), answers_kept=1) as case:
            found[size] = median([cost_us(case) for _ in range(3)])
    return found


def _medians(small: Case, large: Case, rounds: int) -> tuple[float, float]:
    costs: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        costs[0].append(cost_us(small))
        costs[1].append(cost_us(large))
    return median(costs[0]), median(costs[1])
