"""Reads and writes of single custom resources of the store.

Reads are quorum reads, writes have preconditions. While the API server is away for a moment, a request is sent again
until its time is over. A write whose answer was lost is known again by what it wrote.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from urllib.parse import quote

from imagegate.adapters.kubernetes_api.connection import ApiError, Connection, JsonObject
from imagegate.adapters.kubernetes_api.listing import text_of
from imagegate.adapters.kubernetes_api.store.stored_form import API_VERSION, GROUP, KIND, RESOURCE
from imagegate.ports.image_store import (
    ObjectChanged,
    ObjectExists,
    ObjectMissing,
    ObjectTooLarge,
    StoreError,
    StoreTimeout,
)

WITHIN_S = 10.0
"""Time for one read or write, with everything that is sent again."""
ATTEMPT_S = 5.0
PAUSES_S = (0.05, 0.5)
"""The first pause before a request is sent again, and the longest one; each is twice as long as the one before."""
CLOCK = "clock"
"""Name of the custom resource that is written to learn how far a watch is."""
_CONFLICT, _NOT_FOUND, _TOO_LARGE = 409, 404, 413
_PASSING = frozenset({0, 429, 500, 502, 503, 504})
_TOUCHED = f"{GROUP}/touched"


class _Refused(Exception):
    """The API server's refusal."""

    def __init__(self, error: ApiError, *, is_doubtful: bool) -> None:
        super().__init__(str(error))
        self.error = error
        self.is_doubtful = is_doubtful
        """True if an earlier attempt had no answer, and may be the cause."""


