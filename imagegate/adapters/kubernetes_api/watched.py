"""All objects of one kind, kept up to date by a list and a watch of the API server.

Why not ``kubernetes.informer``: it asks a server that is down again without a pause, keeps whole objects, waits for a
silent server for ever, and finds its place in the stream only with generated models.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import orjson

from imagegate.adapters.kubernetes_api.connection import AnswerTooLarge, ApiError, Connection, JsonObject
from imagegate.adapters.kubernetes_api.listing import Key, key_of, list_all, resource_is_absent, text_of

WATCH_S = 300
"""The API server ends a watch after so many seconds; the next one begins where it ended."""
SILENT_S = 90.0
"""A watch is broken after so many seconds without a line: with bookmarks, the API server sends one a minute."""
RELIST_S = 600.0
"""Everything is listed again after so many seconds: a watch may be open and show nothing, for example after etcd was
restored from a backup."""
ABSENT_S = 2.0
"""Time between two questions whether a kind that is not installed has been installed."""
LOG_S = 60.0
"""Failures of one watch are logged once in so many seconds."""
SHORT_S = 1.0
"""A watch that ends sooner is followed by a pause."""
FAILURES_MAX = 5
"""After so many failures of the watch in a row everything is listed again."""
PAUSES_S = (0.25, 5.0)
"""The first pause after a failure and the longest one; each is twice as long as the one before, give or take."""
NOT_ASKED = "not asked yet"
_GONE = 410
_NOT_FOUND = 404

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class State:
    """How current the objects are."""

    synced: bool
    """False until all objects were listed for the first time."""
    silent_s: float
    """Seconds since the API server was last heard from."""
    failure: str
    """Why the last attempt failed; empty while the watch is open."""


class Listener(Protocol[T_contra]):
    """Follows every change by itself, in the thread of the watch."""

    def listed(self, objects: Mapping[Key, T_contra], version: str) -> None:
        """These are all objects, as of this version."""

    def changed(self, before: T_contra | None, after: T_contra | None, version: str) -> None:
        """One object was created (no ``before``), changed, or deleted (no ``after``)."""

    def reached(self, version: str) -> None:
        """Every change up to this version has been told."""


class Watched(Generic[T]):
    """The objects of one resource. ``get`` takes no lock; a thread of its own follows the changes.

    While the API server cannot be reached the last state stays. After 410 Gone everything is listed again.

    Args:
        path: of the resource: ``/api/v1/namespaces``.
        slimmed: the part of an object that is kept. Called with objects that have a name.
        changed: called after the objects have changed, in the thread of the watch.
        optional: the kind may not be installed: then there are no objects, until it is.
        field_selector: restricts the objects, as in the API.
        relist_s: everything is listed again after so many seconds; by default ``RELIST_S``.
        listener: told of every change, before readers know that there is one.
    """

    def __init__(
        self,
        connection: Callable[[], Connection],
        path: str,
        slimmed: Callable[[JsonObject], T],
        *,
        changed: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
        optional: bool = False,
        field_selector: str = "",
        relist_s: float | None = None,
        listener: Listener[T] | None = None,
    ) -> None:
        self._connection = connection
        self.path = path
        self._slimmed = slimmed
        self._changed = changed
        self._clock = clock
        self._optional = optional
        self._listener = listener
        self.follows = False
        """True once a thread of this process follows the changes."""
        self._relist_s = RELIST_S if relist_s is None else relist_s
        self._selection = {"fieldSelector": field_selector} if field_selector else {}
        self._objects: dict[Key, T] = {}
        self._version = ""
        """Where the next watch begins; empty: list first."""
        self._list_again_at = 0.0
        self._paged = True
        self._log_again_at = 0.0
        self._doubtful = False
        """True after a failure: the next watch may reach another API server, or another state."""
        self._opened = False
        """True if the last attempt came as far as a watch."""
        self._synced = threading.Event()
        self._heard_at = clock()
        self._failure = NOT_ASKED
        self._ends = threading.Event()
        self.snapshot: object = object()
        """Another object after every change."""

    def start(self) -> None:
        """Follow the changes in a thread of this process.

        What was listed in a parent process does not count: it may be hours old.
        """
        self.follows = True
        self._version = ""
        self._synced.clear()
        self._start_thread()

    def _start_thread(self) -> None:
        threading.Thread(target=self._run, name=f"watch {self.path}", daemon=True).start()

    def stop(self) -> None:
        """End the thread with the next line or failure."""
        self._ends.set()

    def wait(self, timeout_s: float) -> bool:
        """Wait until all objects were listed; False if that takes longer."""
        return self._synced.wait(timeout_s)

    def list_once(self) -> None:
        """List the objects in this thread, without following them; ``state`` says whether that failed."""
        try:
            self._list()
        except ApiError as error:
            self._failure = str(error)

    def get(self, namespace: str, name: str) -> T | None:
        """One object as it is kept; None if there is none."""
        return self._objects.get((namespace, name))

    def all(self) -> list[T]:
        """Every object as it is kept."""
        return list(self._objects.values())

    def items(self) -> list[tuple[Key, T]]:
        """Namespace and name, and the object as it is kept."""
        return list(self._objects.items())

    def __len__(self) -> int:
        return len(self._objects)

    @property
    def state(self) -> State:
        """How current the objects are now."""
        return State(self._synced.is_set(), self._clock() - self._heard_at, self._failure)

    def _run(self) -> None:
        try:
            self._follow()
        finally:
            if not self._ends.is_set():  # a bug: its traceback goes to the log, and the watch goes on
                self._failed("internal error; see the log")
                self._version = ""
                self._ends.wait(PAUSES_S[1])
                self._start_thread()

    def _follow(self) -> None:
        failures = 0
        while not self._ends.is_set():
            began = self._clock()
            try:
                self._once()
                failures = 0 if self._clock() - began >= SHORT_S else failures + 1
                if failures:  # a watch that ends at once must not be asked for in a circle
                    self._ends.wait(_pause_s(failures))
            except ApiError as error:
                failures = 0 if self._opened else failures + 1
                if error.status in (_GONE, _NOT_FOUND) or failures >= FAILURES_MAX:
                    self._version = ""
                self._failed(str(error))
                self._ends.wait(_pause_s(failures))

    def _once(self) -> None:
        """List if need be, then watch until the API server ends the watch."""
        self._opened = False
        if not self._version or self._clock() >= self._list_again_at or self._went_back():
            self._list()
            if not self._version:  # not installed
                self._ends.wait(ABSENT_S * random.uniform(0.75, 1.0))  # noqa: S311 - no secret
                return
        query = {
            **self._selection,
            "watch": "true",
            "resourceVersion": self._version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(WATCH_S),
        }
        with self._connection().stream(self.path, query, silent_s=SILENT_S) as lines:
            self._opened = True
            self._heard()
            for line in lines:
                if self._ends.is_set():
                    return
                self._take(line)
                self._heard()

    def _went_back(self) -> bool:
        """True if the API server's state is older than what it showed before it failed.

        After a restore of etcd a watch from a newer version stays open and shows nothing until that version is reached.
        """
        if not self._doubtful:
            return False
        page = self._connection().get(self.path, deadline_s=SILENT_S, query={**self._selection, "limit": "1"})
        version = text_of(page.get("metadata"), "resourceVersion")
        if not version:
            raise ApiError(f"the list of {self.path} has no resourceVersion")
        self._doubtful = False
        return _is_older(version, self._version)

    def _list(self) -> None:
        """Put a list of all objects in place of those that are known."""
        connection = self._connection()
        try:
            listed = list_all(connection, self.path, self._kept, self._selection, self._heard, paged=self._paged)
            objects, version = listed.objects, listed.version
        except ApiError as error:
            # If pages take longer than the API server keeps a list, ask for one page; if that is too large, for pages.
            self._paged = not self._paged if error.status == _GONE else self._paged or isinstance(error, AnswerTooLarge)
            if not (self._optional and error.status == _NOT_FOUND and resource_is_absent(connection, self.path)):
                raise
            if self._objects:
                _log.warning("%s is no longer installed: its %d objects are gone", self.path, len(self._objects))
            objects, version = {}, ""
            self._heard()
        changed = objects != self._objects or not self._synced.is_set()
        self._objects = objects
        self._version = version
        self._doubtful = False
        self._list_again_at = self._clock() + self._relist_s * random.uniform(0.75, 1.0)  # noqa: S311 - no secret
        if self._listener is not None and version:
            self._listener.listed(objects, version)
        self._synced.set()
        if changed:
            self._note_change()

    def _take(self, line: bytes) -> None:
        """Apply one event of the watch."""
        try:
            event = orjson.loads(line)
            kind, found = event["type"], event["object"]
            metadata = found.get("metadata")
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
            raise ApiError(f"an event of the watch of {self.path} cannot be read") from error
        if kind == "ERROR":
            code = found.get("code")
            raise ApiError(text_of(found, "message") or "the watch failed", status=code if isinstance(code, int) else 0)
        version = text_of(metadata, "resourceVersion")
        if not version:
            raise ApiError(f"an event of the watch of {self.path} has no resourceVersion")
        if _is_older(version, self._version):
            raise ApiError(
                f"the API server went back from version {self._version} to {version}, as after a restore of etcd",
                status=_GONE,
            )
        before = after = None
        if kind in {"ADDED", "MODIFIED"}:
            key = key_of(found)
            before, after = self._objects.get(key), self._slimmed(found)
            if before != after:
                self._objects[key] = after
        elif kind == "DELETED":
            before = self._objects.pop(key_of(found), None)
        self._version = version
        if self._listener is not None:
            if before != after:
                self._listener.changed(before, after, version)
            self._listener.reached(version)
        if before != after:
            self._note_change()

    def _kept(self, found: JsonObject) -> T:
        """The object that is known already, if it is the same: what was made of it can be used on.

        One by one: a second copy of all objects would never leave the memory of the process.
        """
        before, fresh = self._objects.get(key_of(found)), self._slimmed(found)
        return before if before is not None and before == fresh else fresh

    def _note_change(self) -> None:
        self.snapshot = object()
        self._changed()

    def _heard(self) -> None:
        self._heard_at = self._clock()
        if self._failure:
            self._failure = ""

    def _failed(self, why: str) -> None:
        self._failure = why
        self._doubtful = True
        if self._clock() >= self._log_again_at:  # an API server that is down must not fill the log
            self._log_again_at = self._clock() + LOG_S
            _log.warning("the watch of %s failed, the last state stays in force: %s", self.path, why)


def _pause_s(failures: int) -> float:
    """Seconds to wait after a number of failures in a row; spread, so that replicas do not ask all at once."""
    first_s, longest_s = PAUSES_S
    return min(first_s * 2.0 ** min(failures, 16), longest_s) * random.uniform(0.5, 1.0)  # noqa: S311 - no secret


def _is_older(version: str, known: str) -> bool:
    """True if a version is surely older: both are numbers, as those of etcd are."""
    return version.isdecimal() and known.isdecimal() and int(version) < int(known)
