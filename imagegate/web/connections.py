"""Connections of the event loop: a request is read whole, within limits and a deadline, before anything answers it.

A client that drips holds a few kilobytes here and no thread. Of uvicorn's protocol this module keeps parsing, answers
and keep-alive, and adds: limits on the head before it is kept, a limit on the body before it is read, one deadline for
the whole request, room for new clients at the cost of those that have dawdled longest, and stricter reading of what
two programs may understand differently.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

ARRIVED = "imagegate.arrived"
"""In the scope: when the request's first byte arrived, on the monotonic clock."""
LINGER_S = 2.0
"""How long the rest of a body that is too large is thrown away, so that its client reads why."""
_TELL_EVERY_S = 10.0

_log = logging.getLogger(__name__)


class Limits(NamedTuple):
    """What one worker takes from its clients."""

    body_max_bytes: int = 8 * 1024 * 1024
    request_s: float = 15.0
    """From a request's first byte to its last; of a new connection, from its beginning."""
    handshake_s: float = 10.0
    """For TLS."""
    unread_s: float = 30.0
    """How long an answer may lie unread."""
    connections: int = 4096
    per_peer: int = 1024
    """Connections of one address with a request that is not complete."""
    buffered_max_bytes: int = 64 * 1024 * 1024
    """Of bodies, read in part or waiting for their answer."""
    fields: int = 64
    field_max_bytes: int = 8190
    target_max_bytes: int = 4094
    head_max_bytes: int = 64 * 1024


class Refused(Exception):
    """A request that is not taken: an HTTP status and why. The connection is closed."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class Connections:
    """All connections of one worker.

    Args:
        closed_early: is told the reason, for every connection that is closed before an answer.
    """

    def __init__(self, limits: Limits, closed_early: Callable[[str], None] = lambda _reason: None) -> None:
        self.limits = limits
        self.ending = False
        """Whether clients are told to close their connections."""
        self.all: set[Connection] = set()
        self.buffered = 0
        self._unfinished: dict[str, dict[Connection, float]] = {}
        """By peer, the oldest first: connections that owe us (the rest of) a request, and since when."""
        self._count = closed_early
        self._told_at: dict[str, float] = {}
        self.freed: Callable[[], None] = lambda: None
        """Called when a connection has ended."""

    def owes(self, connection: Connection, since: float) -> None:
        """A request, or a handshake, has begun and is not complete."""
        mine = self._unfinished.setdefault(connection.peer, {})
        mine[connection] = since
        if len(mine) > self.limits.per_peer:
            self.close_early(next(iter(mine)), "too many of one client")

    def is_complete(self, connection: Connection) -> None:
        """It owes nothing any more."""
        mine = self._unfinished.get(connection.peer)
        if mine is not None and mine.pop(connection, None) is not None and not mine:
            del self._unfinished[connection.peer]

    def forget(self, connection: Connection) -> None:
        """It has ended."""
        self.is_complete(connection)
        self.all.discard(connection)
        self.freed()

    def close_late(self, now: float) -> None:
        """Close what owes for too long."""
        for mine in list(self._unfinished.values()):
            while mine:
                connection, since = next(iter(mine.items()))
                if now - since <= connection.patience_s:
                    break  # the others are younger
                self.close_early(connection, "too slow")

    def make_room(self) -> bool:
        """Close a connection for a new one: of the peer with the most of them, the one that has owed longest; else one
        that has been idle longest. False if all are being answered.
        """
        if self._unfinished:
            mine = max(self._unfinished.values(), key=len)
            self.close_early(next(iter(mine)), "too many connections")
            return True
        idle = [connection for connection in self.all if connection.is_idle()]
        if not idle:
            return False
        self.close_early(min(idle, key=lambda connection: connection.idle_since), "too many connections")
        return True

    def make_room_for_bytes(self, asking: Connection) -> bool:
        """Close the incomplete request with the largest body; False if it is ``asking``'s own, or there is none."""
        owing = (connection for mine in self._unfinished.values() for connection in mine)
        largest = max(owing, key=lambda connection: connection.buffered, default=asking)
        if largest is asking or largest.buffered == 0:
            return False
        self.close_early(largest, "too many bytes")
        return True

    def close_early(self, connection: Connection, reason: str) -> None:
        """Close a connection before its client has an answer, and count that."""
        self.note(reason, connection.peer)
        connection.cut_off(reason)
        self.forget(connection)

    def note(self, reason: str, peer: str = "") -> None:
        """Count what was closed early, and say so now and then."""
        self._count(reason)
        now = time.monotonic()
        if now - self._told_at.get(reason, float("-inf")) >= _TELL_EVERY_S:
            self._told_at[reason] = now
            _log.warning("connections are closed early: %s", reason, extra={"client": peer})


