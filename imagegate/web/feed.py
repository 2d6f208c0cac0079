"""The latest items of one source, read by one thread for all streams of a process.

A stream holds only the number of the item that it sent last. So an idle stream costs nothing, a slow one holds nothing
back, and an item is read and encoded once for all of them. A stream that falls behind what is in memory reads the
source itself.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, Protocol, TypeVar

from imagegate.errors import ImagegateError

POLL_S = 0.05
"""Between two looks at the source: its answer that there is nothing new costs microseconds."""
ITEMS_MAX = 500
BYTES_MAX = 1024 * 1024

T = TypeVar("T")
_log = logging.getLogger(__name__)


class Item(NamedTuple, Generic[T]):
    """One item of a source. ``number`` grows from item to item; ``size`` is in bytes, about."""

    number: int
    size: int
    value: T


class Source(Protocol[T]):
    """The store that a feed reads. Methods raise ``ImagegateError`` if it cannot be read."""

    def position(self) -> int:
        """The number of the newest item."""

    def news(self) -> AbstractContextManager[Callable[[], object]]:
        """A function, for one thread, whose result differs from the one before whenever there may be new items."""

    def read(self, after: int) -> tuple[Sequence[Item[T]], int]:
        """Items after a number, and the number up to which these are all."""


@dataclass(slots=True)
class Entry(Generic[T]):
    """One item in memory."""

    item: Item[T]
    encoded: dict[object, bytes] = field(default_factory=dict)
    """Texts made of it to be sent, by its form: streams that want the same share it. Only for the loop's thread, or
    where making it twice does no harm."""


class _State(NamedTuple, Generic[T]):
    """Changes in memory. Replaced as a whole, so that readers need no lock."""

    first: int
    """All items after this number, up to ``last``, are in memory."""
    last: int
    numbers: tuple[int, ...] = ()
    entries: tuple[Entry[T], ...] = ()
    problem: str = ""


class Feed(Generic[T]):
    """See the module. The thread runs while there are streams, and is started by the first.

    Args:
        source: what is read.
        items_max: how many items stay in memory.
        bytes_max: how large they may be together; the newest stays, whatever its size.
        poll_s: between two looks at the source.
    """

    def __init__(
        self, source: Source[T], *, items_max: int = ITEMS_MAX, bytes_max: int = BYTES_MAX, poll_s: float = POLL_S
    ) -> None:
        self._poll_s = poll_s
        self._source = source
        self._items_max = items_max
        self._bytes_max = bytes_max
        self._changed = threading.Condition()
        self._state: _State[T] = _State(0, 0)
        self._open = 0
        self._thread: threading.Thread | None = None
        self._listeners: list[Callable[[], None]] = []

    def open(self) -> None:
        """Note that a stream begins; ``close`` when it has ended.

        Raises:
            ImagegateError: the source cannot be read.
        """
        with self._changed:
            if self._thread is None:
                position = self._source.position()
                self._state = _State(position, position)
                self._thread = threading.Thread(target=self._follow, name="feed", daemon=True)
                self._thread.start()
            self._open += 1

    def close(self) -> None:
        """Note that a stream has ended."""
        with self._changed:
            self._open -= 1

    def listen(self, callback: Callable[[], None]) -> None:
        """Have ``callback`` called in the reader's thread whenever there are new items."""
        self._listeners.append(callback)

    @property
    def first(self) -> int:
        """A stream that sent everything up to this number, or later ones, finds the rest in memory."""
        return self._state.first

    @property
    def last(self) -> int:
        """The number of the newest item that was read."""
        return self._state.last

    @property
    def problem(self) -> str:
        """Why reading has ended for the streams that are open; empty if it has not."""
        return self._state.problem

    def after(self, number: int) -> tuple[Sequence[Entry[T]], int]:
        """The entries in memory after a number, and the number up to which these are all."""
        state = self._state
        return state.entries[bisect_right(state.numbers, number) :], state.last

    def wait(self, number: int, timeout_s: float) -> None:
        """Wait in a thread until there is an item after ``number``, for at most ``timeout_s``."""
        with self._changed:
            self._changed.wait_for(lambda: self._state.last > number or self._state.problem, timeout_s)

    def _follow(self) -> None:
        problem = "reading the changes failed unexpectedly"
        try:
            with self._source.news() as news:
                seen = object()
                while not self._ends():
                    if (found := news()) != seen:
                        seen = found
                        self._read()
                    time.sleep(self._poll_s)
            problem = ""
        except ImagegateError as error:
            problem = str(error)
            _log.warning("streams end: %s", problem)
        finally:
            if problem:
                self._end(problem)

    def _ends(self) -> bool:
        """True if no stream is open; then the next one starts another thread."""
        with self._changed:
            if self._open <= 0:
                self._thread = None
            return self._thread is None

    def _end(self, problem: str) -> None:
        with self._changed:
            self._thread = None
            self._state = self._state._replace(problem=problem)
        self._notify()

    def _read(self) -> None:
        while True:
            items, last = self._source.read(self._state.last)
            if last == self._state.last:
                return
            self._add(items, last)

    def _add(self, items: Sequence[Item[T]], last: int) -> None:
        state = self._state
        entries = [*state.entries, *(Entry(item) for item in items)]
        first, size = state.first, sum(entry.item.size for entry in entries)
        dropped = 0
        while len(entries) - dropped > 1 and (len(entries) - dropped > self._items_max or size > self._bytes_max):
            first = entries[dropped].item.number
            size -= entries[dropped].item.size
            dropped += 1
        kept = tuple(entries[dropped:])
        self._state = _State(first, last, tuple(entry.item.number for entry in kept), kept)
        self._notify()

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()
        for listener in self._listeners:
            with contextlib.suppress(RuntimeError):  # the loop has ended since
                listener()
