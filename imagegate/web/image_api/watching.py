"""Watches: one line of JSON for every change, until the time is over, the client has left or the service ends."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, NamedTuple

import orjson
from flask import Response

from imagegate.core.kube.status import Status, StatusError, too_large_version
from imagegate.ports.image_store import Change, ChangesExpired, ChangeType, ImageStore, StoreError
from imagegate.service.image_api.request import JsonObject
from imagegate.service.image_api.watched import WatchedObjects, bookmark_object
from imagegate.web.feed import Feed, Item
from imagegate.web.image_api import protobuf
from imagegate.web.image_api.accepting import Form
from imagegate.web.image_api.answers import shaped
from imagegate.web.image_api.messages import message_of
from imagegate.web.image_api.watch_options import WatchOptions
from imagegate.web.streams import Places, TooManyStreams, stream_response

PIECE_BYTES = 64 * 1024
"""About as much is sent at once: more would only wait in memory for a client that reads slowly."""
READ_AT_ONCE = 200
END_OF_LIST = "k8s.io/initial-events-end"
SHORT_S = 5.0
"""A watch of this length gets no bookmark at its end, as in the original: nobody continues it."""
_RANDOM = random.Random()  # noqa: S311 - spreads bookmarks over time, hides nothing


class StoreChanges:
    """The changes of a store as the source of a feed; their numbers are versions."""

    def __init__(self, store: ImageStore) -> None:
        self._store = store

    def position(self) -> int:
        """See ``Source``."""
        return int(self._store.version())

    def news(self) -> AbstractContextManager[Callable[[], object]]:
        """See ``Source``."""
        return self._store.commits()

    def read(self, after: int) -> tuple[Sequence[Item[Change]], int]:
        """See ``Source``."""
        found = self._store.changes(str(after), limit=READ_AT_ONCE)
        return [Item(change.version, change.size, change) for change in found.changes], found.version


class View(NamedTuple):
    """The form in which a watch shows its objects."""

    kind: str
    api_version: str
    form: Form
    include: str
    """``includeObject`` of a table."""


class Watch:
    """One watch, as a ``web.streams.Stream``.

    Args:
        objects: what is watched.
        feed: the changes of their store.
        view: how objects are shown.
        options: how the watch begins and ends.
        now: what ages are counted from.
        is_ending: True once the service ends.
        quiet_s: how long nothing may be sent.
    """

    def __init__(
        self,
        objects: WatchedObjects,
        feed: Feed[Change],
        view: View,
        options: WatchOptions,
        *,
        now: Callable[[], datetime],
        is_ending: Callable[[], bool],
        quiet_s: float,
    ) -> None:
        self.feed = feed
        self.position = 0
        self.is_ending = is_ending
        self._objects = objects
        self._view = view
        self._in_protobuf = view.form.is_protobuf and message_of(view.api_version, view.kind) is not None
        self._options = options
        self._now = now
        self._quiet_s = quiet_s
        self._ends_at = time.monotonic() + options.timeout_s
        self._quiet_until = 0.0
        self._ready: list[bytes] = []
        """Lines that were read from the store and not sent yet."""
        self._has_header = False
        self._has_ended = False
        self._list: _InitialList | None = None

    @property
    def media_type(self) -> str:
        """Of all that is sent."""
        return f"{protobuf.MEDIA_TYPE};stream=watch" if self._in_protobuf else "application/json"

    def begin(self) -> None:
        """Read the beginning.

        Raises:
            StatusError: 410, the changes since that version are no longer stored; 504, there is no such version yet.
            StoreError: the store cannot be read.
        """
        options = self._options
        if options.lists_first:
            if options.since:
                self._check_not_older(options.since)
            self._list = _InitialList()
            self._read_list()
        elif options.since:
            try:
                self._read_changes(options.since)
            except ChangesExpired as error:
                raise StatusError(_expired(error)) from error
        else:
            self.position = int(self._objects.store.version())

    def _check_not_older(self, version: str) -> None:
        """Check that the store is not older than a version that a client has seen.

        Raises:
            StatusError: 504, as of an API server whose cache has not caught up.
        """
        store = self._objects.store
        if not store.knows(version):
            raise StatusError(too_large_version(version, store.version()))

    def is_behind(self) -> bool:
        """See ``Stream``."""
        if self._ready or self._has_ended:
            return False
        listing = self._list is not None and not self._list.is_read
        return listing or self.position < self.feed.first

    def fill(self) -> None:
        """See ``Stream``."""
        try:
            if self._list is not None and not self._list.is_read:
                self._read_list()
            else:
                self._read_changes(str(self.position))
        except ChangesExpired as error:
            self._fail(_expired(error))
        except StoreError as error:
            self._fail(Status(code=500, reason="InternalError", message=str(error)))

    def _read_list(self) -> None:
        """Read some of the objects as they are now."""
        assert self._list is not None  # noqa: S101 - the caller looked
        page = self._objects.listed(self._list.after)
        if self._list.after is None:
            self.position = int(page.version)
        self._list.note(page.after, int(page.version))
        self._ready += [self._line("ADDED", self._objects.shown(item)) for item in page.items]

    def _read_changes(self, since: str) -> None:
        """Read some changes that are no longer in the feed's memory."""
        found = self._objects.changes(since)
        for change in found.changes:
            type_ = self._seen_as(change)
            if type_ is not None:
                self._ready.append(self._line(type_, self._objects.seen_object(change, type_)))
        self.position = found.version

    def read(self) -> bytes | None:
        """See ``Stream``."""
        if self._has_ended:
            return b"".join(self._taken()) or None
        if self.is_ending():
            return None
        if self.feed.problem:
            self._fail(Status(code=500, reason="InternalError", message=self.feed.problem))
            return b"".join(self._taken())
        lines = self._taken() or self._new_lines()
        time_now = time.monotonic()
        if not lines and time_now >= self.due():
            lines = [self._sign_of_life()]
            self._has_ended = time_now >= self._ends_at
        if lines:
            self._quiet_until = time_now + self._quiet_s * _RANDOM.uniform(0.75, 1.25)
        return b"".join(lines)

    def due(self) -> float:
        """See ``Stream``."""
        return min(self._ends_at, self._quiet_until)

    def _sign_of_life(self) -> bytes:
        """A bookmark; a blank between JSON values at the very beginning, and if there must be no bookmark."""
        if self._options.bookmarks and self._quiet_until and self._list is None and self._options.timeout_s > SHORT_S:
            return self._bookmark()
        return b"" if self._in_protobuf else b"\n"

    def _taken(self) -> list[bytes]:
        """Some of the lines that are ready."""
        size = count = 0
        for line in self._ready:
            size, count = size + len(line), count + 1
            if size >= PIECE_BYTES:
                break
        taken, self._ready = self._ready[:count], self._ready[count:]
        return taken

    def _new_lines(self) -> list[bytes]:
        """Lines of changes in the feed's memory, and the bookmark after the objects that came first."""
        if self.is_behind():
            return []
        lines: list[bytes] = []
        size = 0
        entries, last = self.feed.after(self.position)
        for entry in entries:
            change = entry.item.value
            type_ = self._seen_as(change)
            if type_ is not None:
                form = (type_, self._view, self._has_header)
                line = entry.encoded.get(form)
                if line is None:
                    line = entry.encoded[form] = self._line(type_, self._objects.seen_object(change, type_))
                self._has_header = True
                lines.append(line)
                size += len(line)
            self.position = change.version
            if size >= PIECE_BYTES:
                return lines
        self.position = max(self.position, last)
        if self._list is not None and self.position >= self._list.version:
            self._list = None
            if self._options.marks_end_of_list:
                lines.append(self._bookmark({"annotations": {END_OF_LIST: "true"}}))
        return lines

    def _seen_as(self, change: Change) -> ChangeType | None:
        if self._list is not None and self._list.has(change):
            return None
        return self._objects.seen_as(change)

    def _line(self, type_: str, found: JsonObject) -> bytes:
        made = shaped(found, self._view.form, self._now(), include=self._view.include)
        if self._view.form.name == "Table" and self._has_header:
            made["columnDefinitions"] = None
        self._has_header = True
        return self._event(type_, made)

    def _event(self, type_: str, found: JsonObject) -> bytes:
        """One event as it is sent."""
        if self._in_protobuf:
            return protobuf.watch_event(type_, found)
        return orjson.dumps({"type": type_, "object": found}, option=orjson.OPT_APPEND_NEWLINE)

    def _bookmark(self, more: JsonObject | None = None) -> bytes:
        metadata = {"resourceVersion": str(self.position), **(more or {})}
        return self._line("BOOKMARK", bookmark_object(self._view.kind, self._view.api_version, metadata))

    def _fail(self, status: Status) -> None:
        self._has_ended = True
        self._ready.append(self._event("ERROR", status.to_json()))


