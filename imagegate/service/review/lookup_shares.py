"""Threads for look-ups, shared so that one slow registry does not use them all."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

Work = Callable[[], None]


class Shares(NamedTuple):
    """Limits of the look-ups of one process. Beyond ``waiting_per_host`` a look-up is refused."""

    threads: int = 64
    """Look-ups under way, all hosts together."""
    per_host: int = 8
    """Look-ups under way at one host."""
    reserved: int = 16
    """Threads reserved for hosts at which nothing is under way."""
    waiting_per_host: int = 64
    """Look-ups of one host that wait for a thread, each until its review's deadline at most."""


class HostShares:
    """Runs work for hosts within ``Shares``; hosts take turns. Threads start with the first work, so not before a fork.

    Work must end by itself: a thread is taken until it does.
    """

    def __init__(self, shares: Shares | None = None) -> None:
        self._shares = shares or Shares()
        self._pool = ThreadPoolExecutor(self._shares.threads, thread_name_prefix="look-up")
        self._lock = threading.Lock()
        self._running: dict[str, int] = {}
        self._busy = 0
        self._waiting: dict[str, deque[Work]] = {}
        """Waiting work by host, in the order of their turns. No queue is empty."""

    def submit(self, host: str, work: Work) -> bool:
        """Run ``work`` as soon as the host's share allows; False if too much waits for the host already.

        Raises:
            RuntimeError: no thread can be started, or ``close`` was called.
        """
        with self._lock:
            if host not in self._waiting and self._may_run(host):
                self._begin(host)
            else:
                queue = self._waiting.setdefault(host, deque())
                if len(queue) >= self._shares.waiting_per_host:
                    return False
                queue.append(work)
                return True
        try:
            self._pool.submit(self._run, host, work)
        except RuntimeError:
            self._end(host)
            raise
        return True

    def under_way(self, host: str) -> tuple[int, int]:
        """Number of look-ups that run at the host, and that wait for their turn."""
        with self._lock:
            return self._running.get(host, 0), len(self._waiting.get(host, ()))

    def close(self) -> None:
        """Accept no more work; running work ends by itself."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _may_run(self, host: str) -> bool:
        running = self._running.get(host, 0)
        free = self._shares.threads - self._busy
        return free > 0 and (running == 0 or (running < self._shares.per_host and free > self._shares.reserved))

    def _begin(self, host: str) -> None:
        self._running[host] = self._running.get(host, 0) + 1
        self._busy += 1

    def _end(self, host: str) -> None:
        with self._lock:
            self._busy -= 1
            self._running[host] -= 1
            if not self._running[host]:
                del self._running[host]

    def _run(self, host: str, work: Work) -> None:
        """Do the work, then waiting work: a free thread continues with the next host in turn."""
        turn: tuple[str, Work] | None = (host, work)
        while turn is not None:
            host, work = turn
            try:
                work()
            finally:
                self._end(host)
            turn = self._next()

    def _next(self) -> tuple[str, Work] | None:
        with self._lock:
            for host in self._waiting:
                if self._may_run(host):
                    queue = self._waiting.pop(host)
                    work = queue.popleft()
                    if queue:
                        self._waiting[host] = queue  # behind the others
                    self._begin(host)
                    return host, work
        return None
