"""Denials that wait to be told: repetitions are added up, and every number is bounded."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from imagegate.core.admission.denied_object import DeniedObject
from imagegate.ports.events import Occurrences

KNOWN_MAX = 1024
"""Denials that are remembered, waiting or told; one takes 4 KiB at most."""
WAITING_PER_NAMESPACE = 128
REPEATED_S = 60.0
"""Repetitions are told so often at most."""
WINDOW_S = 60.0
TOLD_IN_WINDOW = 240
TOLD_IN_WINDOW_PER_NAMESPACE = 30
"""Bound what one process writes: whoever may create pods makes denials, as many as they like."""


@dataclass(slots=True)
class _Series:
    denied: DeniedObject
    first: datetime
    last: datetime
    count: int = 1
    """Occurrences that are not told yet."""
    due: float = 0.0
    """When it may be told, on the monotonic clock."""
    was_told: bool = False


@dataclass(frozen=True, slots=True)
class Due:
    """A denial to tell now."""

    denied: DeniedObject
    occurrences: Occurrences
    again: bool
    """It was told before."""


class Waiting:
    """See the module. Not safe for threads: its user holds a lock."""

    def __init__(self) -> None:
        self._series: dict[tuple[object, ...], _Series] = {}
        """The ones that were told longest ago first."""
        self._waiting: Counter[str] = Counter()
        """Series with occurrences that are not told yet, by namespace."""
        self._told: Counter[str] = Counter()
        self._window_end = 0.0

    def add(self, denied: DeniedObject, at: datetime) -> bool:
        """Add an occurrence; False if there is no room for it."""
        known = self._series.get(denied.key)
        namespace = denied.namespace
        if known is not None and known.count:
            known.count, known.last = known.count + 1, at
            return True
        if self._waiting[namespace] >= WAITING_PER_NAMESPACE:
            return False
        if known is not None:
            known.denied, known.first, known.last, known.count = denied, at, at, 1
        elif len(self._series) < KNOWN_MAX or self._forget_one():
            self._series[denied.key] = _Series(denied, at, at)
        else:
            return False
        self._waiting[namespace] += 1
        return True

    def __bool__(self) -> bool:
        """True if something waits."""
        return bool(self._waiting)

    def take(self, now: float) -> list[Due]:
        """Take the denials that may be told now; one of each namespace, then a second one, and so on.

        Args:
            now: on the monotonic clock.
        """
        if now >= self._window_end:
            self._told.clear()
            self._window_end = now + WINDOW_S
        taken: list[Due] = []
        by_namespace: dict[str, list[_Series]] = {}
        for series in self._series.values():
            if series.count and series.due <= now:
                by_namespace.setdefault(series.denied.namespace, []).append(series)
        while by_namespace:
            for namespace, series_there in list(by_namespace.items()):
                full = self._told[namespace] >= TOLD_IN_WINDOW_PER_NAMESPACE
                if full or self._told.total() >= TOLD_IN_WINDOW or not series_there:
                    del by_namespace[namespace]
                else:
                    taken.append(self._begin(series_there.pop(0), now))
        return taken

    def put_back(self, due: Due) -> None:
        """Wait on with what could not be told."""
        known = self._series.get(due.denied.key)
        if known is None:
            return
        if not known.count:
            known.last = due.occurrences.last
            self._waiting[due.denied.namespace] += 1
        known.count += due.occurrences.count
        known.first, known.due, known.was_told = due.occurrences.first, 0.0, due.again

    def _begin(self, series: _Series, now: float) -> Due:
        denied = series.denied
        due = Due(denied, Occurrences(series.count, series.first, series.last), series.was_told)
        series.count, series.due, series.was_told = 0, now + REPEATED_S, True
        self._series[denied.key] = self._series.pop(denied.key)
        self._told[denied.namespace] += 1
        self._waiting[denied.namespace] -= 1
        if not self._waiting[denied.namespace]:
            del self._waiting[denied.namespace]
        return due

    def _forget_one(self) -> bool:
        """Make room: forget the one that was told longest ago; False if all wait."""
        key = next((key for key, series in self._series.items() if not series.count), None)
        if key is None:
            return False
        del self._series[key]
        return True
