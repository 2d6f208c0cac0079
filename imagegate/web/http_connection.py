"""One HTTP/1.1 connection of the event loop: a request is received whole, within limits, before it is answered.

A slow client costs a few kilobytes here and no thread. uvicorn's protocol (``HttpToolsProtocol``, with llhttp) parses,
answers and keeps connections open. This module adds what it has no setting for: limits on the head while it is
received, a limit on the body before it is received, one deadline for the whole request, and a refusal of heads that a
proxy may read differently (request smuggling, RFC 9112 section 11.2).
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
import time
from functools import partial
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from imagegate.web.connections import TOO_SLOW, Connections
from imagegate.web.peer_certificate import PEER_CERTIFICATE
from imagegate.web.transports import HeadWithBody, LingeringClose

ARRIVED = "imagegate.arrived"
"""Key in the ASGI scope: when the request's first byte was received, on the monotonic clock."""
CLOSE = "imagegate.close"
"""Key in the ASGI scope: a function that closes the connection at once, counted by the reason that it is given."""
_ONCE = frozenset({b"host", b"content-length", b"transfer-encoding", b"content-type", b"content-encoding", b"expect"})
"""Header fields that decide where a request ends or what it means: a second one is refused."""
PIPELINED_MAX = 64
"""Requests of one connection that wait for the answer to an earlier one. Each takes some kilobytes of memory."""
_LENGTH_MAX_DIGITS = 18
"""A number of so many digits fits 64 bits; ``int`` raises an error of its own for some thousand digits."""


