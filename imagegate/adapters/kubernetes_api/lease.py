"""A Lease of the cluster: of several replicas one at a time holds it.

As in client-go, a Lease has ended when its record has not changed for its duration on the own clock: times of other
machines are not compared. Whoever holds it counts the duration from before its last request, others from the answer
in which they saw the record first, so that the holder's time is over before theirs.
"""

from __future__ import annotations

import time
import urllib.parse
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from imagegate.adapters.kubernetes_api.connection import ApiError, Connection, JsonObject
from imagegate.adapters.kubernetes_api.own_account import owner_references

DEADLINE_MAX_S = 5.0
DURATION_MAX_S = 300.0
"""A longer duration in a Lease was not written by a replica: it does not keep the others waiting for longer."""
RELEASED_S = 1
"""``leaseDurationSeconds`` of a Lease that was given up, as client-go writes it."""
_NOT_FOUND, _CONFLICT = 404, 409
_NEVER = float("-inf")


def awake_s() -> float:
    """Seconds on a clock that is never set, and goes on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Lease:
    """See the module. Not for several threads.

    Args:
        identity: of this replica; no other may have it.
        duration_s: a replica that has not renewed the Lease for so long has lost it; at least 1.
        at_once: take a Lease that does not exist, names no holder or names this replica without waiting. Quicker, but
            after somebody has deleted or edited it there are two holders until the other one looks again.
    """

    def __init__(
        self,
        connection: Callable[[], Connection],
        namespace: str,
        name: str,
        identity: str,
        *,
        duration_s: float = 15.0,
        at_once: bool = False,
        clock: Callable[[], float] = awake_s,
    ) -> None:
        root = f"/apis/coordination.k8s.io/v1/namespaces/{urllib.parse.quote(namespace, safe='')}/leases"
        self._root, self._path = root, f"{root}/{urllib.parse.quote(name, safe='')}"
        self._connection = connection
        self._namespace = namespace
        self._metadata = {"name": name, "namespace": namespace}
        self._identity = identity
        self._duration_s = duration_s
        self._deadline_s = min(DEADLINE_MAX_S, duration_s / 6)
        self._at_once = at_once
        self._clock = clock
        self._seen: tuple[str, float] = ("", _NEVER)
        """The version that was seen last, and when it was seen first; version empty: there was no Lease."""
        self.held_until = _NEVER
        """Until when this replica holds it if it is not renewed, on the clock."""
        self.holder = ""
        """Who held it when it was seen last; empty: nobody."""

    def hold(self) -> bool:
        """Take or renew the Lease if nobody else holds it; True if this replica does now.

        To be called more often than a third of ``duration_s``.

        Raises:
            ApiError: it cannot be read or written. A Lease that was held is held until its duration is over.
        """
        try:
            self.renew()
        except ApiError:
            if self._clock() >= self.held_until:
                raise
        return self._clock() < self.held_until

    def renew(self) -> None:
        """As ``hold``; ``held_until`` says whether and how long this replica holds it.

        Raises:
            ApiError: it cannot be read or written, whether it is still held or not.
        """
        now = self._clock()
        if now < self.held_until - self._duration_s * 2 / 3:
            return  # renewed not long ago
        try:
            self._take(now)
        except ApiError as error:
            if error.status != _CONFLICT:
                raise
            self.held_until = _NEVER  # another replica was quicker

    def release(self) -> None:
        """Give the Lease up, if this replica holds it: the next one that looks may take it at once.

        Raises:
            ApiError: it cannot be read or written; it then ends by itself.
        """
        held, self.held_until = self._clock() < self.held_until, _NEVER
        found = self._found() if held else None
        if found is not None and _text(found, "spec", "holderIdentity") == self._identity:
            spec = _part(found, "spec") | {"holderIdentity": "", "leaseDurationSeconds": RELEASED_S}
            self._put(self._metadata_of(found), spec)
            self.holder = ""

    def _take(self, now: float) -> None:
        found = self._found()
        self.holder = "" if found is None else _text(found, "spec", "holderIdentity")
        if not self._may_take(found, now):
            self.held_until = _NEVER
            return
        if found is None:
            owners = owner_references(self._connection(), self._namespace)
            metadata: JsonObject = self._metadata | {"ownerReferences": owners}
            body = self._lease(metadata, self._spec({}))
            stored = self._connection().post(self._root, body, deadline_s=self._deadline_s)
        else:
            stored = self._put(self._metadata_of(found), self._spec(_part(found, "spec")))
        if _text(stored, "spec", "holderIdentity") != self._identity:
            raise ApiError("the API server stored another holder than the one that was sent")
        self.holder = self._identity
        self.held_until = now + self._duration_s

    def _found(self) -> JsonObject | None:
        try:
            found = self._connection().get(self._path, deadline_s=self._deadline_s)
        except ApiError as error:
            if error.status != _NOT_FOUND:
                raise
            return None
        if not _text(found, "metadata", "resourceVersion"):  # without it a write would replace any version
            raise ApiError(f"the API server's answer to {self._path} has no resourceVersion")
        return found

    def _may_take(self, found: JsonObject | None, now: float) -> bool:
        version = "" if found is None else _text(found, "metadata", "resourceVersion")
        if self._seen[1] == _NEVER or version != self._seen[0]:
            self._seen = (version, self._clock())  # of after the answer: see the module
        if found is None:
            return self._at_once or self._unchanged_for(self._duration_s)
        holder, duration_s = _text(found, "spec", "holderIdentity"), _duration_s(found, self._duration_s)
        if holder == self._identity and now < self.held_until:
            return True
        if not holder and duration_s == RELEASED_S:
            return True
        if self._at_once and holder in {"", self._identity}:
            return True
        return self._unchanged_for(max(duration_s, self._duration_s))

    def _unchanged_for(self, duration_s: float) -> bool:
        return self._clock() - self._seen[1] >= duration_s

    def _spec(self, before: JsonObject) -> JsonObject:
        """The record of this replica as the holder, after that of ``before``."""
        at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec: JsonObject = {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": max(1, int(self._duration_s)),
            "acquireTime": at,
            "renewTime": at,
            "leaseTransitions": _transitions(before),
        }
        if before.get("holderIdentity") == self._identity:
            acquired = before.get("acquireTime")
            spec["acquireTime"] = acquired if isinstance(acquired, str) and acquired else at
        elif before:
            spec["leaseTransitions"] += 1
        return spec

    def _put(self, metadata: JsonObject, spec: JsonObject) -> JsonObject:
        return self._connection().put(self._path, self._lease(metadata, spec), deadline_s=self._deadline_s)

    def _metadata_of(self, found: JsonObject) -> JsonObject:
        """The Lease as it was found, owner and labels included, without what only the API server writes."""
        return {name: value for name, value in _part(found, "metadata").items() if name != "managedFields"}

    def _lease(self, metadata: JsonObject, spec: JsonObject) -> JsonObject:
        return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}


def _part(found: JsonObject, name: str) -> JsonObject:
    inner: Any = found.get(name)
    return inner if isinstance(inner, dict) else {}


def _text(found: JsonObject, part: str, name: str) -> str:
    value = _part(found, part).get(name)
    return value if isinstance(value, str) else ""


def _duration_s(found: JsonObject, otherwise: float) -> float:
    """``leaseDurationSeconds``; ``otherwise`` if it is no duration, and at most ``DURATION_MAX_S``."""
    given = _part(found, "spec").get("leaseDurationSeconds")
    if isinstance(given, bool) or not isinstance(given, int) or given < 1:
        return otherwise
    return float(min(given, DURATION_MAX_S))


def _transitions(before: JsonObject) -> int:
    given = before.get("leaseTransitions")
    return given % _INT32 if isinstance(given, int) and not isinstance(given, bool) else 0


_INT32 = 2**31 - 1
