"""Caches of one process, and single flight: concurrent calls for the same thing are made once.

Everything here is bounded and safe for threads. Reading a ``BoundedCache`` takes no lock.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class BoundedCache(Generic[K, V]):
    """Values that stay valid: at most ``most`` of them and ``most_weight`` of their weights; the oldest goes first.

    ``get`` does not count as use, so that it needs no lock: a value that is needed again is simply fetched again.
    ``use`` and ``get_or_put`` do count as use, and take the lock.

    Args:
        most: entries.
        most_weight: sum of ``weight(value)``, for instance bytes.
        weight: of a value; the same at every call.
    """

    __slots__ = ("_lock", "_most", "_most_weight", "_total", "_values", "_weight", "get")

    get: Callable[[K], V | None]
    """The value, or None if there is none."""

    def __init__(
        self, most: int, *, most_weight: int | None = None, weight: Callable[[V], int] = lambda _value: 1
    ) -> None:
        self._most = most
        self._most_weight = most if most_weight is None else most_weight
        self._weight = weight
        self._lock = threading.Lock()
        self._values: dict[K, V] = {}
        # The dict's own method: a dict read is atomic, values are replaced whole, and a call of Python code would
        # cost four times as much on the path of every review.
        self.get = self._values.get
        self._total = 0

    def put(self, key: K, value: V) -> None:
        """Cache ``value`` as the newest entry; not at all if it alone is too heavy."""
        with self._lock:
            self._drop(key)
            self._add(key, value)

    def get_or_put(self, key: K, make: Callable[[], V]) -> V:
        """The value, made and cached if there is none; it becomes the newest entry. Makes one for all threads."""
        with self._lock:
            value = self._drop(key)
            if value is None:
                value = make()
            self._add(key, value)
        return value

    def use(self, key: K) -> V | None:
        """The value, which becomes the newest entry; None if there is none."""
        with self._lock:
            value = self._drop(key)
            if value is not None:
                self._add(key, value)
        return value

    def discard(self, key: K) -> None:
        """Remove one entry, if it is there."""
        with self._lock:
            self._drop(key)

    def _add(self, key: K, value: V) -> None:
        weight = self._weight(value)
        if weight > self._most_weight:
            return
        self._values[key] = value
        self._total += weight
        while len(self._values) > self._most or self._total > self._most_weight:
            self._drop(next(iter(self._values)))  # a dict keeps the order in which keys were added

    def _drop(self, key: K) -> V | None:
        value = self._values.pop(key, None)
        if value is not None:
            self._total -= self._weight(value)
        return value

    def __len__(self) -> int:
        return len(self._values)


class TimedCache(Generic[K, V]):
    """At most ``most`` values, each for its own time; the oldest goes first. Reading with ``get`` takes no lock.

    Args:
        most: entries.
        clock: seconds, monotonic.
    """

    def __init__(self, most: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._entries: BoundedCache[K, tuple[V, float]] = BoundedCache(most)

    def get(self, key: K) -> V | None:
        """The value, or None if there is none or its time has passed."""
        entry = self._entries.get(key)
        return None if entry is None or entry[1] <= self._clock() else entry[0]

    def use(self, key: K) -> V | None:
        """As ``get``; the entry becomes the newest, its time does not change."""
        value = self.get(key)
        if value is not None:
            self._entries.use(key)
        return value

    def put(self, key: K, value: V, *, ttl_s: float) -> None:
        """Cache ``value`` for ``ttl_s`` seconds; not at all for zero or less."""
        if ttl_s > 0:
            self._entries.put(key, (value, self._clock() + ttl_s))

    def discard(self, key: K) -> None:
        """Remove one entry, if it is there."""
        self._entries.discard(key)

    def __len__(self) -> int:
        return len(self._entries)


class Flight(Generic[V]):
    """One call under way, and the callers that share its result."""

    __slots__ = ("callers", "future", "until", "worked_until")

    def __init__(self, until: float) -> None:
        self.future: Future[V] = Future()
        self.until = until
        """Latest deadline of all callers so far, as an instant of ``time.monotonic``."""
        self.worked_until = float("-inf")
        """Deadline that the work was given when it began: a caller with more time may call again after a failure."""
        self.callers = 1


class SingleFlight(Generic[K, V]):
    """Merges concurrent calls for one key into a single call, whose result all callers share.

    Nothing stays once a call has ended: caches are for that.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._flights: dict[K, Flight[V]] = {}

    def join(self, key: K, *, until: float) -> tuple[Flight[V], bool]:
        """The call under way for ``key``, and False; a new one, and True, if there is none.

        A caller that gets True must end the call by ``finish`` or ``fail``. Others wait for ``future``.
        """
        with self._lock:
            flight = self._flights.get(key)
            if flight is not None:
                flight.until = max(flight.until, until)
                flight.callers += 1
                return flight, False
            flight = self._flights[key] = Flight(until)
            return flight, True

    def finish(self, key: K, flight: Flight[V], value: V) -> None:
        """End a call with its result."""
        self._remove(key)
        flight.future.set_result(value)

    def fail(self, key: K, flight: Flight[V], error: BaseException) -> None:
        """End a call with an error, which every caller gets."""
        self._remove(key)
        flight.future.set_exception(error)

    def callers(self) -> int:
        """Number of callers that wait; one that waits for two calls counts twice."""
        with self._lock:
            return sum(flight.callers for flight in self._flights.values())

    def do(
        self,
        key: K,
        work: Callable[[], V],
        *,
        until: float,
        failures: tuple[type[Exception], ...] = (),
        failed: Callable[[V], bool] = lambda _value: False,
    ) -> V:
        """The result of ``work`` for ``key``, made by this thread or by another one that has begun already.

        A shared call may have failed because its own, earlier deadline had passed. So a caller that shares a call
        which failed, and has time left, calls again.

        Args:
            until: instant of ``time.monotonic`` until which another thread's result is waited for.
            failures: exceptions of ``work`` after which calling again may help.
            failed: tells results after which calling again may help.

        Raises:
            TimeoutError: another thread has no result by ``until``.
            Exception: what ``work`` raised, in every thread that waited for it.
        """
        while True:
            flight, is_own = self.join(key, until=until)
            try:
                value = self._made(key, flight, work) if is_own else _awaited(flight, until)
            except failures:
                if is_own or time.monotonic() >= until:
                    raise
            else:
                if is_own or not failed(value) or time.monotonic() >= until:
                    return value

    def _made(self, key: K, flight: Flight[V], work: Callable[[], V]) -> V:
        try:
            value = work()
        except BaseException as error:
            self.fail(key, flight, error)
            raise
        self.finish(key, flight, value)
        return value

    def _remove(self, key: K) -> None:
        # First out of the table, then the result: a caller that comes later must not join a call that has ended.
        with self._lock:
            del self._flights[key]


def _awaited(flight: Flight[V], until: float) -> V:
    try:
        return flight.future.result(timeout=max(0.0, until - time.monotonic()))
    except FutureTimeoutError as error:
        raise TimeoutError("the same look-up is under way and has no answer yet") from error
