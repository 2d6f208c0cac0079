"""Recorded documents in files of any size, cut into pieces: lines, or whole documents. Gzip is recognised."""

from __future__ import annotations

import gzip
import io
import os
import sys
import zlib
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

import orjson

from imagegate.adapters.files.input import open_stream
from imagegate.adapters.files.walk import Document
from imagegate.cli.check.select import STANDARD_INPUT

SUFFIXES = tuple(
    f"*{suffix}{packed}" for packed in ("", ".gz") for suffix in (".json", ".jsonl", ".ndjson", ".log", ".yaml", ".yml")
)
"""Patterns of the files of a folder that are read."""
LINE_MAX_BYTES = 16 * 1024 * 1024
"""Longest line. An API server accepts objects of 3 MiB, and an event holds two."""
DOCUMENT_MAX_BYTES = 64 * 1024 * 1024
"""Largest file that is not JSON lines."""
PIECE_BYTES = 512 * 1024
_LOOKED_AT = 16
"""First lines that tell whether a file is JSON lines."""
_GZIP = b"\x1f\x8b"
_OPENS = (b"{", b"[", b"---")
_MARKS = ("kind", "logger")
_READ_ERRORS = (OSError, EOFError, zlib.error)
"""Of a file, and of a damaged gzip file."""


class Piece(NamedTuple):
    """A part of a file."""

    file: str
    first_line: int
    lines: tuple[bytes, ...]
    """Lines that are a document each; if ``whole``, one text of several lines."""
    whole: bool = False
    trouble: str = ""
    """Why the file cannot be read from here on."""
    read_bytes: int = 0
    """Bytes of the file that were read for it, as far as is known; compressed ones of a compressed file."""


TOO_LONG = b""
"""Stands for a line that is longer than ``LINE_MAX_BYTES``: an empty line is never given."""


def pieces(files: Iterable[Document]) -> Iterator[Piece]:
    """The pieces of all files, in order. A file that cannot be read ends with a piece that says why."""
    for path, named in files:
        name = "<stdin>" if str(path) == STANDARD_INPUT else str(path)
        try:
            with _open(path, named=named) as raw:
                yield from _pieces(raw, name)
        except _READ_ERRORS as error:
            yield Piece(name, 0, (), trouble=f"cannot be read: {getattr(error, 'strerror', None) or error}")


def size_of(files: Iterable[Document]) -> int | None:
    """Bytes of all files; None if one of them is not a plain file."""
    total = 0
    for path, _ in files:
        if str(path) == STANDARD_INPUT or not path.is_file():
            return None
        total += path.stat().st_size
    return total


def _open(path: Path, *, named: bool) -> io.BufferedReader:
    if str(path) == STANDARD_INPUT:
        return os.fdopen(os.dup(sys.stdin.fileno()), "rb")
    return open_stream(path, named=named)


class _Position:
    """A position in a file, where it has one."""

    def __init__(self, raw: io.BufferedReader) -> None:
        self._raw = raw if raw.seekable() else None
        self._known = 0

    def advance(self) -> int:
        """Bytes that were read since the last call."""
        if self._raw is None:
            return 0
        before, self._known = self._known, self._raw.tell()
        return self._known - before


def _pieces(raw: io.BufferedReader, name: str) -> Iterator[Piece]:
    stream: io.BufferedReader | gzip.GzipFile = raw
    if raw.peek(2)[:2] == _GZIP:
        stream = gzip.GzipFile(fileobj=raw)  # not buffered again: of a damaged file that would lose lines
    position = _Position(raw)
    lines = _Lines(stream)
    every = iter(lines)
    first = list(islice(every, _LOOKED_AT))
    if _are_documents(first):
        for piece in _of_lines(chain(first, every), name):
            yield piece._replace(read_bytes=position.advance())
    elif first:
        text = _whole(chain(first, every))
        why = "" if text is not None else f"larger than {DOCUMENT_MAX_BYTES} bytes: write one document a line"
        yield Piece(name, 1, (text or b"",), whole=True, trouble=why, read_bytes=position.advance())
    if lines.trouble:
        yield Piece(name, lines.number, (), trouble=f"cannot be read from here on: {lines.trouble}")


class _Lines:
    """Every line of a stream with its line end; ``TOO_LONG`` for one that is too long. Ends where reading fails."""

    def __init__(self, stream: io.BufferedReader | gzip.GzipFile) -> None:
        self._stream = stream
        self.number = 0
        """Lines so far."""
        self.trouble = ""

    def __iter__(self) -> Iterator[bytes]:
        try:
            while line := self._stream.readline(LINE_MAX_BYTES + 1):
                self.number += 1
                if len(line) <= LINE_MAX_BYTES or line.endswith(b"\n"):
                    yield line
                    continue
                while line and not line.endswith(b"\n"):
                    line = self._stream.readline(PIECE_BYTES)
                yield TOO_LONG
        except _READ_ERRORS as error:
            self.trouble = str(getattr(error, "strerror", None) or error)


def _are_documents(lines: list[bytes]) -> bool:
    """True if lines are documents by themselves: one of the first is, and the file does not open a larger one."""
    written = [line for line in lines if not line.isspace()]
    if written and written[0].strip().removeprefix(b"\xef\xbb\xbf") in _OPENS:
        return False
    return any(map(_is_document, written))


def _is_document(line: bytes) -> bool:
    if line is TOO_LONG:
        return True
    try:
        found = orjson.loads(line.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError:
        return False
    return isinstance(found, dict) and any(mark in found for mark in _MARKS)


def _of_lines(lines: Iterable[bytes], name: str) -> Iterator[Piece]:
    collected: list[bytes] = []
    first, size = 1, 0
    for line in lines:
        collected.append(line)
        size += len(line)
        if size >= PIECE_BYTES:
            yield Piece(name, first, tuple(collected))
            first += len(collected)
            collected, size = [], 0
    if collected:
        yield Piece(name, first, tuple(collected))


def _whole(lines: Iterable[bytes]) -> bytes | None:
    """The text of a file that is not JSON lines; None if it is too large."""
    collected: list[bytes] = []
    size = 0
    for line in lines:
        collected.append(line)
        size += len(line)
        if line is TOO_LONG or size > DOCUMENT_MAX_BYTES:
            return None
    return b"".join(collected)
