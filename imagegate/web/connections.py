"""Limits of the event loop's connections, and the choice of those that are closed when there are too many.

A worker must answer the API server whatever other clients do. So connections that have not sent a complete request
are never worth more than a new one: the oldest of the client with the most of them is closed first.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from imagegate.web.http_connection import Connection

TOO_SLOW = "too slow"
"""The reason of a close that the client is sent a 408 for, if it sent a whole head."""
_LOG_EVERY_S = 10.0
"""Between two log lines of one reason: a flood of connections must not become a flood of lines."""

_log = logging.getLogger(__name__)


class Limits(NamedTuple):
    """Limits of one worker for its clients."""

    body_max_bytes: int = 8 * 1024 * 1024
    request_s: float = 15.0
    """From a request's first byte to its last; for the first request, from the start of the connection."""
    handshake_s: float = 10.0
    """For the TLS handshake."""
    unread_s: float = 30.0
    """How long a client may leave an answer unread."""
    connections: int = 4096
    per_peer: int = 1024
    """Connections of one address whose request is not complete."""
    buffered_max_bytes: int = 64 * 1024 * 1024
    """Bytes of all bodies in memory: incomplete ones, and those of requests that are being answered."""
    fields: int = 64
    field_max_bytes: int = 8190
    target_max_bytes: int = 4094
    head_max_bytes: int = 64 * 1024


class Connections:
    """All connections of one worker. Used by the event loop's thread only, so it needs no lock.

    Args:
        closed_early: called with the reason for every connection that is closed before it was answered.
    """

    def __init__(self, limits: Limits, closed_early: Callable[[str], None] = lambda _reason: None) -> None:
        self.limits = limits
        self.ending = False
        """True while the service stops: answers tell clients to close their connections."""
        self.all: set[Connection] = set()
        self.buffered = 0
        """Bytes of all connections' bodies in memory."""
        self._incomplete: dict[str, dict[Connection, float]] = {}
        """By address of the client: its connections without a complete request, and since when. A dictionary keeps
        the order of insertion, so the first entry is the oldest and no search is needed to find it."""
        self._count = closed_early
        self._logged_at: dict[str, float] = {}
        self.freed: Callable[[], None] = lambda: None
        """Called when a connection has ended."""

    def request_started(self, connection: Connection, since: float) -> None:
        """Note that a handshake or a request has begun; may close the client's oldest one."""
        incomplete = self._incomplete.setdefault(connection.peer, {})
        incomplete[connection] = since
        if len(incomplete) > self.limits.per_peer:
            self.close_early(next(iter(incomplete)), "too many of one client")

    def request_complete(self, connection: Connection) -> None:
        """Note that the connection's request is complete, or will not be."""
        incomplete = self._incomplete.get(connection.peer)
        if incomplete is not None and incomplete.pop(connection, None) is not None and not incomplete:
            del self._incomplete[connection.peer]  # one entry per address that ever connected would grow for ever

    def remove(self, connection: Connection) -> None:
        """Forget a connection that has ended."""
        self.request_complete(connection)
        self.all.discard(connection)
        self.freed()

    def close_late(self, now: float) -> None:
        """Close connections whose handshake or request takes longer than its limit."""
        for incomplete in list(self._incomplete.values()):  # a copy: closing removes entries
            while incomplete:
                connection, since = next(iter(incomplete.items()))
                if now - since <= connection.time_limit_s:
                    break  # the others began later
                self.close_early(connection, TOO_SLOW)

    def make_room(self) -> bool:
        """Close one connection in favour of a new one; False if all are being answered.

        The client with the most incomplete requests loses its oldest; without any, the longest idle connection goes.
        """
        if self._incomplete:
            incomplete = max(self._incomplete.values(), key=len)
            self.close_early(next(iter(incomplete)), "too many connections")
            return True
        idle = [connection for connection in self.all if connection.is_idle()]
        if not idle:
            return False
        self.close_early(min(idle, key=lambda connection: connection.idle_since), "too many connections")
        return True

    def make_room_for_bytes(self, requesting: Connection) -> bool:
        """Close the incomplete request with the largest body; False if that is ``requesting``'s, or there is none."""
        candidates = (connection for incomplete in self._incomplete.values() for connection in incomplete)
        largest = max(candidates, key=lambda connection: connection.buffered, default=requesting)
        if largest is requesting or largest.buffered == 0:
            return False
        self.close_early(largest, "too many bytes")
        return True

    def close_early(self, connection: Connection, reason: str) -> None:
        """Close a connection before its client has an answer, and count that."""
        self.count(reason, connection.peer)
        connection.close_now(reason)
        self.remove(connection)

    def count(self, reason: str, peer: str = "") -> None:
        """Count a connection that is closed early; log it if no line of this reason was written lately."""
        self._count(reason)
        now = time.monotonic()
        if now - self._logged_at.get(reason, float("-inf")) >= _LOG_EVERY_S:
            self._logged_at[reason] = now
            _log.warning("connections are closed early: %s", reason, extra={"client": peer})