class Connection(HttpToolsProtocol):
    """One connection, from its acceptance on."""

    def __init__(
        self,
        connections: Connections,
        config: Config,
        state: ServerState,
        *,
        raw: socket.socket,
        peer: tuple[str, int] | None,
    ) -> None:
        super().__init__(config, state, {})
        self._registry = connections
        self._limits = connections.limits
        self._raw = raw
        self._address = peer
        self.peer = peer[0] if peer else ""
        self.since: float | None = time.monotonic()
        """Since when a request, or the handshake, is on its way; None: nothing is owed."""
        self.idle_since = self.since
        self.buffered = 0
        """Bytes of this connection's bodies in memory."""
        self._owing = True
        self._silent = True
        self._deaf = False
        self._chunk_at = self.since
        self._head_done = False
        self._head_began = False
        self._head_bytes = 0
        self._fields = 0
        self._held: Any = None
        self._answered: Any = None
        """The request that is being answered, or was last."""
        self._unread: asyncio.TimerHandle | None = None
        connections.all.add(self)
        connections.owes(self, self.since)

    @property
    def patience_s(self) -> float:
        """How long what it owes may take."""
        return self._limits.handshake_s if self.transport is None else self._limits.request_s

    def is_idle(self) -> bool:
        """Whether it is kept for a next request, and none has begun."""
        return self.since is None and (self.cycle is None or self.cycle.response_complete)

    def is_silent(self) -> bool:
        """Whether nothing of a request is here."""
        return self.is_idle() or self._silent

    def connection_made(self, transport: asyncio.Transport) -> None:
        """The handshake, if any, is done: the request's own time begins."""
        super().connection_made(transport)
        if self._deaf:  # cut off meanwhile
            transport.abort()
            return
        self.client = self._address  # what was accepted; the socket itself may not know any more
        self.since = time.monotonic()
        self._registry.is_complete(self)
        self._registry.owes(self, self.since)

    def connection_lost(self, exc: Exception | None) -> None:
        """It has ended."""
        super().connection_lost(exc)
        self._deaf = True
        self._stop_timing()
        self._release()
        self._registry.forget(self)

    def data_received(self, data: bytes) -> None:
        """Read a piece; whatever of it is not a complete request owes its rest until the deadline."""
        if self._deaf:
            return
        self._chunk_at = time.monotonic()
        if self._silent or self.since is None:
            self._silent = False
            self.since = self._chunk_at if self.since is None else self.since
        self._head_began = False
        super().data_received(data)
        if not self._is_in_request():
            return
        if not self._owing:
            self._owing = True
            self._registry.owes(self, self._chunk_at)
        if not self._head_done and not self._head_began:
            self._head_bytes += len(data)
            if self._head_bytes > self._limits.head_max_bytes:
                self._refuse(Refused(431, "the request's headers are too large"))

    def _is_in_request(self) -> bool:
        """Whether the rest of a request is still to come."""
        return self.since is not None and not self._deaf

    def on_message_begin(self) -> None:
        """A request begins, perhaps behind another."""
        if self.since is None:
            self.since = self._chunk_at
        self._head_done, self._head_began, self._head_bytes, self._fields = False, True, 0, 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """A piece of the target."""
        super().on_url(url)
        if len(self.url) > self._limits.target_max_bytes:
            raise Refused(414, "the request's target is too long")

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header field; behind a body in chunks it is thrown away."""
        self._fields += 1
        if self._fields > self._limits.fields:
            raise Refused(431, f"more than {self._limits.fields} header fields")
        if len(name) + len(value) + 2 > self._limits.field_max_bytes:
            raise Refused(431, f"a header field is larger than {self._limits.field_max_bytes} bytes")
        if not self._head_done:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is there: the body may come, unless it is too large."""
        announced = self._checked_head()
        self._head_done = True
        super().on_headers_complete()
        cycle = self.cycle
        cycle.transport = Together(self.transport)
        self.scope[ARRIVED] = self.since
        if self._registry.ending or self.parser.should_upgrade():
            cycle.keep_alive = False
        if announced > self._limits.body_max_bytes:
            self._answer_unread()
        elif cycle.waiting_for_100_continue:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        cycle.waiting_for_100_continue = False

    def _checked_head(self) -> int:
        """The announced length of the body.

        Raises:
            Refused: two programs might understand the head differently.
        """
        if self.parser.get_http_version() not in {"1.0", "1.1"}:
            raise Refused(505, "only HTTP/1.0 and HTTP/1.1 are spoken here")
        if not self.url.startswith(b"/") and self.url != b"*":
            raise Refused(400, "the request's target is not a path")
        seen: dict[bytes, bytes] = {}
        for name, value in self.headers:
            if name in _ONCE and name in seen:
                raise Refused(400, f"more than one {name.decode()}")
            seen[name] = value
        coding = seen.get(b"transfer-encoding")
        if coding is not None:
            if coding.lower() != b"chunked" or self.parser.get_http_version() == "1.0":
                raise Refused(501, "the only Transfer-Encoding is chunked, in HTTP/1.1")
            if b"content-length" in seen:
                raise Refused(400, "both a Transfer-Encoding and a Content-Length")
        if seen.get(b"expect", b"100-continue").lower() != b"100-continue":
            raise Refused(417, "the only Expect is 100-continue")
        length = seen.get(b"content-length", b"0")
        if not length.isdigit() or len(length) > 18:
            raise Refused(413 if length.isdigit() else 400, "the Content-Length is not a length")
        return int(length)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Begin to answer, once the request is complete."""
        if cycle.more_body and not isinstance(cycle.transport, Lingering):
            self._held = (cycle, app)
        else:
            self._answered = cycle
            super()._start_asgi_task(cycle, app)

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        cycle = self.cycle
        if cycle.response_complete or isinstance(cycle.transport, Lingering):
            return
        registry = self._registry
        while registry.buffered + len(body) > self._limits.buffered_max_bytes:
            if not registry.make_room_for_bytes(self):
                raise Refused(503, "too many bytes of requests are waiting")
        cycle.body += body
        self.buffered += len(body)
        registry.buffered += len(body)
        if len(cycle.body) > self._limits.body_max_bytes:
            self._answer_unread()

    def on_message_complete(self) -> None:
        """The request is there: it is answered now, or after those before it."""
        super().on_message_complete()
        self.since = None
        if self._owing:
            self._owing = False
            self._registry.is_complete(self)
        held, self._held = self._held, None
        if held is not None and held[0] is self.cycle:
            self._start_asgi_task(*held)

    def on_response_complete(self) -> None:
        """Answered."""
        self._answered.transport.flush()
        self._release()
        self.idle_since = time.monotonic()
        super().on_response_complete()

    def _release(self) -> None:
        self._registry.buffered -= self.buffered
        self.buffered = 0

    def _answer_unread(self) -> None:
        """Have a request answered, which the application will refuse, although its body is not read."""
        cycle = self.cycle
        cycle.transport = Lingering(self.transport, self.loop, self._stop_listening)
        cycle.message_event.set()
        held, self._held = self._held, None
        if held is not None and held[0] is cycle:
            self._start_asgi_task(*held)

    def _stop_listening(self) -> None:
        self._deaf = True

    def send_400_response(self, msg: str) -> None:
        """Answer what cannot be read, or is refused, and close."""
        cause = sys.exc_info()[1]
        inner = cause.__context__ if cause is not None else None
        if isinstance(inner, Refused):
            self._refuse(inner)
        elif isinstance(inner, MemoryError):
            self._refuse(Refused(503, "no memory is left for this request"))
        else:
            self._refuse(Refused(400, msg))

    def _refuse(self, refused: Refused) -> None:
        self._registry.note(f"refused with {refused.status}", self.peer)
        self._deaf, self._held = True, None
        if self.cycle is not None and not self.cycle.response_complete and not self._head_done:
            self.cycle.keep_alive = False  # an earlier request, which is answered yet
            return
        why = str(refused).encode()
        head = f"HTTP/1.1 {refused.status} \r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n"
        self.transport.write(head.encode() + b"Content-Length: %d\r\n\r\n" % len(why) + why)
        Lingering(self.transport, self.loop, self._stop_listening).close()

    def cut_off(self, reason: str) -> None:
        """Close at once; a client in the middle of a request is told why."""
        self._deaf = True
        if self.transport is None:
            with contextlib.suppress(OSError):
                self._raw.shutdown(socket.SHUT_RDWR)
            return
        if self.since is not None and reason == "too slow" and self._head_done and not self.transport.is_closing():
            self.transport.write(b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
            self.transport.close()
        else:
            self.transport.abort()

    def pause_writing(self) -> None:
        """The client does not read fast enough; it gets ``unread_s`` seconds to go on."""
        super().pause_writing()
        self._stop_timing()
        self._unread = self.loop.call_later(
            self._limits.unread_s, self._registry.close_early, self, "answer not read in time"
        )

    def resume_writing(self) -> None:
        """It reads."""
        super().resume_writing()
        self._stop_timing()

    def _stop_timing(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None


class Together:
    """A transport that sends the head of an answer with the first piece of its body: both arrive, or neither."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head: bytes | None = b""
        """What was written first and waits for more; None: it has gone."""
        self.is_closing = transport.is_closing

    def write(self, data: bytes) -> None:
        """Send, but the first time."""
        if self._head is None:
            self._transport.write(data)
        elif not self._head:
            self._head = data
        else:
            head, self._head = self._head, None
            self._transport.write(head + data)

    def flush(self) -> None:
        """Send what waits: an answer without a body."""
        if self._head:
            self._transport.write(self._head)
        self._head = None

    def close(self) -> None:
        """Send what waits, and close."""
        self.flush()
        self._transport.close()


class Lingering:
    """A transport for a last answer: what the client still sends is thrown away for a while before it is closed.

    A connection that is closed with bytes unread is reset, and the answer lost with it.
    """

    def __init__(
        self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, stop_listening: Callable[[], None]
    ) -> None:
        self._transport = transport
        self._loop = loop
        self._stop_listening = stop_listening
        self.write = transport.write
        self.is_closing = transport.is_closing

    def flush(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        """Close for writing now, for reading soon."""
        self._stop_listening()
        if self._transport.is_closing():
            return
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self._loop.call_later(LINGER_S, self._transport.close)


_ONCE = frozenset({b"host", b"content-length", b"transfer-encoding", b"content-type", b"content-encoding", b"expect"})
