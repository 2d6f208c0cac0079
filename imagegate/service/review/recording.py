"""Recording of reviews: queued by the review, written and counted in batches by a thread."""

from __future__ import annotations

import atexit
import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from imagegate.service.review.decided import Decided, Kinds
from imagegate.service.review.response import Outcome

BATCH_S = 0.05
"""Seconds between two batches."""
QUEUED_MAX_BYTES = 16 * 1024 * 1024
"""About ten thousand reviews: the thread is late by more than a second."""
FLUSH_S = 0.5
"""Seconds that somebody who wants to see everything waits for a batch under way."""
TOLD_EVERY_S = 60.0
"""Seconds between two log lines about trouble."""

_log = logging.getLogger(__name__)


class Sink(Protocol):
    """Takes what was recorded: the decision log, metrics."""

    def take(self, batch: Sequence[Decided]) -> None:
        """Record reviews, in the order in which they ended. Called by one thread at a time."""


class Recording:
    """A ``Recorder`` that hands reviews to sinks in batches.

    Until ``start`` every review is handed on at once, in its own thread: commands have no other, and a server that is
    going to be forked must have none. From then on the review's thread only puts a few fields into a queue. When the
    queue is full, reviews are not recorded, but counted; they are never delayed.

    Args:
        clock: seconds since 1970.
    """

    def __init__(self, clock: Callable[[], float], *sinks: Sink, queued_max_bytes: int = QUEUED_MAX_BYTES) -> None:
        self._clock = clock
        self._sinks = sinks
        self._queued_max_bytes = queued_max_bytes
        self._kinds = Kinds()
        self._queued: list[Decided] = []
        self._queued_bytes = 0
        self._dropped = 0
        self._lock = threading.Lock()
        """Of the queue. Used directly where reviews wait for it: a condition's own methods are written in Python."""
        self._changed = threading.Condition(self._lock)
        self._handing_on = threading.Lock()
        self._thread: threading.Thread | None = None
        self._asleep = False
        self._ending = False
        self._tell: Callable[[int], None] = lambda _count: None
        self._told_at = 0.0

    def decided(self, outcome: Outcome, seconds: float) -> None:
        """Record one review that took ``seconds``."""
        decided = self._kinds.decided(outcome, self._clock(), seconds)
        if self._thread is None:
            with self._handing_on:
                self._hand_on([decided])
            return
        with self._lock:
            size = self._queued_bytes + decided.size
            if size > self._queued_max_bytes:
                self._dropped += 1
                return
            self._queued.append(decided)
            self._queued_bytes = size
            if self._asleep:
                self._asleep = False
                self._changed.notify()

    def start(self, on_dropped: Callable[[int], None] | None = None) -> None:
        """Record from a thread of this process; once, after it was forked. At the exit of the process it is flushed.

        Args:
            on_dropped: called with the number of reviews that were not recorded.
        """
        if on_dropped is not None:
            self._tell = on_dropped
        if self._thread is None:
            self._thread = threading.Thread(target=self._keep_recording, name="recording", daemon=True)
            self._thread.start()
            atexit.register(self.close)

    def close(self) -> None:
        """Record what is queued; later reviews are recorded at once."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        with self._changed:
            self._ending = True
            self._changed.notify()
        thread.join(FLUSH_S)
        self.flush()

    def flush(self) -> bool:
        """Record what is queued, now. False: a batch under way takes too long, as on a disk that does not answer."""
        if not self._handing_on.acquire(timeout=FLUSH_S):
            return False
        try:
            with self._changed:
                batch, self._queued, self._queued_bytes = self._queued, [], 0
                dropped, self._dropped = self._dropped, 0
            self._hand_on(batch)
        finally:
            self._handing_on.release()
        if dropped:
            self._tell(dropped)
            self._report("%d reviews were not recorded: the log and the metrics lack them", dropped)
        return True

    def _keep_recording(self) -> None:
        while True:
            with self._changed:
                self._asleep = not self._queued and not self._ending
                while self._asleep and not self._ending:
                    self._changed.wait()
                ending = self._ending
            if ending:
                return
            time.sleep(BATCH_S)
            self.flush()

    def _hand_on(self, batch: list[Decided]) -> None:
        if not batch:
            return
        for sink in self._sinks:
            try:
                sink.take(batch)
            except Exception:  # noqa: BLE001 - the decisions stand, recorded or not; other sinks still get them
                self._report("%d reviews could not be recorded", len(batch), trouble=True)

    def _report(self, message: str, count: int, *, trouble: bool = False) -> None:
        """Log it, but not again and again."""
        now = time.monotonic()
        if not self._told_at or now - self._told_at >= TOLD_EVERY_S:
            self._told_at = now
            _log.error(message, count, exc_info=trouble)
