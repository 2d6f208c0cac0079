"""What is remembered for a while, by one process: bounded, and safe for threads."""

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
    """A map that keeps at most ``most`` entries and ``most_weight`` of their weights; the oldest goes first.

    Reading takes no lock: entries are replaced whole, and a ``dict`` read is atomic. What is read often is not moved
    to the front for that reason; content that is needed again is simply fetched again.

    Args:
        most: entries.
        most_weight: sum of ``weight(value)``, for instance bytes.
        weight: of a value.
        clock: seconds, for entries with an end.
    """

    def __init__(
        self,
        most: int,
        *,
        most_weight: int | None = None,
        weight: Callable[[V], int] = lambda _value: 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most = most
        self._most_weight = most if most_weight is None else most_weight
        self._weight = weight
        self._clock = clock
        self._lock = threading.Lock()
        self._held: dict[K, tuple[V, float, int]] = {}
        self._total = 0

    def get(self, key: K) -> V | None:
        """The value, or None if there is none or its time has passed."""
        held = self._held.get(key)
        if held is None or held[1] <= self._clock():
            return None
        return held[0]

    def put(self, key: K, value: V, *, ttl_s: float = float("inf")) -> None:
        """Keep ``value`` for ``ttl_s`` seconds; not at all where it is zero or the value is too heavy."""
        weight = self._weight(value)
        if ttl_s <= 0 or weight > self._most_weight:
            return
        with self._lock:
            self._drop(key)
            self._held[key] = (value, self._clock() + ttl_s, weight)
            self._total += weight
            while len(self._held) > self._most or self._total > self._most_weight:
                self._drop(next(iter(self._held)))

    def discard(self, key: K) -> None:
        """Forget one entry."""
        with self._lock:
            self._drop(key)

    def _drop(self, key: K) -> None:
        held = self._held.pop(key, None)
        if held is not None:
            self._total -= held[2]

    def __len__(self) -> int:
        return len(self._held)


class SingleFlight(Generic[K, V]):
    """Merges concurrent calls with one key into a single one; the others wait for its answer.

    Nothing is kept once the call has ended: see ``caching.BoundedCache`` for that.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._flights: dict[K, Future[V]] = {}

    def do(self, key: K, work: Callable[[], V], *, wait_s: float) -> V:
        """The answer of ``work`` for ``key``, made now by this thread or, if one is at it, by another.

        Raises:
            TimeoutError: another thread is at it and has no answer within ``wait_s`` seconds.
            Exception: what ``work`` raised, in every thread that waited for it.
        """
        with self._lock:
            flight = self._flights.get(key)
            ours = flight is None
            if flight is None:
                flight = self._flights[key] = Future()
        if not ours:
            try:
                return flight.result(timeout=wait_s)
            except FutureTimeoutError as error:
                raise TimeoutError("the same look-up is under way and has no answer yet") from error
        return self._fly(key, flight, work)

    def do_within(self, key: K, work: Callable[[], V], *, until: float, failures: type[Exception]) -> V:
        """``do``, until an instant of ``time.monotonic``.

        Who joined a call that failed with ``failures`` (its own time was up, perhaps) and has time left makes one
        himself. Raises as ``do``.
        """
        while True:
            made: list[bool] = []

            def ours(made: list[bool] = made) -> V:
                made.append(True)
                return work()

            try:
                return self.do(key, ours, wait_s=max(0.0, until - time.monotonic()))
            except failures:
                if made or time.monotonic() >= until:
                    raise

    def _fly(self, key: K, flight: Future[V], work: Callable[[], V]) -> V:
        try:
            value = work()
        except BaseException as error:
            self._land(key)
            flight.set_exception(error)
            raise
        self._land(key)
        flight.set_result(value)
        return value

    def _land(self, key: K) -> None:
        with self._lock:
            del self._flights[key]
