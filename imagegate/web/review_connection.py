"""A connection that answers reviews by the short way: without an ASGI cycle, a task, or messages between them.

Nearly all requests are reviews that memory answers in less time than uvicorn needs to call an application. So a review
is handed over as bytes once it is complete, and its answer is written in the same turn of the loop. What cannot be
answered at once, and every other request, takes uvicorn's way through the application.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeAlias

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from imagegate.web.admission import ENDPOINTS, Endpoint, Received, Reply, error_reply
from imagegate.web.asgi_types import Receive, Scope, Send
from imagegate.web.http_connection import Connection
from imagegate.web.http_error import HttpError

Rest: TypeAlias = Callable[[Scope, Receive, Send], Any]
"""An ASGI application that sends the answer to one review."""
BeginReview: TypeAlias = Callable[[Endpoint, Received], Reply | Rest]
"""Answers a review, or returns what will answer it later."""

TRACEPARENT = b"traceparent"
"""Header with the trace that a request belongs to (W3C Trace Context)."""
AT_ONCE_MAX = 16
"""Reviews of one packet that are answered in one turn of the loop; others' connections wait meanwhile."""
_ENDPOINTS = {path.encode(): endpoint for path, endpoint in ENDPOINTS.items()}
_OK = STATUS_LINE[200] + b"content-type: application/json\r\ncontent-length: "
_log = logging.getLogger("imagegate.server")


class ReviewConnection(Connection):
    """See the module. The application must have ``begin_review``; else every request takes the usual way."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._begin_review: BeginReview | None = getattr(self.app, "begin_review", None)
        self._is_traced: bool = getattr(self.app, "is_traced", False)
        self._endpoint: Endpoint | None = None
        """Of the review that is being received; None: it is another request, or there is none."""
        self._query = b""
        self._pieces: list[bytes] = []
        self._is_idle_timer_set = False
        self._at_once = 0
        """Reviews of the packet that is being parsed which took the short way."""

    def data_received(self, data: bytes) -> None:
        """See ``Connection``."""
        self._at_once = 0
        super().data_received(data)

    def _is_short_way(self, announced: int) -> bool:
        """True for a review, unless answers before it are not sent yet or the connection must be closed after it."""
        path, _, query = self.url.partition(b"?")
        endpoint = _ENDPOINTS.get(path)
        if (
            endpoint is None
            or self._begin_review is None
            or self._at_once >= AT_ONCE_MAX
            or announced > self._limits.body_max_bytes
            or b"expect" in self._single
            or b"#" in query
            or self._connections.ending
            or self.flow.write_paused
            or not self.parser.should_keep_alive()
            or self.parser.should_upgrade()
            or self.parser.get_method() != b"POST"
            or (self.cycle is not None and not self.cycle.response_complete)
        ):
            return False
        self._at_once += 1
        self._endpoint, self._query = endpoint, query
        self._pieces = []
        return True

    def on_body(self, body: bytes) -> None:
        """A piece of the body, held in memory."""
        if self._endpoint is None:
            super().on_body(body)
            return
        self._count_bytes(len(body))
        self._pieces.append(body)
        if self.buffered > self._limits.body_max_bytes:  # chunked: no length was announced
            self._endpoint = None
            self._begin_cycle(0)
            self.cycle.body += b"".join(self._pieces)
            self._pieces = []
            self._answer_without_body()

    def _forget_body(self) -> None:
        self._pieces = []
        super()._forget_body()

    def on_message_complete(self) -> None:
        """The request is complete: a review is answered now, or its rest is given to a task."""
        endpoint = self._endpoint
        if endpoint is None or self._begin_review is None:
            super().on_message_complete()
            return
        self._endpoint = None
        pieces, self._pieces = self._pieces, []
        single = self._single
        received = Received(
            "POST",
            single.get(b"content-type", b"").decode("latin-1"),
            single.get(b"content-encoding", b"identity").decode("latin-1") or "identity",
            self._query.decode("latin-1"),
            pieces[0] if len(pieces) == 1 else b"".join(pieces),
            self.since,
            self.peer_certificate,
            self._traceparent() if self._is_traced else "",
        )
        try:
            begun = self._begin_review(endpoint, received)
        except Exception:  # noqa: BLE001 - a fault of the service: denied, with the traceback in the log
            _log.exception("a review failed unexpectedly")
            begun = error_reply(endpoint, HttpError("500 Internal Server Error", "the service's log has the details"))
        if not isinstance(begun, Reply):
            self._begin_cycle(0)
            held_back, self._held_back = self._held_back, None
            if held_back is not None:
                self._held_back = (held_back[0], begun)
            super().on_message_complete()
            return
        self._is_complete()
        self._write(begun)

    def _traceparent(self) -> str:
        """The only header of this name; empty if there is none, or several."""
        found = [value for name, value in self.headers if name == TRACEPARENT]
        return found[0].decode("latin-1") if len(found) == 1 else ""

    def _write(self, reply: Reply) -> None:
        """Write a whole answer, and wait for the next request."""
        if reply.status == "200 OK":
            head = _OK + b"%d\r\n" % len(reply.body)
        else:
            lines = [f"{name.lower()}: {value}\r\n".encode("latin-1") for name, value in reply.headers]
            head = STATUS_LINE[int(reply.status[:3])] + b"".join(lines)
        for name, value in self.server_state.default_headers:
            head += b"%b: %b\r\n" % (name, value)
        ends = self._connections.ending
        self.transport.write(b"%b%b%b" % (head, b"connection: close\r\n\r\n" if ends else b"\r\n", reply.body))
        self._release_bytes()
        self.server_state.total_requests += 1
        if ends:
            self._ignore_input()
            self.transport.close()
            return
        self.idle_since = self._received_at
        if not self._is_idle_timer_set:
            self._set_idle_timer(self.timeout_keep_alive)

    def _set_idle_timer(self, seconds: float) -> None:
        """Look for the end of the keep-alive time. One timer for many requests: setting one costs microseconds."""
        self._is_idle_timer_set = True
        self.loop.call_later(seconds, self._close_if_idle)

    def _close_if_idle(self) -> None:
        self._is_idle_timer_set = False
        if self._ignores_input or self.transport.is_closing() or not self.is_idle():
            return  # ended, or in use: the end of the next request sets the timer again
        left_s = self.idle_since + self.timeout_keep_alive - self.loop.time()
        if left_s > 0:
            self._set_idle_timer(left_s)
        else:
            self.transport.close()
