"""Replays pieces of recorded requests, in several processes, in constant memory."""

from __future__ import annotations

import gc
import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import NamedTuple

import orjson

from imagegate.adapters.files.walk import Document
from imagegate.cli.check.manifests import Manifest, read_manifests
from imagegate.cli.replay.pieces import LINE_MAX_BYTES, TOO_LONG, Piece, pieces
from imagegate.errors import InvalidInput
from imagegate.service.replay.comparison import compare, judge
from imagegate.service.replay.reading import documents_in, read_recorded
from imagegate.service.replay.recorded import NoChange, NotReplayable
from imagegate.service.replay.tally import Tally
from imagegate.service.review.reviewer import Reviewer

_AHEAD = 3
"""Pieces for each process that are read before their results are needed."""


class Replayer(NamedTuple):
    """The policies that decide, and what counts as recorded."""

    reviewer: Reviewer
    against: Reviewer | None = None
    """The policies to compare with; None: the recorded verdicts."""
    webhooks: frozenset[str] = frozenset()


@dataclass(slots=True)
class Replay:
    """The result of a replay."""

    tally: Tally = field(default_factory=Tally)
    files: int = 0
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Records a second."""
        return self.records / self.seconds if self.seconds else 0.0

    @property
    def records(self) -> int:
        """Records of any kind."""
        tally = self.tally
        return tally.replayed + tally.not_replayable.total() + tally.no_change.total() + tally.broken


Progress = Callable[[int, int], None]
"""Called with further bytes that were read and further records that were decided."""


def run_replay(replayer: Replayer, files: Sequence[Document], *, jobs: int | None = None, progress: Progress) -> Replay:
    """Replay every record of ``files``.

    Args:
        jobs: processes; None: one per processor, where there is more than one piece.
    """
    started = time.monotonic()
    found = Replay(files=len(files))
    every = pieces(files)
    first = next(every, None)
    second = next(every, None) if first is not None else None
    given = (piece for piece in (first, second) if piece is not None)
    processes = jobs or len(os.sched_getaffinity(0))
    if processes > 1 and second is not None:
        parts = _in_processes(replayer, _chained(given, every), processes)
    else:
        parts = ((piece.read_bytes, replay_piece(replayer, piece)) for piece in _chained(given, every))
    for read_bytes, part in parts:
        before = found.records
        found.tally.merge(part)
        progress(read_bytes, found.records - before)
    found.seconds = time.monotonic() - started
    return found


def _chained(first: Iterator[Piece], rest: Iterator[Piece]) -> Iterator[Piece]:
    yield from first
    yield from rest


_shared: Replayer | None = None
"""Inherited by forked processes: documents are compiled once, in the parent."""


def _in_processes(replayer: Replayer, every: Iterator[Piece], processes: int) -> Iterator[tuple[int, Tally]]:
    """The results in the order of the pieces; few pieces are in memory at a time."""
    import multiprocessing  # imported when used: a short replay starts no process

    global _shared
    _shared = replayer
    gc.collect()
    gc.freeze()
    try:
        context = multiprocessing.get_context("fork")  # documents are compiled once, here
        with ProcessPoolExecutor(processes, mp_context=context) as pool:
            waiting: deque[tuple[int, Future[Tally]]] = deque()
            for piece in every:
                waiting.append((piece.read_bytes, pool.submit(_replay_shared, piece)))
                if len(waiting) >= processes * _AHEAD:
                    yield _next(waiting)
            while waiting:
                yield _next(waiting)
    finally:
        gc.unfreeze()
        _shared = None


def _next(waiting: deque[tuple[int, Future[Tally]]]) -> tuple[int, Tally]:
    read_bytes, future = waiting.popleft()
    return read_bytes, future.result()


def _replay_shared(piece: Piece) -> Tally:
    if _shared is None:
        raise RuntimeError("not a process of run_replay")
    return replay_piece(_shared, piece)


def replay_piece(replayer: Replayer, piece: Piece) -> Tally:
    """Replay the records of one piece."""
    tally = Tally()
    if piece.trouble:
        tally.add_broken(f"{piece.file}:{max(piece.first_line, 1)}", piece.trouble)
    elif piece.whole:
        _replay_text(replayer, piece, tally)
    else:
        for line, content in enumerate(piece.lines, piece.first_line):
            if not content.isspace():
                _replay_line(replayer, f"{piece.file}:{line}", content, tally)
    return tally


def _replay_line(replayer: Replayer, place: str, content: bytes, tally: Tally) -> None:
    if content is TOO_LONG or not content:  # a line from another process is equal, and not the same
        tally.add_broken(place, f"a line of more than {LINE_MAX_BYTES} bytes")
        return
    try:
        document = orjson.loads(content.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        cut = "" if content.endswith(b"\n") else "; the last line ends without a line feed: is it still being written?"
        tally.add_broken(place, f"not JSON: {error}{cut}")
        return
    for each in documents_in(document):
        _replay_document(replayer, place, each, tally)


def _replay_text(replayer: Replayer, piece: Piece, tally: Tally) -> None:
    """One JSON or YAML text of several lines."""
    try:
        text = piece.lines[0].decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = piece.lines[0].count(b"\n", 0, error.start) + 1
        tally.add_broken(f"{piece.file}:{line}", f"not UTF-8 (byte {error.start})")
        return
    for found in read_manifests(text, piece.file):
        place = f"{found.file}:{found.line}"
        if isinstance(found, Manifest):
            _replay_document(replayer, place, found.object, tally)
        else:
            tally.add_broken(place, found.why)


def _replay_document(replayer: Replayer, place: str, document: object, tally: Tally) -> None:
    try:
        entry = read_recorded(document, replayer.webhooks)
        if isinstance(entry, NotReplayable):
            tally.add_not_replayable(entry.why)
        elif isinstance(entry, NoChange):
            tally.add_no_change(entry.why)
        else:
            request = entry.request
            now = judge(replayer.reviewer, request)
            then = entry.then if replayer.against is None else judge(replayer.against, request)
            tally.add(place, request, now, compare(request, then, now))
    except InvalidInput as error:
        tally.add_broken(place, str(error))
