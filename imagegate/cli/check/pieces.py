"""Files in pieces: large ones are cut, small ones are put together, so that several processes have work."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol

from imagegate.adapters.files.walk import Document, Met, PassedOver
from imagegate.cli.check.manifests import split_documents
from imagegate.cli.check.read import read_text, shown
from imagegate.cli.check.select import STANDARD_INPUT
from imagegate.cli.check.yaml_text import BadManifest

_PARALLEL_FROM_BYTES = 200_000
_BYTES_A_JOB = 50_000
_FILES_A_JOB = 64


class Remarks(Protocol):
    """A place for what is not read."""

    errors: list[str]
    passed_over: list[str]


class Piece(NamedTuple):
    """A piece of a file; None: the whole file, still to be read."""

    file: str
    size: int
    """Bytes, or characters of ``text``."""
    text: str | None = None
    first_line: int = 1
    named: bool = True
    """See ``walk.Document``."""


def first_pieces(pieces: Iterator[Piece], jobs: int | None) -> tuple[list[Piece], bool]:
    """Pieces that say whether there are enough for several processes, and whether there are."""
    first: list[Piece] = []
    size = 0
    for piece in pieces:
        first.append(piece)
        size += piece.size
        if len(first) > 1 and (jobs is not None or size >= _PARALLEL_FROM_BYTES):
            return first, True
    return first, False


def pieces_of(found: Iterable[Met], processes: int, report: Remarks) -> Iterator[Piece]:
    """The files to check, large ones cut; what is not read is reported."""
    for met in found:
        if isinstance(met, Document):
            yield from _cut(str(met.path), named=met.named, processes=processes, report=report)
        elif isinstance(met, PassedOver):
            report.passed_over.append(str(met))
        else:
            report.errors.append(str(met))


def _cut(name: str, *, named: bool, processes: int, report: Remarks) -> Iterator[Piece]:
    size = _PARALLEL_FROM_BYTES if name == STANDARD_INPUT else _size(name)
    if name != STANDARD_INPUT and (processes < 2 or size < _PARALLEL_FROM_BYTES):
        yield Piece(name, size, named=named)
        return
    try:
        text = read_text(name, named=named)
    except BadManifest as error:
        report.errors.append(str(error))  # at once: standard input cannot be read again
        return
    for part, line in split_documents(text, processes * 4 if len(text) >= _PARALLEL_FROM_BYTES else 1):
        yield Piece(shown(name), len(part), part, line)


def _size(name: str) -> int:
    try:
        return os.stat(name).st_size  # noqa: PTH116 - quicker
    except OSError:
        return 0  # reported where it is read


def batches(pieces: Iterable[Piece]) -> Iterator[Sequence[Piece]]:
    """Pieces together that are worth a job."""
    batch: list[Piece] = []
    for piece in pieces:
        batch.append(piece)
        if len(batch) == _FILES_A_JOB or sum(each.size for each in batch) >= _BYTES_A_JOB:
            yield batch
            batch = []
    if batch:
        yield batch
