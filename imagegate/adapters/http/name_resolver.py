"""Names to addresses, by the system's resolver, which knows no time limit and cannot be interrupted.

So every look-up runs in a thread of its own, and a caller stops waiting at its deadline. The owner of a name
decides how long its look-up takes; the cost to others is bounded:

- one look-up at a time for a name, shared by all callers;
- ``per_domain`` look-ups at a time below one registrable name (``evil.example`` for all of ``*.evil.example``), twice
  as many for names that were answered lately;
- ``threads`` look-ups in all, and ``reserved`` more for names that were answered lately;
- a name that does not answer is refused at once for a while, and so is one for which there is no room because others
  hang: no caller waits behind a look-up that has already taken ``hanging_s``.
"""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass, field
from ipaddress import ip_address

from imagegate.adapters.http.go_words import looked_up
from imagegate.caching import TimedCache
from imagegate.core.registry.host_owner import registrable
from imagegate.core.registry.special_addresses import Address
from imagegate.errors import Unreachable

MAX_ADDRESSES = 8  # of one name; more are not tried
LookUp = Callable[[str], list[Address]]


class NameUnresolved(Unreachable):
    """A name without an address, or without an answer of its name server: it says nothing of the host."""


@dataclass(frozen=True, slots=True)
class ResolverLimits:
    """Limits of name look-ups.

    Attributes:
        threads: look-ups at a time.
        reserved: further ones, for names that were answered within ``known_s``.
        per_domain: look-ups at a time below one registrable name.
        hanging_s: seconds after which no caller waits for room behind a look-up.
        refused_after_s: seconds without an answer after which a name is refused at once.
        refused_for_s: seconds for which it is, once its look-up has failed.
        known_s: see ``reserved``.
    """

    threads: int = 128
    reserved: int = 64
    per_domain: int = 4
    hanging_s: float = 1.0
    refused_after_s: float = 6.0
    refused_for_s: float = 10.0
    known_s: float = 3600.0


@dataclass(slots=True, eq=False)
class _Running:
    """A look-up under way."""

    domain: str
    is_reserved: bool
    since: float
    answer: Future[list[Address]] = field(default_factory=Future)


class NameResolver:
    """Looks names up within a caller's time. Safe for threads; a forked process needs its own.

    Args:
        look_up: takes as long as it likes; raises OSError or UnicodeError.
        limits: see ``ResolverLimits``.
    """

    def __init__(self, look_up: LookUp | None = None, *, limits: ResolverLimits | None = None) -> None:
        self._look_up = look_up or _ask_system
        self._limits = limits or ResolverLimits()
        self._changed = threading.Condition()
        self._running: dict[str, _Running] = {}
        self._counts: Counter[str] = Counter()
        self._known: TimedCache[str, bool] = TimedCache(4096)
        self._refused: TimedCache[str, str] = TimedCache(4096)

    def resolve(self, host: str, *, within_s: float | None) -> list[Address]:
        """Addresses of a name, in the resolver's order.

        Raises:
            NameUnresolved: unknown name, no answer in time, or refused because its name server hangs.
        """
        until = None if within_s is None else time.monotonic() + within_s
        running = self._joined_or_started(host, until)
        try:
            return running.answer.result(timeout=_left(until))
        except FutureTimeoutError as error:
            raise NameUnresolved(f"no answer in time for the name {host}") from error
        except (OSError, UnicodeError) as error:
            raise NameUnresolved(f"cannot resolve {host}: {error}", in_go=looked_up(host, error)) from error

    def _joined_or_started(self, host: str, until: float | None) -> _Running:
        with self._changed:
            while True:
                running = self._running.get(host)
                if running is not None:
                    self._refuse_hanging(host, running)
                    return running
                why = self._refused.get(host)
                if why is not None:
                    raise NameUnresolved(why)
                domain = registrable(host)
                crowd = self._crowd(host, domain)
                if crowd is None:
                    return self._start(host, domain)
                self._wait(host, crowd, until)

    def _refuse_hanging(self, host: str, running: _Running) -> None:
        age_s = time.monotonic() - running.since
        if age_s > self._limits.refused_after_s:
            raise NameUnresolved(
                f"no answer for the name {host} since {age_s:.0f} s; it is not looked up again meanwhile"
            )

    def _crowd(self, host: str, domain: str) -> list[_Running] | None:
        """The look-ups that keep this one from starting; None if it may."""
        limits, everything = self._limits, list(self._running.values())
        is_known = self._known.get(host) is not None
        if self._counts[domain] >= limits.per_domain * (2 if is_known else 1):
            return [each for each in everything if each.domain == domain]
        common = [each for each in everything if not each.is_reserved]
        if len(common) < limits.threads or (is_known and len(everything) < limits.threads + limits.reserved):
            return None
        return common

    def _wait(self, host: str, crowd: list[_Running], until: float | None) -> None:
        """Wait until one of ``crowd`` may have ended, but not behind those that hang."""
        now = time.monotonic()
        youngest_s = min(now - running.since for running in crowd)
        if youngest_s >= self._limits.hanging_s:
            raise NameUnresolved(
                f"the name {host} is not looked up: {len(crowd)} other names have had no answer for"
                f" {self._limits.hanging_s:g} s"
            )
        left = _left(until)
        if left is not None and left <= 0:
            raise NameUnresolved(f"no answer in time for the name {host}: {len(crowd)} other names are being looked up")
        pause = self._limits.hanging_s - youngest_s
        self._changed.wait(pause if left is None else min(pause, left))

    def _start(self, host: str, domain: str) -> _Running:
        common = sum(not each.is_reserved for each in self._running.values())
        running = _Running(domain, common >= self._limits.threads, time.monotonic())
        thread = threading.Thread(target=self._run, args=(host, running), name=f"resolve {host}"[:64], daemon=True)
        self._running[host] = running
        self._counts[domain] += 1
        try:
            thread.start()
        except RuntimeError as error:  # the system gives no more threads
            self._forget(host, running)
            raise NameUnresolved(f"cannot resolve {host}: {error}") from error
        return running

    def _run(self, host: str, running: _Running) -> None:
        try:
            answer = self._look_up(host)
        except BaseException as error:  # noqa: BLE001 - raised in every caller that waits
            with self._changed:
                if time.monotonic() - running.since > self._limits.hanging_s:
                    pause_s = self._limits.refused_for_s
                    why = f"no answer for the name {host} lately; it is not looked up for {pause_s:g} s"
                    self._refused.put(host, why, ttl_s=pause_s)
                self._forget(host, running)
            running.answer.set_exception(error)
            return
        with self._changed:
            self._known.put(host, True, ttl_s=self._limits.known_s)
            self._forget(host, running)
        running.answer.set_result(answer)

    def _forget(self, host: str, running: _Running) -> None:
        del self._running[host]
        self._counts[running.domain] -= 1
        if not self._counts[running.domain]:
            del self._counts[running.domain]
        self._changed.notify_all()


def _left(until: float | None) -> float | None:
    return None if until is None else max(0.0, until - time.monotonic())


def _ask_system(host: str) -> list[Address]:
    answers = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    found = (ip_address(str(answer[4][0]).partition("%")[0]) for answer in answers)
    return list(dict.fromkeys(found))[:MAX_ADDRESSES]
