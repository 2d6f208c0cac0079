"""All objects of one kind, kept up to date by a list and a watch of the API server.

Why not ``kubernetes.informer``: it asks a server that is down again without a pause, keeps whole objects, waits for a
silent server for ever, and finds its place in the stream only with generated models.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from imagegate.adapters.kubernetes_api.connection import ApiError, Connection, JsonObject

PAGE = 500
LIST_S = 60.0
WATCH_S = 300
"""The API server ends a watch after so many seconds; the next one begins where it ended."""
SILENT_S = 90.0
"""A watch is broken after so many seconds without a line: with bookmarks, the API server sends one a minute."""
PAUSES_S = (0.25, 30.0)
"""The first pause after a failure and the longest one; each is twice as long as the one before, give or take."""
_GONE = 410

_log = logging.getLogger(__name__)

Key = tuple[str, str]
"""Namespace and name."""


@dataclass(frozen=True, slots=True)
class State:
    """How current the objects are."""

    synced: bool
    """False until all objects were listed for the first time."""
    silent_s: float
    """Seconds since the API server was last heard from."""
    failure: str
    """Why the last attempt failed; empty while the watch is open."""


class Watched:
    """The objects of one resource. ``get`` takes no lock; a thread of its own follows the changes.

    While the API server cannot be reached the last state stays. After 410 Gone everything is listed again.

    Args:
        path: of the resource: ``/api/v1/namespaces``.
        slimmed: the part of an object that is kept.
        changed: called after the objects have changed, in the thread of the watch.
    """

    def __init__(
        self,
        connection: Callable[[], Connection],
        path: str,
        slimmed: Callable[[JsonObject], JsonObject],
        *,
        changed: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connection = connection
        self._path = path
        self._slimmed = slimmed
        self._changed = changed
        self._clock = clock
        self._objects: dict[Key, JsonObject] = {}
        self._version = ""
        """Where the next watch begins; empty: list first."""
        self._synced = threading.Event()
        self._heard_at = clock()
        self._failure = "not asked yet"
        self._ends = threading.Event()
        self.snapshot: object = object()
        """Another object after every change."""

    def start(self) -> None:
        """Follow the changes in a thread of this process."""
        threading.Thread(target=self._follow, name=f"watch {self._path}", daemon=True).start()

    def stop(self) -> None:
        """End the thread with the next line or failure."""
        self._ends.set()

    def wait(self, timeout_s: float) -> bool:
        """Wait until all objects were listed; False if that takes longer."""
        return self._synced.wait(timeout_s)

    def get(self, namespace: str, name: str) -> JsonObject | None:
        """One object as it is kept; None if there is none."""
        return self._objects.get((namespace, name))

    def all(self) -> list[JsonObject]:
        """Every object as it is kept."""
        return list(self._objects.values())

    @property
    def state(self) -> State:
        """How current the objects are now."""
        return State(self._synced.is_set(), self._clock() - self._heard_at, self._failure)

    def _follow(self) -> None:
        failures = 0
        while not self._ends.is_set():
            try:
                self._once()
                failures = 0
            except ApiError as error:
                if error.status == _GONE:
                    self._version = ""
                failures = 0 if self._failure == "" else failures + 1
                self._failed(str(error), first=failures <= 1)
                self._ends.wait(_pause_s(failures))

    def _once(self) -> None:
        """List if need be, then watch until the API server ends the watch."""
        connection = self._connection()
        if not self._version:
            objects, version = self._list(connection)
            self._objects = objects
            self._version = version
            self._note_change()
            self._synced.set()
        query = {
            "watch": "true",
            "resourceVersion": self._version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(WATCH_S),
        }
        with connection.stream(self._path, query, silent_s=SILENT_S) as lines:
            self._heard()
            for line in lines:
                if self._ends.is_set():
                    return
                self._take(line)
                self._heard()

    def _list(self, connection: Connection) -> tuple[dict[Key, JsonObject], str]:
        """All objects, page by page, and the version that they are of."""
        objects: dict[Key, JsonObject] = {}
        more = ""
        while True:
            query = {"limit": str(PAGE), **({"continue": more} if more else {})}
            page = connection.get(self._path, deadline_s=LIST_S, query=query)
            objects.update((_key(each), self._slimmed(each)) for each in _items(page))
            metadata = page.get("metadata")
            version, more = (_text(metadata, name) for name in ("resourceVersion", "continue"))
            self._heard()
            if not more:
                if not version:
                    raise ApiError(f"the list of {self._path} has no resourceVersion")
                return objects, version

    def _take(self, line: bytes) -> None:
        """Apply one event of the watch."""
        try:
            event = orjson.loads(line)
            kind, found = event["type"], event["object"]
            metadata = found.get("metadata")
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
            raise ApiError(f"an event of the watch of {self._path} cannot be read") from error
        if kind == "ERROR":
            code = found.get("code")
            raise ApiError(_text(found, "message") or "the watch failed", status=code if isinstance(code, int) else 0)
        version = _text(metadata, "resourceVersion")
        if not version:
            raise ApiError(f"an event of the watch of {self._path} has no resourceVersion")
        if kind in {"ADDED", "MODIFIED"}:
            self._objects[_key(found)] = self._slimmed(found)
        elif kind == "DELETED":
            self._objects.pop(_key(found), None)
        self._version = version
        if kind != "BOOKMARK":
            self._note_change()

    def _note_change(self) -> None:
        self.snapshot = object()
        self._changed()

    def _heard(self) -> None:
        self._heard_at = self._clock()
        if self._failure:
            self._failure = ""

    def _failed(self, why: str, *, first: bool) -> None:
        self._failure = why
        if first:  # of a series: an API server that is down must not fill the log
            _log.warning("the watch of %s failed, the last state stays in force: %s", self._path, why)


def _pause_s(failures: int) -> float:
    """Seconds to wait after a number of failures in a row; spread, so that replicas do not ask all at once."""
    first_s, longest_s = PAUSES_S
    return min(first_s * 2.0 ** min(failures, 16), longest_s) * random.uniform(0.5, 1.0)  # noqa: S311 - no secret


def _items(page: JsonObject) -> Iterable[JsonObject]:
    items = page.get("items")
    if not isinstance(items, list):
        raise ApiError("a list has no items")
    return _objects(items)


def _objects(items: list[Any]) -> Iterator[JsonObject]:
    for item in items:
        if not isinstance(item, dict):
            raise ApiError("an item of a list is not an object")
        yield item


def _key(found: JsonObject) -> Key:
    metadata = found.get("metadata")
    return _text(metadata, "namespace"), _text(metadata, "name")


def _text(parent: object, name: str) -> str:
    value = parent.get(name) if isinstance(parent, dict) else None
    return value if isinstance(value, str) else ""
