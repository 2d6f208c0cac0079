"""Reading files that strangers may have put there: never a device, never without a bound, never waiting for good."""

from __future__ import annotations

import errno
import io
import os
import re
import select
import stat
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

PIPE_WAIT_S = 60
"""Seconds that a writer may be silent."""
_PIECE_BYTES = 1 << 20
_OPEN_DESCRIPTOR = re.compile(r"/dev/(?P<stdin>stdin)|(?:/dev/fd|/proc/self/fd)/(?P<number>[0-9]{1,6})")
_KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def read_file(path: Path | str, limit: int, *, named: bool = False) -> bytes:
    """The content of a regular file; at most one byte more than ``limit``, so that the caller sees it is larger.

    Args:
        path: links are followed.
        limit: bytes.
        named: the user named this very path. Then it may also be a pipe, or an open descriptor: ``/dev/stdin``, and
            ``/dev/fd/63``, which is what a shell makes of ``<(command)``. What is found in a folder may not.

    Raises:
        OSError: it cannot be read, is neither a file nor such a pipe, or nothing was written to the pipe for
            ``PIPE_WAIT_S`` seconds.
    """
    return read_with_status(path, limit, named=named)[0]


def read_with_status(path: Path | str, limit: int, *, named: bool = False) -> tuple[bytes, os.stat_result]:
    """``read_file``, and what the file was like before it was read."""
    descriptor = _named_descriptor(str(path)) if named else None
    if descriptor is not None:
        with os.fdopen(os.dup(descriptor), "rb") as stream:
            status = os.fstat(stream.fileno())
            is_pipe = stat.S_ISFIFO(status.st_mode)
            return _from_pipe(stream.fileno(), limit) if is_pipe else stream.read(limit + 1), status
    _check_kind(os.stat(path), path, named=named)  # noqa: PTH116 - before it is opened: opening a device may act
    opened = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        status = os.fstat(opened)
        _check_kind(status, path, named=named)  # another one may stand there by now
        read = _from_pipe if stat.S_ISFIFO(status.st_mode) else _from_file
        return read(opened, limit), status
    finally:
        os.close(opened)


def open_stream(path: Path | str, *, named: bool = False) -> io.BufferedReader:
    """A file of any size, to be read piece by piece; ``named`` and the errors are those of ``read_file``.

    Raises:
        OSError: as ``read_file``; also by a later read.
    """
    descriptor = _named_descriptor(str(path)) if named else None
    if descriptor is not None:
        return _stream(os.dup(descriptor))
    _check_kind(os.stat(path), path, named=named)  # noqa: PTH116 - before it is opened: opening a device may act
    opened = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        _check_kind(os.fstat(opened), path, named=named)  # another one may stand there by now
    except OSError:
        os.close(opened)
        raise
    return _stream(opened)


def _stream(descriptor: int) -> io.BufferedReader:
    is_pipe = stat.S_ISFIFO(os.fstat(descriptor).st_mode)
    raw = _PipeReader(descriptor) if is_pipe else io.FileIO(descriptor)
    return io.BufferedReader(raw, _PIECE_BYTES)


class _PipeReader(io.RawIOBase):
    """A pipe whose writer may be silent for ``PIPE_WAIT_S`` seconds."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLIN)

    def readable(self) -> bool:
        """True."""
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Read what the pipe holds.

        Raises:
            OSError: nothing was written for too long.
        """
        _wait_for_writer(self._poll)
        room = memoryview(buffer).cast("B")
        piece = os.read(self._descriptor, len(room))
        room[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        """Close the pipe."""
        if not self.closed:
            os.close(self._descriptor)
        super().close()


def _wait_for_writer(poll: select.poll) -> None:
    if not poll.poll(PIPE_WAIT_S * 1000):
        raise OSError(errno.ETIMEDOUT, f"it is a pipe, and nothing was written to it for {PIPE_WAIT_S} s")


def _named_descriptor(path: str) -> int | None:
    found = _OPEN_DESCRIPTOR.fullmatch(path)
    if found is None:
        return None
    return 0 if found["stdin"] else int(found["number"])


def _check_kind(status: os.stat_result, path: Path | str, *, named: bool) -> None:
    kind = stat.S_IFMT(status.st_mode)
    if kind == stat.S_IFDIR:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if kind != stat.S_IFREG and not (named and kind == stat.S_IFIFO):
        raise OSError(errno.EINVAL, f"it is {_KINDS.get(kind, 'something else')}, not a file", str(path))


def _from_file(opened: int, limit: int) -> bytes:
    pieces = []
    room = limit + 1
    while room and (piece := os.read(opened, min(room, _PIECE_BYTES))):
        pieces.append(piece)
        room -= len(piece)
    return b"".join(pieces)


def _from_pipe(opened: int, limit: int) -> bytes:
    pieces = []
    room = limit + 1
    poll = select.poll()
    poll.register(opened, select.POLLIN)
    while room:
        _wait_for_writer(poll)
        piece = os.read(opened, min(room, _PIECE_BYTES))
        if not piece:
            break
        pieces.append(piece)
        room -= len(piece)
    return b"".join(pieces)
