"""Tells the owners of denied objects, in a thread of its own."""

from __future__ import annotations

import hashlib
import logging
import math
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime

from imagegate.core.admission.denied_object import DeniedObject, OwnerReference, denied_object, named_owner
from imagegate.core.admission.lookup import Found, Unknown
from imagegate.core.admission.owners import Owner
from imagegate.ports.cluster import Owners
from imagegate.ports.events import Event, Events, ObjectReference, Writing
from imagegate.service.denial_events.waiting import Due, Waiting
from imagegate.service.review.response import Outcome

EVERY_S = 1.0
"""Between two rounds."""
DEADLINE_S = 5.0
"""For each request to the API server."""
PAUSE_S = 5.0
PAUSE_MAX_S = 300.0
"""Pause after a request without an answer; doubled each time."""
LEVELS_MAX = 3
"""Owners above the owner: a Pod's ReplicaSet, its Deployment, and what made that."""
REPORTED_EVERY_S = 600.0
DROPPED, NO_OWNER = "dropped", "no-owner"
"""Results beside those of ``Writing``: no room, or the owner that the object names does not exist."""

_log = logging.getLogger(__name__)


class DenialEvents:
    """A ``Recorder``: the owner of a denied object, and the workload above it, get an Event each.

    Args:
        owners: reads the owners, so that nobody is told about an object that only claims to be theirs.
        clock: the time, in UTC.
    """

    def __init__(self, owners: Owners, events: Events, *, clock: Callable[[], datetime]) -> None:
        self._owners = owners
        self._events = events
        self._clock = clock
        self._waiting = Waiting()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._ending = threading.Event()
        self._count: Callable[[str], None] = lambda _result: None
        self._pause_s = 0.0
        self._reported_at = 0.0

    def decided(self, outcome: Outcome, seconds: float) -> None:  # noqa: ARG002 - a Recorder's arguments
        """Queue the denial of an object that a controller made. Never waits for the API server."""
        if outcome.allowed or self._thread is None:
            return
        decisions = [verdict.decision for verdict in outcome.verdicts if verdict.denies]
        denials = [(decision.plugin, denial) for decision in decisions for denial in decision.denials]
        denied = denied_object(outcome.request, denials)
        if denied is None:
            return
        with self._changed:
            was_empty = not self._waiting
            is_queued = self._waiting.add(denied, self._clock())
            if was_empty:
                self._changed.notify()
        if not is_queued:
            self._count(DROPPED)

    def start(self, count: Callable[[str], None]) -> None:
        """Tell from a thread of this process; once, after it was forked.

        Args:
            count: called with the result of each event.
        """
        self._count = count
        self._thread = threading.Thread(target=self._keep_telling, name="denial events", daemon=True)
        self._thread.start()

    def stop(self, *, within_s: float) -> None:
        """Tell what still waits, in a process that ends.

        Args:
            within_s: what is not told by then is lost.
        """
        if self._thread is None:
            return
        with self._changed:
            self._ending.set()
            self._changed.notify()
        self._thread.join(within_s)
        with self._changed:
            if self._waiting or self._thread.is_alive():
                _log.warning("Events about some denials were not written before the process ended: they are lost")

    def _keep_telling(self) -> None:
        is_last = False
        while not is_last:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._ending.is_set())
            is_last = self._ending.wait(EVERY_S + self._pause_s)
            try:
                self._round(math.inf if is_last else time.monotonic())
            except Exception:  # noqa: BLE001 - the thread must not end: later denials are told all the same
                _log.exception("Events about denials could not be written")
                self._pause_s = PAUSE_MAX_S

    def _round(self, now: float) -> None:
        """Tell what is due ``now``, on the monotonic clock: at infinity all that waits, repetitions too."""
        with self._changed:
            batch = self._waiting.take(now)
        while batch:
            due = batch.pop(0)
            result, why = self._tell(due)
            self._count(result)
            if result == Writing.UNANSWERED:
                with self._changed:
                    for each in (due, *batch):
                        self._waiting.put_back(each)
                self._pause_s = min(max(PAUSE_S, self._pause_s * 2), PAUSE_MAX_S)
                self._report(f"{why}; next attempt in {self._pause_s:.0f} s")
                return
            if result == Writing.REFUSED:
                self._report(why)
            elif result == Writing.WRITTEN:
                self._pause_s = 0.0

    def _tell(self, due: Due) -> tuple[str, str]:
        denied = due.denied
        above = self._objects_above(denied)
        if not above:
            return NO_OWNER, ""
        owner, top = above[0], above[-1]
        told = [(owner, top if top != owner else None)]
        if top != owner:
            told.append((top, owner))
        for regarding, related in told:
            event = Event(
                regarding=regarding,
                related=related,
                key=_key(denied),
                reason=denied.reason,
                note=denied.note,
                annotations=dict(denied.annotations),
            )
            result, why = self._events.tell(event, due.occurrences, again=due.again, deadline_s=DEADLINE_S)
            if result is not Writing.WRITTEN:
                return result, f"{regarding.kind} {regarding.namespace}/{regarding.name}: {why}"
        return Writing.WRITTEN, ""

    def _objects_above(self, denied: DeniedObject) -> list[ObjectReference]:
        """The owner, its own controller and so on; empty if the owner does not exist, or is in no namespace."""
        found: list[ObjectReference] = []
        owner: OwnerReference | None = denied.owner
        while owner is not None and len(found) <= LEVELS_MAX:
            question = Owner(owner.api_version, owner.kind, denied.namespace, owner.name)
            answer = self._owners.owner(question, deadline_s=DEADLINE_S)
            if isinstance(answer, Unknown) and not found:  # perhaps a kind that this account may not read
                return [ObjectReference(owner.api_version, owner.kind, denied.namespace, owner.name, owner.uid)]
            if not isinstance(answer, Found) or not _is_that(answer.value, owner, denied.namespace):
                break
            found.append(ObjectReference(owner.api_version, owner.kind, denied.namespace, owner.name, owner.uid))
            owner = named_owner(answer.value)
        return found

    def _report(self, why: str) -> None:
        """Log it, but not again and again."""
        now = time.monotonic()
        if not self._reported_at or now - self._reported_at >= REPORTED_EVERY_S:
            self._reported_at = now
            _log.warning("an Event about a denial could not be written: %s", why[:1000])


def _key(denied: DeniedObject) -> str:
    text = "\0".join(map(str, denied.key))
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def _is_that(found: Mapping[str, object], owner: OwnerReference, namespace: str) -> bool:
    metadata = found.get("metadata")
    if not isinstance(metadata, Mapping):
        return False
    return metadata.get("uid") == owner.uid and metadata.get("namespace") == namespace