class _InitialList:
    """The objects that come first, read in parts while others change them.

    Changes after the first part are sent once all parts are. One that a part already shows is left out: an object must
    not go back to an older version.
    """

    def __init__(self) -> None:
        self.after: tuple[str, str] | None = None
        self.is_read = False
        self.version = 0
        """Of the last part."""
        self._parts: list[tuple[tuple[str, str] | None, int]] = []
        """For each part, its last namespace and name, and its version; None: it reaches to the end."""

    def note(self, after: tuple[str, str] | None, version: int) -> None:
        """Note that a part was read."""
        if not self._parts or self._parts[-1][1] != version:
            self._parts.append((after, version))
        else:
            self._parts[-1] = (after, version)
        self.after, self.version, self.is_read = after, version, after is None

    def has(self, change: Change) -> bool:
        """True if a part shows the object as it was after the change, or later."""
        if change.version > self.version:
            return False
        key = (change.key.namespace, change.key.name)
        shown = next((version for last, version in self._parts if last is None or key <= last), 0)
        return change.version <= shown


def watch_response(watch: Watch, places: Places, environ: Mapping[str, Any]) -> Response:
    """Begin a watch.

    Raises:
        StatusError: 429, there are too many; as for ``Watch.begin``.
        StoreError: the store cannot be read.
    """
    try:
        places.take(environ)
    except TooManyStreams as error:
        status = Status(code=429, reason="TooManyRequests", message=str(error), retry_after_s=5)
        raise StatusError(status) from error
    with contextlib.ExitStack() as begun:
        begun.callback(places.free)
        watch.feed.open()
        begun.callback(watch.feed.close)
        watch.begin()
        return stream_response(watch, environ, watch.media_type, end=begun.pop_all().close)


def _expired(error: ChangesExpired) -> Status:
    return Status(code=410, reason="Expired", message=str(error))
