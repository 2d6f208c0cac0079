"""Watches: one line of JSON for every change, until the time is over or the client has left."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

import orjson
from flask import Response

from imagegate.core.kube.status import Status, StatusError
from imagegate.ports.image_store import StoreError
from imagegate.service.image_api.request import JsonObject
from imagegate.web.image_api.answers import Form, shaped
from imagegate.web.wsgi_bridge import GONE, STREAMS

DEFAULT_S = 1800.0
LONGEST_S = 3600.0
KEEP_ALIVE_S = 10.0
WATCHES_MAX = 6
"""Limit for one process whose threads serve everything: a watch occupies a thread, and admission needs threads too. A
server with separate threads for long responses gives their number in the WSGI environment
(``web.wsgi_bridge.STREAMS``)."""

Events = Iterator[tuple[str, JsonObject] | None]


def _too_many(most: int) -> Status:
    return Status(
        code=429,
        reason="TooManyRequests",
        message=f"this server has {most} watches already, please try again later",
        retry_after_s=5,
    )


class Watches:
    """Serves watches, a limited number at a time."""

    def __init__(
        self,
        now: Callable[[], datetime],
        *,
        stopping: Callable[[], bool] = lambda: False,
        watches_max: int = WATCHES_MAX,
    ) -> None:
        self._now = now
        self._stopping = stopping
        self._watches_max = watches_max
        self._lock = threading.Lock()
        self._open = 0

    def answer(
        self, events: Events, form: Form, *, bookmarks: str = "", environ: Mapping[str, Any] | None = None
    ) -> Response:
        """Stream ``events``.

        Args:
            events: pairs of type and object, None now and then.
            form: in which form objects are wanted.
            bookmarks: kind and API version (``KIND APIVERSION``) for a bookmark at the end; empty: none.
            environ: WSGI environment of the request; may hold the limit of the server.

        Raises:
            StatusError: 429, there are too many watches; what the first look into ``events`` raises.
        """
        environ = environ or {}
        self._take(environ.get(STREAMS, self._watches_max))
        try:
            first = next(events, None)
        except BaseException:
            self._release()
            raise
        gone = environ.get(GONE, lambda: False)
        lines = _Lines(self._lines(first, events, form, bookmarks, gone), self._release)
        return Response(lines, content_type="application/json")

    def _take(self, most: int) -> None:
        with self._lock:
            if self._open >= most:
                raise StatusError(_too_many(most))
            self._open += 1

    def _release(self) -> None:
        with self._lock:
            self._open -= 1

    def _lines(
        self,
        first: tuple[str, JsonObject] | None,
        events: Events,
        form: Form,
        bookmarks: str,
        gone: Callable[[], bool],
    ) -> Iterator[bytes]:
        sent_at, has_header, version = float("-inf"), False, ""
        try:
            for event in _chained(first, events):
                if event is None:
                    if self._stopping() or gone():
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
        """Called by the server at the end, also after an error."""
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
