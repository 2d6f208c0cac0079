"""The console's live view: new decisions of all workers, as server-sent events.

Source of the format: the HTML standard, "Server-sent events".
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import orjson

from imagegate.web.console.decision_rows import Row, record_id, rows_of
from imagegate.web.feed import Feed, Item

POLL_S = 0.5
"""Between two looks for new decisions: a service under load has some each time, and people read slower than that."""
ROWS_SHOWN = 100
LONGEST_S = 3600.0
"""Then the browser connects again by itself."""
POLICIES_S = 15.0
"""Between two looks for new policies."""
CONTENT_TYPE = "text/event-stream"


class Recent(Protocol):
    """The last records of decisions of all workers."""

    def latest(self) -> Sequence[Mapping[str, Any]]:
        """The newest first."""

    def news(self) -> object:
        """Differs from the result before whenever ``latest`` may have new records. Costs microseconds."""


class LatestDecisions:
    """The latest records as the source of a feed: its items are events, as they are sent.

    A view needs no record that was pushed out by newer ones before it was read, so none is looked for.
    """

    def __init__(self, recent: Recent) -> None:
        self._recent = recent
        self._number = 0
        self._seen: set[str] = set()

    def position(self) -> int:
        """See ``Source``."""
        self._seen = {record_id(record) for record in self._recent.latest()}
        return self._number

    @contextlib.contextmanager
    def news(self) -> Iterator[Callable[[], object]]:
        """See ``Source``."""
        yield self._recent.news

    def read(self, after: int) -> tuple[Sequence[Item[bytes]], int]:  # noqa: ARG002 - the source keeps no older ones
        """See ``Source``."""
        latest = {record_id(record): record for record in self._recent.latest()}
        rows = [row for id_, record in reversed(latest.items()) if id_ not in self._seen for row in rows_of(record)]
        self._seen = set(latest)
        if not rows:
            return (), self._number
        self._number += 1
        event = rows_event(rows)
        return (Item(self._number, len(event), event),), self._number


class LiveView:
    """One live view, as a ``web.streams.Stream``.

    Args:
        feed: new decisions.
        latest: the decisions that are shown first.
        policies_version: of the policies in force; called now and then.
        is_ending: True once the service ends.
        quiet_s: how long nothing may be sent.
    """

    def __init__(
        self,
        feed: Feed[bytes],
        *,
        latest: Callable[[], Sequence[Row]],
        policies_version: Callable[[], str],
        is_ending: Callable[[], bool],
        quiet_s: float,
    ) -> None:
        self.feed = feed
        self.position = 0
        self.is_ending = is_ending
        self._latest = latest
        self._policies_version = policies_version
        self._version = ""
        self._quiet_s = quiet_s
        self._quiet_until = self._look_at = 0.0
        self._ends_at = time.monotonic() + LONGEST_S
        self._first: bytes | None = b""

    def begin(self) -> None:
        """Read what is shown first. The feed must be open, so that nothing is missed."""
        self.position = self.feed.last
        self._version = self._policies_version()
        self._first = b"retry: 2000\n\n" + rows_event(self._latest())

    def is_behind(self) -> bool:
        """See ``Stream``; there is nothing to read elsewhere."""
        return False

    def fill(self) -> None:
        """See ``Stream``."""

    def read(self) -> bytes | None:
        """See ``Stream``."""
        now = time.monotonic()
        if self.is_ending() or self.feed.problem or now >= self._ends_at:
            return None
        entries, self.position = self.feed.after(self.position)
        events = [entry.item.value for entry in entries]
        if self._first is not None:
            events.insert(0, self._first)
            self._first = None
        if now >= self._look_at:
            self._look_at = now + POLICIES_S
            version = self._policies_version()
            if version != self._version:
                self._version = version
                events.append(b"event: policies\ndata:\n\n")
        if not events and now >= self._quiet_until:
            events.append(b":\n\n")
        if events:
            self._quiet_until = now + self._quiet_s
        return b"".join(events)

    def due(self) -> float:
        """See ``Stream``."""
        return min(self._quiet_until, self._look_at, self._ends_at)


def rows_event(rows: Sequence[Row]) -> bytes:
    """The event for new rows, the oldest first."""
    return b"event: decisions\ndata: " + orjson.dumps([row._asdict() for row in rows]) + b"\n\n"


def source_of(recent: Recent) -> Feed[bytes]:
    """The feed of a process's live views."""
    return Feed(LatestDecisions(recent), poll_s=POLL_S)