class RefusedRequest(Exception):
    """A request that is not accepted: an HTTP status and the reason. The connection is closed."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class Connection(HttpToolsProtocol):
    """One connection, registered from its acceptance to its end."""

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
        self._connections = connections
        self._limits = connections.limits
        self._raw = raw
        self._address = peer
        self.peer = peer[0] if peer else ""
        self.since: float | None = time.monotonic()
        """When the request, or the handshake, that is not complete began; None: there is none."""
        self.idle_since = self.since
        self.buffered = 0
        """Bytes of this connection's bodies in memory."""
        self._is_registered = True
        """True while ``Connections`` counts this one as incomplete; it says so once a request, not once a packet."""
        self._has_received = False
        self._ignores_input = False
        """True once nothing that is received will be answered any more."""
        self._received_at = self.since
        self._head_done = False
        self._head_in_this_packet = False
        self._later_bytes = 0
        """Bytes of the request that is received, without those of the packet in which it began."""
        self._fields = 0
        self._single: dict[bytes, bytes] = {}
        """The fields of ``_ONCE`` in the head that was received last."""
        self._held_back: tuple[RequestResponseCycle, Any] | None = None
        """A request whose head is complete and whose body is not: not yet given to the application."""
        self.peer_certificate: bytes | None = None
        """The client's certificate, DER, verified by the handshake; None: it has shown none."""
        self._answering: Any = None
        """The request that is being answered, or was answered last."""
        self._unread_timer: asyncio.TimerHandle | None = None
        connections.all.add(self)
        connections.request_started(self, self.since)

    @property
    def time_limit_s(self) -> float:
        """How long the handshake, or the request after it, may take."""
        return self._limits.handshake_s if self.transport is None else self._limits.request_s

    def is_idle(self) -> bool:
        """True between requests: the last one is answered and no other has begun."""
        return self.since is None and (self.cycle is None or self.cycle.response_complete)

    def has_no_request(self) -> bool:
        """True if no byte of a request that is not answered was received."""
        return self.is_idle() or not self._has_received

    def connection_made(self, transport: asyncio.Transport) -> None:
        """The connection is accepted and the TLS handshake, if any, done: the time of the first request begins."""
        super().connection_made(transport)
        if self._ignores_input:  # closed during the handshake
            transport.abort()
            return
        # The address from accept(): the socket of a client that has already gone has none, and no address would count
        # as this machine's own.
        self.client = self._address
        tls = transport.get_extra_info("ssl_object")
        if tls is not None:
            self.peer_certificate = tls.getpeercert(binary_form=True)
        self.since = time.monotonic()
        self._connections.request_complete(self)  # and begun again at the end of the order, for the oldest are first
        self._connections.request_started(self, self.since)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has ended: give back what it holds."""
        super().connection_lost(exc)
        self._ignores_input = True
        self._cancel_unread_timer()
        self._release_bytes()
        self._connections.remove(self)

    def eof_received(self) -> bool:
        """The client sends no more. It may still read, so what is under way is answered before the connection ends.

        For a stream it is the only sign that the client has gone. TLS has no such half-closed state.
        """
        cycle = self.cycle
        if (
            self.since is not None
            or cycle is None
            or cycle.response_complete
            or cycle.chunked_encoding
            or not self.transport.can_write_eof()
        ):
            return False
        cycle.keep_alive = False
        return True

    def data_received(self, data: bytes) -> None:
        """Parse a packet. If a request in it is not complete, its deadline runs."""
        if self._ignores_input:
            return
        self._received_at = time.monotonic()
        if not self._has_received or self.since is None:
            self._has_received = True
            # Set before parsing: line feeds between requests begin no message for llhttp, and must not buy time.
            self.since = self._received_at if self.since is None else self.since
        self._head_in_this_packet = False
        super().data_received(data)
        if not self._awaits_rest():
            return
        if not self._is_registered:
            self._is_registered = True
            self._connections.request_started(self, self._received_at)
        # llhttp reports a header field when it is complete, and extensions of chunks never, so the request is counted
        # by packets too. The packet in which it began is left out: it may hold the rest of the request before it.
        if not self._head_in_this_packet:
            self._later_bytes += len(data)
            limits = self._limits
            if not self._head_done and self._later_bytes > limits.head_max_bytes:
                self._refuse(RefusedRequest(431, "the request's headers are too large"))
            elif self._later_bytes > limits.head_max_bytes + 2 * limits.body_max_bytes:
                self._refuse(RefusedRequest(413, "the request's chunks are too large for what is in them"))

    def _awaits_rest(self) -> bool:
        """True if a request has begun and is neither complete nor refused. The parser's callbacks change that."""
        return self.since is not None and not self._ignores_input

    def on_message_begin(self) -> None:
        """A request begins, perhaps in the same packet as the end of another."""
        if self.since is None:
            self.since = self._received_at
        self._head_done, self._head_in_this_packet, self._later_bytes, self._fields = False, True, 0, 0
        self.url = b""
        self.headers: list[tuple[bytes, bytes]] = []

    def on_url(self, url: bytes) -> None:
        """A piece of the request's target."""
        self.url += url
        if len(self.url) > self._limits.target_max_bytes:
            raise RefusedRequest(414, "the request's target is too long")

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header field. Trailer fields, behind a chunked body, count but are thrown away."""
        self._fields += 1
        if self._fields > self._limits.fields:
            raise RefusedRequest(431, f"more than {self._limits.fields} header fields")
        if len(name) + len(value) + 2 > self._limits.field_max_bytes:
            raise RefusedRequest(431, f"a header field is larger than {self._limits.field_max_bytes} bytes")
        if not self._head_done:
            self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """The head is complete: check it, then let the body come unless its announced length is too large."""
        announced = self._checked_length()
        self._head_done = True
        if not self._is_short_way(announced):
            self._begin_cycle(announced)

    def _is_short_way(self, announced: int) -> bool:  # noqa: ARG002 - for subclasses
        """True if this class's subclass answers the request without uvicorn's cycle."""
        return False

    def _begin_cycle(self, announced: int) -> None:
        """Prepare uvicorn's cycle of request and answer."""
        if len(self.pipeline) >= PIPELINED_MAX:
            self._head_done = False  # it has no cycle
            raise RefusedRequest(503, "too many requests wait for the answer to an earlier one")
        url, headers, expect = self.url, self.headers, b"expect" in self._single
        super().on_message_begin()  # makes the scope, and empties what was received
        self.url, self.headers, self.expect_100_continue = url, headers, expect
        self.scope["headers"] = headers
        if self.peer_certificate is not None:
            self.scope[PEER_CERTIFICATE] = self.peer_certificate
        super().on_headers_complete()
        cycle = self.cycle
        cycle.transport = HeadWithBody(self.transport)
        self.scope[ARRIVED] = self.since
        self.scope[CLOSE] = partial(self._connections.close_early, self)
        if self._connections.ending or self.parser.should_upgrade():
            cycle.keep_alive = False
        if announced > self._limits.body_max_bytes:
            self._answer_without_body()  # before "100 Continue": the client need not send it at all
        elif cycle.waiting_for_100_continue:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        cycle.waiting_for_100_continue = False  # answered here: uvicorn would do so when the application reads

    def _checked_length(self) -> int:
        """Check the head and return the announced length of the body, in bytes; 0 where none is announced.

        Raises:
            RefusedRequest: a proxy before this server might read the head differently.
        """
        if self.parser.get_http_version() not in {"1.0", "1.1"}:
            raise RefusedRequest(505, "only HTTP/1.0 and HTTP/1.1 are spoken here")
        if not self.url.startswith(b"/") and self.url != b"*":
            raise RefusedRequest(400, "the request's target is not a path")
        seen: dict[bytes, bytes] = {}
        for name, value in self.headers:
            if name in _ONCE:
                if name in seen:
                    raise RefusedRequest(400, f"more than one {name.decode()}")
                seen[name] = value
        self._single = seen
        coding = seen.get(b"transfer-encoding")
        if coding is not None:
            if coding.lower() != b"chunked" or self.parser.get_http_version() == "1.0":
                raise RefusedRequest(501, "the only Transfer-Encoding is chunked, in HTTP/1.1")
            if b"content-length" in seen:
                raise RefusedRequest(400, "both a Transfer-Encoding and a Content-Length")
        if seen.get(b"expect", b"100-continue").lower() != b"100-continue":
            raise RefusedRequest(417, "the only Expect is 100-continue")
        length = seen.get(b"content-length", b"0")
        if not length.isdigit() or len(length) > _LENGTH_MAX_DIGITS:
            raise RefusedRequest(413 if length.isdigit() else 400, "the Content-Length is not a length")
        announced = int(length)
        if (announced or coding is not None) and self.parser.should_upgrade():  # httptools would drop the body
            raise RefusedRequest(400, "no other protocol is spoken here: send the request without Upgrade")
        return announced

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Call the application; uvicorn does this when the head is complete, here it waits for the body."""
        if cycle.more_body and not isinstance(cycle.transport, LingeringClose):
            self._held_back = (cycle, app)
        else:
            self._answering = cycle
            super()._start_asgi_task(cycle, app)

    def on_body(self, body: bytes) -> None:
        """A piece of the body, held in memory."""
        cycle = self.cycle
        if cycle.response_complete or isinstance(cycle.transport, LingeringClose):
            return
        self._count_bytes(len(body))
        cycle.body += body
        if len(cycle.body) > self._limits.body_max_bytes:  # chunked: no length was announced
            self._answer_without_body()

    def _count_bytes(self, received: int) -> None:
        """Count bytes of a body that will be held in memory.

        Raises:
            RefusedRequest: there is no room for them, and none can be made.
        """
        connections = self._connections
        while connections.buffered + received > self._limits.buffered_max_bytes:
            if not connections.make_room_for_bytes(self):
                raise RefusedRequest(503, "too many bytes of requests are waiting")
        self.buffered += received
        connections.buffered += received

    def on_message_complete(self) -> None:
        """The request is complete: it is answered now, or after those before it on this connection."""
        super().on_message_complete()
        self._is_complete()
        self._start_held_back()

    def _is_complete(self) -> None:
        """The deadline of the request that was received no longer runs."""
        self.since = None
        if self._is_registered:
            self._is_registered = False
            self._connections.request_complete(self)

    def on_response_complete(self) -> None:
        """The answer is written."""
        self._answering.transport.flush()  # the answer to HEAD, or a 204, has no body
        self._release_bytes()
        self.idle_since = time.monotonic()
        super().on_response_complete()

    def _release_bytes(self) -> None:
        self._connections.buffered -= self.buffered
        self.buffered = 0

    def _answer_without_body(self) -> None:
        """Let the application refuse a request whose body is too large to be received: it knows the answer's form."""
        cycle = self.cycle
        cycle.transport = LingeringClose(self.transport, self.loop, self._ignore_input)
        cycle.message_event.set()
        self._start_held_back()

    def _start_held_back(self) -> None:
        held_back, self._held_back = self._held_back, None
        if held_back is not None and held_back[0] is self.cycle:
            self._start_asgi_task(*held_back)

    def _ignore_input(self) -> None:
        self._ignores_input = True

    def send_400_response(self, msg: str) -> None:
        """Refuse a request that cannot be parsed, or that a callback refused.

        httptools wraps whatever a callback raises, and uvicorn calls this while it handles that: the cause is found
        in the exception that is being handled.
        """
        error = sys.exc_info()[1]
        cause = error.__context__ if error is not None else None
        if isinstance(cause, RefusedRequest):
            self._refuse(cause)
        elif isinstance(cause, MemoryError):
            self._refuse(RefusedRequest(503, "no memory is left for this request"))
        else:
            self._refuse(RefusedRequest(400, msg))

    def _refuse(self, refused: RefusedRequest) -> None:
        self._connections.count(f"refused with {refused.status}", self.peer)
        self._ignores_input, self._held_back = True, None
        if self._head_done and self.pipeline and self.pipeline[0][0] is self.cycle:
            self.pipeline.popleft()  # the refused one, its body incomplete
        last = self.pipeline[0][0] if self.pipeline else self._answering
        if last is not None and not last.response_complete:
            last.keep_alive = False  # a refusal now would be taken for its answer: close after that one
            return
        self._forget_body()
        why = str(refused).encode()
        head = f"HTTP/1.1 {refused.status} \r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n"
        self.transport.write(head.encode() + b"Content-Length: %d\r\n\r\n" % len(why) + why)
        LingeringClose(self.transport, self.loop, self._ignore_input).close()

    def _forget_body(self) -> None:
        """Give back the room of a body that nobody will read, though the connection lingers."""
        if self.cycle is not None:
            self.cycle.body = bytearray()
        self._release_bytes()

    def close_now(self, reason: str) -> None:
        """Close at once; a client that sent a whole head and was too slow with the body gets a 408."""
        self._ignores_input = True
        self._release_bytes()  # now: the loop reports the end in a later turn, and their room is needed in this one
        if self.transport is None:  # in the handshake: only the socket can be closed
            with contextlib.suppress(OSError):
                self._raw.shutdown(socket.SHUT_RDWR)
            return
        is_first = self._answering is None or self._answering.response_complete
        incomplete = self.since is not None and self._head_done and not self.transport.is_closing()
        if incomplete and is_first and reason == TOO_SLOW:
            self.transport.write(b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
            self.transport.close()
        else:
            self.transport.abort()  # close() would wait for the client to read what is still to be sent

    def pause_writing(self) -> None:
        """The client does not read the answer: it is closed in ``unread_s`` unless it reads on."""
        super().pause_writing()
        self._cancel_unread_timer()
        self._unread_timer = self.loop.call_later(
            self._limits.unread_s, self._connections.close_early, self, "answer not read in time"
        )

    def resume_writing(self) -> None:
        """The client reads again."""
        super().resume_writing()
        self._cancel_unread_timer()

    def _cancel_unread_timer(self) -> None:
        if self._unread_timer is not None:
            self._unread_timer.cancel()
            self._unread_timer = None
