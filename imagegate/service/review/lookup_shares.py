"""Threads for look-ups, shared so that no host, no owner of hosts and no kind of look-up uses them all.

Anybody who may create a pod may name hosts that never answer, as many as they like. So hosts that have answered lately
have threads of their own, which no host without an answer can take. A host without one gets few threads, and all such
hosts of one owner (``evil.example`` for ``*.evil.example``) share a number of them.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from imagegate.caching import TimedCache
from imagegate.core.registry.host_owner import registrable

Work = Callable[[], bool | None]
"""A look-up. True: the host answered; False: it did not; None: that cannot be told."""

_KNOWN_HOSTS = 4096


class Shares(NamedTuple):
    """Limits of the look-ups of one process. Beyond those of waiting ones a look-up is refused."""

    threads: int = 96
    """Look-ups under way, all hosts together."""
    known_threads: int = 32
    """Further ones at known hosts."""
    per_kind: float = 0.75
    """Part of either number that one kind of look-up may use."""
    per_host: int = 8
    """Look-ups of one kind under way at one known host."""
    per_new_host: int = 2
    """Look-ups of one kind under way at a host that is not known."""
    per_owner: int = 8
    """Look-ups under way at all hosts of one owner that are not known."""
    reserved: int = 32
    """Part of ``threads`` reserved for hosts at which nothing is under way."""
    waiting_per_host: int = 64
    """Look-ups of one kind at one host that wait for a thread, each until its review's deadline at most."""
    waiting: int = 512
    """Look-ups that wait for a thread altogether; half as many more may wait at known hosts."""
    known_s: float = 3600.0
    """A host is known for this many seconds after an answer."""
    failures: int = 3
    """Look-ups in a row without an answer after which a host is not known any more."""
    unreliable_s: float = 300.0
    """For so long it then gets none of ``known_threads``: it may answer now and then only to be known."""


class Place(NamedTuple):
    """Look-ups that share: one kind of them, at one host."""

    host: str
    kind: str


class _Threads(Enum):
    COMMON = "common"
    KNOWN = "known"


class _Slot(NamedTuple):
    """A thread for one look-up. ``owner``: whose share it is part of; empty: a known host's among common threads."""

    place: Place
    threads: _Threads
    owner: str


@dataclass(slots=True, eq=False)
class _Turn:
    """Work that has a thread. ``refused``: none could be started, and its caller knows."""

    slot: _Slot
    work: Work
    refused: bool = False


