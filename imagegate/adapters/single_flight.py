"""Identical questions asked at once become one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Generic, TypeVar

from imagegate.caching import BoundedCache

__all__ = ["BoundedCache", "SingleFlight"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


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
