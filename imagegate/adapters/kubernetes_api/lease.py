"""A Lease of the cluster: of several replicas one at a time holds it.

Asked now and then, without a thread of its own. As in client-go, a Lease has ended when it has not changed for its
duration on the own clock: clocks of other machines are not compared.
"""

from __future__ import annotations

import time
import urllib.parse
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from imagegate.adapters.kubernetes_api.connection import ApiError, Connection, JsonObject
from imagegate.adapters.kubernetes_api.own_account import owner_references

DEADLINE_S = 5.0
_NOT_FOUND, _CONFLICT = 404, 409


class Lease:
    """See the module. Not for several threads.

    Args:
        identity: of this replica; no other may have it.
        duration_s: a replica that has not renewed the Lease for so long has lost it.
    """

    def __init__(
        self,
        connection: Callable[[], Connection],
        namespace: str,
        name: str,
        identity: str,
        *,
        duration_s: float = 15.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        root = f"/apis/coordination.k8s.io/v1/namespaces/{urllib.parse.quote(namespace, safe='')}/leases"
        self._root, self._path = root, f"{root}/{urllib.parse.quote(name, safe='')}"
        self._connection = connection
        self._namespace = namespace
        self._metadata = {"name": name, "namespace": namespace}
        self._identity = identity
        self._duration_s = duration_s
        self._clock = clock
        self._seen: tuple[str, float] = ("", clock())
        """The version that was seen last, and when it was seen first."""
        self._held_until = float("-inf")

    def hold(self) -> bool:
        """Take or renew the Lease if nobody else holds it; True if this replica does now.

        To be called more often than a third of ``duration_s``.

        Raises:
            ApiError: it cannot be read or written. A Lease that was held is held until its duration is over.
        """
        now = self._clock()
        if now < self._held_until - self._duration_s * 2 / 3:
            return True  # renewed not long ago
        try:
            return self._take(now)
        except ApiError as error:
            if error.status == _CONFLICT:  # another replica was quicker
                self._held_until = float("-inf")
                return False
            if now < self._held_until:
                return True
            raise

    def _take(self, now: float) -> bool:
        found = self._found()
        if found is None:
            made = self._lease(None)
            made["metadata"]["ownerReferences"] = owner_references(self._connection(), self._namespace)
            self._connection().post(self._root, made, deadline_s=DEADLINE_S)
        elif self._is_free(found, now):
            self._connection().put(self._path, self._lease(found), deadline_s=DEADLINE_S)
        else:
            self._held_until = float("-inf")
            return False
        self._held_until = now + self._duration_s
        return True

    def _found(self) -> JsonObject | None:
        try:
            return self._connection().get(self._path, deadline_s=DEADLINE_S)
        except ApiError as error:
            if error.status != _NOT_FOUND:
                raise
        return None

    def _is_free(self, found: JsonObject, now: float) -> bool:
        version, holder = _of(found, "metadata", "resourceVersion"), _of(found, "spec", "holderIdentity")
        if version != self._seen[0]:
            self._seen = (version, now)
        return holder in {"", self._identity} or now - self._seen[1] >= self._duration_s

    def _lease(self, found: JsonObject | None) -> JsonObject:
        at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        metadata: JsonObject = dict(self._metadata)
        spec: JsonObject = {"holderIdentity": self._identity, "leaseDurationSeconds": max(1, int(self._duration_s))}
        spec |= {"renewTime": at, "acquireTime": at}
        if found is not None:
            metadata["resourceVersion"] = _of(found, "metadata", "resourceVersion")
            if _of(found, "spec", "holderIdentity") == self._identity:
                spec["acquireTime"] = _of(found, "spec", "acquireTime") or at
        return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}


def _of(found: JsonObject, part: str, name: str) -> str:
    inner: Any = found.get(part)
    value = inner.get(name) if isinstance(inner, dict) else None
    return value if isinstance(value, str) else ""