class HostShares:
    """Runs work at places within ``Shares``; places take turns.

    Threads start with the first work, so not before a fork. Work must end by itself: a thread is taken until it does.
    """

    def __init__(self, shares: Shares | None = None) -> None:
        self._shares = shares or Shares()
        threads = self._shares.threads + self._shares.known_threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="look-up")
        self._lock = threading.Lock()
        self._known: TimedCache[str, int] = TimedCache(_KNOWN_HOSTS)
        """Look-ups in a row without an answer, by known host."""
        self._running: Counter[Place] = Counter()
        self._unreliable: TimedCache[str, bool] = TimedCache(_KNOWN_HOSTS)
        self._owners: Counter[tuple[_Threads, str]] = Counter()
        self._busy: Counter[_Threads] = Counter()
        self._kinds: Counter[tuple[_Threads, str]] = Counter()
        self._waiting: dict[Place, deque[Work]] = {}
        """Waiting work in the order of turns. No queue is empty."""
        self._waiting_count = 0

    def submit(self, place: Place, work: Work) -> str:
        """Run ``work`` as soon as the place's share allows.

        Returns:
            Why it is refused: too much waits already. Empty if it is not.

        Raises:
            RuntimeError: no thread can be started, or ``close`` was called.
        """
        with self._lock:
            slot = None if place in self._waiting else self._slot(place)
            if slot is None:
                return self._enqueue(place, work)
            self._begin(slot)
        turn = _Turn(slot, work)
        try:
            self._pool.submit(self._run, turn)
        except RuntimeError:
            turn.refused = True  # the pool may have queued it nevertheless
            with self._lock:
                self._end(slot)
            raise
        return ""

    def busy(self) -> tuple[int, int]:
        """Number of look-ups under way, and of those that wait, at all places."""
        with self._lock:
            return self._busy.total(), self._waiting_count

    def close(self) -> None:
        """Accept no more work; running work ends by itself."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _enqueue(self, place: Place, work: Work) -> str:
        most = self._shares.waiting + (self._shares.waiting // 2 if self._is_known(place.host) else 0)
        queue = self._waiting.get(place)
        if queue is not None and len(queue) >= self._shares.waiting_per_host:
            return (
                f"too many look-ups at {place.host} ({self._running[place]} under way, {len(queue)} waiting);"
                " try again later"
            )
        if self._waiting_count >= most:
            busy = self._busy.total()
            return f"too many look-ups altogether ({busy} under way, {self._waiting_count} waiting); try again later"
        if queue is None:
            queue = self._waiting[place] = deque()
        queue.append(work)
        self._waiting_count += 1
        return ""

    def _is_known(self, host: str) -> bool:
        return self._known.get(host) is not None

    def _slot(self, place: Place) -> _Slot | None:
        """A thread for a look-up at the place; None if it must wait."""
        running, shares, owner = self._running[place], self._shares, registrable(place.host)
        if self._is_known(place.host):
            if running >= shares.per_host:
                return None
            if self._has_known_thread(place, owner):
                return _Slot(place, _Threads.KNOWN, owner)
            owner = ""
        elif running >= shares.per_new_host or self._owners[_Threads.COMMON, owner] >= shares.per_owner:
            return None
        room = self._has_room(_Threads.COMMON, place, shares.threads, reserved=shares.reserved if running else 0)
        return _Slot(place, _Threads.COMMON, owner) if room else None

    def _has_known_thread(self, place: Place, owner: str) -> bool:
        """True if one of ``known_threads`` is free; one owner gets half of them at most."""
        most = self._shares.known_threads
        return (
            self._unreliable.get(place.host) is None
            and self._owners[_Threads.KNOWN, owner] < max(1, most // 2)
            and self._has_room(_Threads.KNOWN, place, most)
        )

    def _has_room(self, threads: _Threads, place: Place, most: int, *, reserved: int = 0) -> bool:
        of_kind = max(1, int(most * self._shares.per_kind))
        return most - self._busy[threads] > reserved and self._kinds[threads, place.kind] < of_kind

    def _begin(self, slot: _Slot) -> None:
        self._running[slot.place] += 1
        self._busy[slot.threads] += 1
        self._kinds[slot.threads, slot.place.kind] += 1
        if slot.owner:
            self._owners[slot.threads, slot.owner] += 1

    def _end(self, slot: _Slot) -> None:
        self._busy[slot.threads] -= 1
        self._kinds[slot.threads, slot.place.kind] -= 1
        self._running[slot.place] -= 1
        if not self._running[slot.place]:
            del self._running[slot.place]
        if slot.owner:
            self._owners[slot.threads, slot.owner] -= 1
            if not self._owners[slot.threads, slot.owner]:
                del self._owners[slot.threads, slot.owner]

    def _run(self, turn: _Turn) -> None:
        """Do the work, then waiting work for which there is room now."""
        mine = [turn]
        while mine:
            turn = mine.pop()
            if turn.refused:
                continue
            answered: bool | None = None
            try:
                answered = turn.work()
            finally:
                with self._lock:
                    self._note(turn.slot.place.host, answered=answered)
                    self._end(turn.slot)
                    turns = self._next_turns()
            mine += turns[:1]
            mine += [each for each in map(self._not_started, turns[1:]) if each is not None]

    def _not_started(self, turn: _Turn) -> _Turn | None:
        """Start a turn in another thread; if there is none, return what this thread must do itself."""
        try:
            self._pool.submit(self._run, turn)
        except RuntimeError:
            turn.refused = True
            return _Turn(turn.slot, turn.work)
        return None

    def _note(self, host: str, *, answered: bool | None) -> None:
        failures = self._known.get(host)
        if answered:
            self._known.put(host, 0, ttl_s=self._shares.known_s)
        elif answered is False and failures is not None:
            if failures + 1 >= self._shares.failures:
                self._known.discard(host)
                self._unreliable.put(host, True, ttl_s=self._shares.unreliable_s)
            else:
                self._known.put(host, failures + 1, ttl_s=self._shares.known_s)

    def _next_turns(self) -> list[_Turn]:
        """Waiting work that may begin now; places take turns."""
        turns: list[_Turn] = []
        for place in list(self._waiting):
            queue, slot = self._waiting[place], self._slot(place)
            if slot is None:
                continue
            del self._waiting[place]
            while slot is not None:  # more than one only where a host has just become known
                turns.append(_Turn(slot, queue.popleft()))
                self._waiting_count -= 1
                self._begin(slot)
                slot = self._slot(place) if queue else None
            if queue:
                self._waiting[place] = queue  # behind the others
        return turns
