"""Events of ``events.k8s.io/v1``: one object for each thing that is told, with a count (``series``).

Its name follows from what it tells, so that all processes and replicas count in the same object. As of any Event,
the API server forgets it after an hour without a repetition (``--event-ttl``).
"""

from __future__ import annotations

import hashlib
import re
import socket
import time
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

from imagegate.adapters.kubernetes_api.connection import ApiError, Connection, JsonObject
from imagegate.errors import ConfigError
from imagegate.ports.events import Event, Events, ObjectReference, Occurrences, Writing

CONTROLLER = "imagegate.dev/admission"
ACTION = "Deny"
COUNT_MAX = 2**31 - 1
"""``series.count`` is an int32."""
ATTEMPTS = 4
"""Other replicas count in the same object."""
_INSTANCE_MAX = 128
_DIGITS = 16
_NAME_MAX = 253 - _DIGITS - 1
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?")
_NOT_FOUND, _CONFLICT = 404, 409
_NOT_NOW = frozenset({0, 401, 408, 429})


class ClusterEvents:
    """``ports.events.Events``."""

    def __init__(self, connection: Callable[[], Connection]) -> None:
        self._connection = connection
        self._instance = f"imagegate-{socket.gethostname()}"[:_INSTANCE_MAX]

    def tell(self, event: Event, occurrences: Occurrences, *, again: bool, deadline_s: float) -> tuple[Writing, str]:
        """See ``ports.events.Events``."""
        try:
            self._tell(event, occurrences, again=again, until=time.monotonic() + deadline_s)
        except ApiError as error:
            not_now = error.status in _NOT_NOW or error.status >= 500
            return Writing.UNANSWERED if not_now else Writing.REFUSED, str(error)
        except ConfigError as error:  # the token of the service account cannot be read
            return Writing.UNANSWERED, str(error)
        return Writing.WRITTEN, ""

    def _tell(self, event: Event, occurrences: Occurrences, *, again: bool, until: float) -> None:
        connection = self._connection()
        root = f"/apis/events.k8s.io/v1/namespaces/{quote(event.regarding.namespace, safe='')}/events"
        name = _name(event)
        for _ in range(ATTEMPTS):
            try:
                if again:
                    self._count(connection, f"{root}/{name}", event, occurrences, until)
                else:
                    body = self._document(event, name, occurrences)
                    connection.post(root, body, deadline_s=until - time.monotonic())
                return
            except ApiError as error:
                if error.status == _CONFLICT:  # made by another process, or counted by it meanwhile
                    again = True
                elif error.status == _NOT_FOUND and again:  # forgotten
                    again = False
                else:
                    raise
        raise ApiError("other replicas write the same Event all the time", status=_CONFLICT)

    def _count(self, connection: Connection, path: str, event: Event, occurrences: Occurrences, until: float) -> None:
        found = connection.get(path, deadline_s=until - time.monotonic())
        regarding, metadata = found.get("regarding"), found.get("metadata")
        version = metadata.get("resourceVersion") if isinstance(metadata, dict) else None
        is_same = isinstance(regarding, dict) and regarding.get("uid") == event.regarding.uid
        if found.get("reportingController") != CONTROLLER or not is_same or not isinstance(version, str):
            raise ApiError("the Event of this name is not imagegate's", status=400)
        count = min(_told(found) + occurrences.count, COUNT_MAX)
        series = {"count": max(count, 2), "lastObservedTime": _time(occurrences.last)}
        change: JsonObject = {"metadata": {"resourceVersion": version}, "series": series}
        connection.patch(path, change, deadline_s=until - time.monotonic())

    def _document(self, event: Event, name: str, occurrences: Occurrences) -> JsonObject:
        regarding = event.regarding
        document: JsonObject = {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {
                "name": name,
                "namespace": regarding.namespace,
                "annotations": dict(event.annotations),
            },
            "eventTime": _time(occurrences.first),
            "reportingController": CONTROLLER,
            "reportingInstance": self._instance,
            "action": ACTION,
            "reason": event.reason,
            "type": "Warning",
            "note": event.note,
            "regarding": _reference(regarding),
        }
        if event.related is not None:
            document["related"] = _reference(event.related)
        if occurrences.count > 1:
            document["series"] = {
                "count": min(occurrences.count, COUNT_MAX),
                "lastObservedTime": _time(occurrences.last),
            }
        return document


def _name(event: Event) -> str:
    """``NAME.HASH``, as client-go names Events; an object whose name is none for an Event gets the hash alone."""
    digest = hashlib.sha256(f"{event.regarding.uid}\0{event.key}".encode("utf-8", "replace")).hexdigest()[:_DIGITS]
    name = event.regarding.name
    return f"{name}.{digest}" if len(name) <= _NAME_MAX and _NAME.fullmatch(name) else f"imagegate.{digest}"


def _told(found: JsonObject) -> int:
    """Occurrences that an Event tells of: one without a series."""
    series = found.get("series")
    count = series.get("count") if isinstance(series, dict) else 1
    return count if isinstance(count, int) and 0 < count <= COUNT_MAX else 1


def _time(at: datetime) -> str:
    """A ``MicroTime``."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _reference(found: ObjectReference) -> dict[str, str]:
    return {
        "apiVersion": found.api_version,
        "kind": found.kind,
        "namespace": found.namespace,
        "name": found.name,
        "uid": found.uid,
    }


if TYPE_CHECKING:  # mypy checks each adapter against its port
    _: type[Events] = ClusterEvents
