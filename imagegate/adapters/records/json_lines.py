"""Log lines on a file descriptor, written by a thread of their own: logging never waits for the reader of the log."""

from __future__ import annotations

import atexit
import logging
import os
import select
import stat
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import orjson

from imagegate.ports.audit import Audit

QUEUED_MAX_BYTES = 4 * 1024 * 1024
"""About ten thousand decisions."""
PAUSE_S = 0.01
"""Between two writes: what was logged meanwhile goes out together."""
RETRY_S = 0.5
FLUSH_S = 2.0
"""Seconds that the end of the process waits for a reader."""
_FILE_WRITE_BYTES = 64 * 1024


class Lines:
    """Lines for one file descriptor, of all threads of a process.

    Until ``start`` a line is written at once by its caller, if it can be without waiting long, else dropped: a server
    that is going to be forked has no threads. From then on a thread writes what is queued; when the queue is full,
    lines are dropped and counted. Lines of several processes on one pipe stay whole up to ``PIPE_BUF`` (4096 bytes).
    """

    def __init__(self, descriptor: int, *, queued_max_bytes: int = QUEUED_MAX_BYTES) -> None:
        self._descriptor = descriptor
        self._queued_max_bytes = queued_max_bytes
        self._queued: deque[bytes] = deque()
        self._queued_bytes = 0
        self._dropped = 0
        """Dropped lines not yet reported in the log itself."""
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._asleep = False
        self._ending = False
        self._can_wait = True
        self._tell: Callable[[int], None] = lambda _count: None

    def start(self, on_dropped: Callable[[int], None] | None = None) -> None:
        """Write from a thread of this process; once, after it was forked. At the exit of the process it is flushed.

        Args:
            on_dropped: called with the number of dropped lines, in whichever thread that happens.
        """
        if on_dropped is not None:
            self._tell = on_dropped
        if self._thread is None:
            self._thread = threading.Thread(target=self._keep_writing, name="log", daemon=True)
            self._thread.start()
            atexit.register(self.close)

    def close(self, wait_s: float = FLUSH_S) -> None:
        """Write what is queued, as far as possible within ``wait_s`` seconds; later lines are written at once."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        with self._changed:
            self._ending = True
            self._changed.notify()
        thread.join(wait_s)
        if not thread.is_alive():
            self._write_all(self._queued)  # what came in between

    def put(self, *lines: bytes) -> None:
        """Log lines, their line feeds included. Never waits for the reader, never raises ``OSError``."""
        if self._thread is None:
            for line in lines:
                self._put_now(line)
            return
        dropped = 0
        with self._changed:
            size = self._queued_bytes
            for line in lines:
                if size + len(line) > self._queued_max_bytes:
                    dropped += 1
                else:
                    self._queued.append(line)
                    size += len(line)
            self._queued_bytes = size
            self._dropped += dropped
            if self._asleep:
                self._changed.notify()
        if dropped:
            self._tell(dropped)

    def _put_now(self, line: bytes) -> None:
        """Write in the caller's thread. After a reader was waited for in vain, the next lines do not wait."""
        try:
            ready = select.poll()
            ready.register(self._descriptor, select.POLLOUT)
            self._can_wait = bool(ready.poll(200 if self._can_wait else 0))
            if self._can_wait:
                self._write(line)
                return
        except OSError:  # the reader does not read, or the disk is full
            pass
        self._dropped += 1

    def _keep_writing(self) -> None:
        while True:
            with self._changed:
                while not self._queued and not self._ending:
                    self._asleep = True
                    self._changed.wait()
                    self._asleep = False
                ending = self._ending
                lines, self._queued, self._queued_bytes = self._queued, deque(), 0
                dropped, self._dropped = self._dropped, 0
            if dropped:
                lines.append(_dropped_line(dropped))
            good = self._write_all(lines)
            if ending:
                return
            time.sleep(PAUSE_S if good else RETRY_S)

    def _write_all(self, lines: deque[bytes]) -> bool:
        """True if everything was written; the rest is dropped."""
        at_once = _at_once(self._descriptor)
        while lines:
            batch, size = [lines[0]], len(lines[0])
            while len(batch) < len(lines) and size + len(lines[len(batch)]) <= at_once:
                size += len(lines[len(batch)])
                batch.append(lines[len(batch)])
            try:
                self._write(b"".join(batch))
            except OSError:
                with self._changed:
                    self._dropped += len(lines)
                self._tell(len(lines))
                return False
            for _ in batch:
                lines.popleft()
        return True

    def _write(self, content: bytes) -> None:
        written = os.write(self._descriptor, content)
        while written < len(content):  # a signal, or more than a pipe takes at once
            content = content[written:]
            written = os.write(self._descriptor, content)


def _at_once(descriptor: int) -> int:
    """Largest write, in bytes, into which lines of other processes cannot fall."""
    try:
        is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
    except OSError:
        is_file = False
    return _FILE_WRITE_BYTES if is_file else select.PIPE_BUF


def _dropped_line(count: int) -> bytes:
    return orjson.dumps(
        {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "level": "warning",
            "logger": "imagegate.log",
            "message": f"{count} log lines dropped: they could not be written in time",
            "dropped": count,
        },
        option=orjson.OPT_APPEND_NEWLINE,
    )


_by_descriptor: dict[int, Lines] = {}


def lines_on(descriptor: int) -> Lines:
    """The one queue of this process for a file descriptor: what is logged first is written first."""
    return _by_descriptor.setdefault(descriptor, Lines(descriptor))


class JsonLines:
    """``Audit`` as JSON lines."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines

    def append(self, lines: Sequence[bytes]) -> None:
        """Log records."""
        self._lines.put(*lines)


class LineHandler(logging.Handler):
    """Hands what is logged to ``Lines``."""

    def __init__(self, lines: Lines) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        """Log one record as its formatter has it."""
        try:
            self._lines.put(self.format(record).encode("utf-8", "backslashreplace") + b"\n")
        except Exception:  # noqa: BLE001 - logging's own rule: what cannot be logged breaks nothing else
            self.handleError(record)


if TYPE_CHECKING:  # mypy checks each adapter against its port
    _: type[Audit] = JsonLines
