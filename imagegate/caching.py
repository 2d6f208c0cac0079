"""What is remembered for a while, by one process: bounded, and safe for threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
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