class Requests:
    """Requests for the custom resources of one namespace.

    Every method raises ``StoreError`` if the API server does not do it; ``StoreTimeout`` if trying again may help.
    """

    def __init__(self, connection: Callable[[], Connection], namespace: str) -> None:
        self._connection = connection
        self.namespace = namespace
        self.path = f"/apis/{API_VERSION}/namespaces/{quote(namespace, safe='')}/{RESOURCE}"

    def read(self, name: str) -> JsonObject | None:
        """A custom resource as it is now; None if there is none."""
        try:
            return self._sent(lambda seconds: self._connection().get(self._at(name), deadline_s=seconds), reads=True)
        except _Refused as refused:
            if _is_missing(refused.error, name):
                return None
            raise _failure(refused.error) from refused

    def create(self, document: JsonObject) -> JsonObject:
        """The new custom resource as it is stored.

        Raises:
            ObjectExists: there is one of this name.
        """
        try:
            return self._sent(lambda seconds: self._connection().post(self.path, document, deadline_s=seconds))
        except _Refused as refused:
            if refused.error.status != _CONFLICT:
                raise _failure(refused.error) from refused
            own = self._own(document) if refused.is_doubtful else None
            if own is None:
                raise ObjectExists(_told(document, "exists")) from refused
            return own

    def replace(self, document: JsonObject) -> JsonObject:
        """The custom resource as it is stored, in place of the version that ``document`` names.

        Raises:
            ObjectMissing, ObjectChanged: there is none, or one of another version.
        """
        name: str = document["metadata"]["name"]
        try:
            return self._sent(lambda seconds: self._connection().put(self._at(name), document, deadline_s=seconds))
        except _Refused as refused:
            if _is_missing(refused.error, name):
                raise ObjectMissing(_told(document, "does not exist")) from refused
            if refused.error.status != _CONFLICT:
                raise _failure(refused.error) from refused
            own = self._own(document) if refused.is_doubtful else None
            if own is None:
                raise ObjectChanged(_told(document, "has another version")) from refused
            return own

    def delete(self, found: JsonObject) -> None:
        """Delete a custom resource in this version.

        Raises:
            ObjectMissing, ObjectChanged: there is none, or one of another version.
        """
        metadata = found["metadata"]
        name, conditions = metadata["name"], {each: text_of(metadata, each) for each in ("uid", "resourceVersion")}
        try:
            self._sent(
                lambda seconds: self._connection().delete(self._at(name), deadline_s=seconds, preconditions=conditions)
            )
        except _Refused as refused:
            if _is_missing(refused.error, name):
                if refused.is_doubtful:
                    return
                raise ObjectMissing(_told(found, "does not exist")) from refused
            if refused.error.status == _CONFLICT:
                raise ObjectChanged(_told(found, "has another version")) from refused
            raise _failure(refused.error) from refused

    def newest_version(self) -> int:
        """The API server's version now: no object has a newer one."""
        try:
            page = self._sent(
                lambda seconds: self._connection().get(self.path, deadline_s=seconds, query={"limit": "1"})
            )
        except _Refused as refused:
            raise _failure(refused.error) from refused
        return _version_of(page)

    def touch_clock(self) -> int:
        """Write to the clock; returns the version of this write, which every watch will show."""
        change: JsonObject = {"metadata": {"annotations": {_TOUCHED: str(time.time_ns())}}}
        try:
            found = self._sent(lambda seconds: self._connection().patch(self._at(CLOCK), change, deadline_s=seconds))
        except _Refused as refused:
            if not _is_missing(refused.error, CLOCK):
                raise _failure(refused.error) from refused
            found = self._make_clock()
        return _version_of(found)

    def _make_clock(self) -> JsonObject:
        spec = {"group": GROUP, "resource": "clocks", "namespace": "", "name": CLOCK, "encoding": "json", "body": "{}"}
        metadata = {"name": CLOCK, "namespace": self.namespace}
        try:
            return self.create({"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": spec})
        except ObjectExists:  # another process was quicker
            found = self.read(CLOCK)
            if found is None:
                raise StoreTimeout(f"{RESOURCE}.{GROUP} {CLOCK} comes and goes") from None
            return found

    def _own(self, document: JsonObject) -> JsonObject | None:
        """The stored custom resource, if it is what ``document`` was to make of it."""
        found = self.read(document["metadata"]["name"])
        return found if found is not None and found.get("spec") == document["spec"] else None

    def _at(self, name: str) -> str:
        return f"{self.path}/{name}"

    def _sent(self, send: Callable[[float], JsonObject], *, reads: bool = False) -> JsonObject:
        """The answer to a request, sent again after failures that pass.

        Raises:
            _Refused: the API server refuses it.
            StoreTimeout: there was no answer in time.
        """
        until, pause, attempts = time.monotonic() + WITHIN_S, PAUSES_S[0], 0
        while True:
            attempts += 1
            try:
                return send(min(ATTEMPT_S, max(until - time.monotonic(), 0.1)))
            except ApiError as error:
                if error.status not in _PASSING or _is_too_large(error):
                    raise _Refused(error, is_doubtful=attempts > 1) from error
                if time.monotonic() + pause >= until:
                    doubt = "" if reads else "; the write may have been made or not"
                    raise StoreTimeout(f"the store in the Kubernetes API does not answer{doubt}: {error}") from error
            time.sleep(pause)
            pause = min(2 * pause, PAUSES_S[1])


def _version_of(found: JsonObject) -> int:
    version = text_of(found.get("metadata"), "resourceVersion")
    if not version.isdecimal():
        raise StoreError(f"an answer about {RESOURCE}.{GROUP} has no resourceVersion that is a number")
    return int(version)


def _is_missing(error: ApiError, name: str) -> bool:
    """True if the API server knows the kind and has no such object: another 404 is no proof of that."""
    return error.status == _NOT_FOUND and str(error) == f'{RESOURCE}.{GROUP} "{name}" not found'


def _is_too_large(error: ApiError) -> bool:
    return error.status == _TOO_LARGE or "too large" in str(error)


def _failure(error: ApiError) -> StoreError:
    if _is_too_large(error):
        return ObjectTooLarge(f"the API server does not take an object of this size: {error}")
    hint = "; is its CustomResourceDefinition installed?" if error.status == _NOT_FOUND else ""
    return StoreError(f"{RESOURCE}.{GROUP}: {error}{hint}")


def _told(document: JsonObject, what: str) -> str:
    spec = document["spec"]
    kind = f"{spec['resource']}.{spec['group']}" if spec["group"] else spec["resource"]
    return f"{kind} {spec['name']} {what}"
