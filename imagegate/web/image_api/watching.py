"""Watches: one JSON object a line for every change, until the time is over or the client has gone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime

import orjson
from flask import Response

from imagegate.core.api_status import StatusError
from imagegate.core.decision import Status
from imagegate.ports.image_store import StoreError
from imagegate.service.image_api.call import JsonObject
from imagegate.web.image_api.answers import Form, shaped

DEFAULT_S = 1800.0
LONGEST_S = 3600.0
KEEP_ALIVE_S = 10.0
WATCHES_MAX = 6
"""Of one process: a watch keeps a thread, and admission needs threads too."""

Events = Iterator[tuple[str, JsonObject] | None]

_TOO_MANY = Status(
    code=429,
    reason="TooManyRequests",
    message=f"this server has {WATCHES_MAX} watches already, please try again later",
    retry_after_s=5,
)


class Watches:
    """Answers watches, a bounded number at a time."""

    def __init__(
        self,
        now: Callable[[], datetime],
        *,
        stopping: Callable[[], bool] = lambda: False,
        watches_max: int = WATCHES_MAX,
    ) -> None:
        self._now = now
        self._stopping = stopping
        self._free = threading.BoundedSemaphore(watches_max)

    def answer(self, events: Events, form: Form, *, bookmarks: str = "") -> Response:
        """Stream ``events``.

        Args:
            events: pairs of type and object, None now and then.
            form: in which form objects are wanted.
            bookmarks: kind and API version (``KIND APIVERSION``) for a bookmark at the end; empty: none.

        Raises:
            StatusError: 429, there are too many watches; what the first look into ``events`` raises.
        """
        if not self._free.acquire(blocking=False):
            raise StatusError(_TOO_MANY)
        try:
            first = next(events, None)
        except BaseException:
            self._free.release()
            raise
        lines = _Lines(self._lines(first, events, form, bookmarks), self._free.release)
        return Response(lines, content_type="application/json")

    def _lines(
        self, first: tuple[str, JsonObject] | None, events: Events, form: Form, bookmarks: str
    ) -> Iterator[bytes]:
        sent_at, has_header, version = float("-inf"), False, ""
        try:
            for event in _chained(first, events):
                if event is None:
                    if self._stopping():
                        break
                    if time.monotonic() - sent_at >= KEEP_ALIVE_S:
                        sent_at = time.monotonic()
                        yield b"\n"  # a blank between JSON values: sends the headers, notices clients that have gone
                    continue
                type_, found = event
                version = (found.get("metadata") or {}).get("resourceVersion") or version
                made = shaped(found, form, self._now())
                if has_header:
                    made.pop("columnDefinitions", None)
                has_header = form.name == "Table"
                sent_at = time.monotonic()
                yield _line(type_, made)
        except StatusError as error:
            yield _line("ERROR", error.status.to_json())
        except StoreError as error:
            yield _line("ERROR", Status(code=500, reason="InternalError", message=str(error)).to_json())
        if bookmarks and version:
            kind, _, api_version = bookmarks.partition(" ")
            yield _line("BOOKMARK", {"kind": kind, "apiVersion": api_version, "metadata": {"resourceVersion": version}})


class _Lines:
    """The lines of one watch; frees its place when the server is done with it, begun or not."""

    def __init__(self, lines: Iterator[bytes], free: Callable[[], None]) -> None:
        self._lines = lines
        self._free: Callable[[], None] | None = free

    def __iter__(self) -> Iterator[bytes]:
        return self._lines

    def close(self) -> None:
        """Called by the server at the end, however it came."""
        free, self._free = self._free, None
        if free is not None:
            with suppress(ValueError):  # still running in another thread: it ends with its next line
                self._lines.close()  # type: ignore[attr-defined]  # a generator
            free()


def _chained(first: tuple[str, JsonObject] | None, events: Events) -> Events:
    yield first
    yield from events


def _line(type_: str, found: JsonObject) -> bytes:
    return orjson.dumps({"type": type_, "object": found}) + b"\n"
