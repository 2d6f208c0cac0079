"""The application for the event loop (ASGI): each kind of request runs where it delays no other kind.

- A review whose look-ups are all cached is decided in the loop: handing it to a thread costs more than deciding it.
- A review that needs look-ups waits for them in the loop, and holds no thread.
- A large review takes milliseconds to decide, so it goes to a small pool of threads.
- Every other request goes to the WSGI application in a pool of its own; answers without an end (watches) are tasks.
- Probes have a third pool: a pod whose image API is busy must still be ready.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from imagegate.service.review.lookups import Steps, Wait
from imagegate.web.admission import (
    ENDPOINTS,
    AdmissionEndpoints,
    Endpoint,
    Received,
    Reply,
    error_reply,
    status_body,
    too_large,
)
from imagegate.web.asgi_types import Receive, Scope, Send
from imagegate.web.http_connection import ARRIVED
from imagegate.web.peer_certificate import PEER_CERTIFICATE
from imagegate.web.review_connection import TRACEPARENT, BeginReview
from imagegate.web.wsgi_bridge import Bridge, WsgiApplication

IN_LOOP_BYTES = 32 * 1024
"""The largest review that is decided in the loop. A larger one would delay all others for milliseconds."""
LARGE_AT_ONCE = 2
"""Threads for large reviews. They share the interpreter lock with the loop, so more of them would only slow it down."""
PROBES = frozenset({"/livez", "/readyz", "/health/liveness", "/health/readiness", "/metrics", "/version"})
PROBE_THREADS = 2
STREAMS = 2000
"""Watches and live views at a time; each holds some kilobytes and no thread."""

_log = logging.getLogger(__name__)


class AsgiApplication:
    """``application`` for an event loop. To be made after the fork: threads do not survive one.

    Args:
        application: any WSGI application; if it is an ``AdmissionEndpoints``, its reviews are answered in the loop.
        threads: for requests that are not reviews.
        streams: watches and live views at a time.
    """

    def __init__(self, application: WsgiApplication, *, threads: int = 16, streams: int = STREAMS) -> None:
        self._admission = application if isinstance(application, AdmissionEndpoints) else None
        self._body_max_bytes = self._admission.body_max_bytes if self._admission is not None else None
        self._others = Bridge(application, threads=threads, streams=streams)
        self._probes = Bridge(
            application,
            threads=PROBE_THREADS,
        )
        self._large = ThreadPoolExecutor(LARGE_AT_ONCE, thread_name_prefix="large-reviews")

    def close(self) -> None:
        """Start nothing more in threads; what runs there ends by itself."""
        self._others.close()
        self._probes.close()
        self._large.shutdown(wait=False, cancel_futures=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        body = await _read(scope, receive, self._body_max_bytes)
        endpoint = ENDPOINTS.get(scope["path"]) if self._admission is not None else None
        if body is None:
            error = too_large(self._body_max_bytes or 0)
            refused = Reply(error.status, status_body(error.status, str(error)))
            # what is left of the body must not be taken for a request
            await _send(send, refused if endpoint is None else error_reply(endpoint, error), close=True)
        elif endpoint is not None:
            begun = self._begin(endpoint, _request_of(scope, body))
            if isinstance(begun, Reply):
                await _send(send, begun)
            else:
                await begun(scope, receive, send)
        else:
            bridge = self._probes if scope["path"] in PROBES else self._others
            await bridge.answer(scope, body, receive, send)

    @property
    def is_traced(self) -> bool:
        """True if ``Received.traceparent`` is of use."""
        return self._admission is not None and self._admission.is_traced

    @property
    def begin_review(self) -> BeginReview | None:
        """Answers a review at once, for connections that need no messages; None if the application cannot."""
        return None if self._admission is None else self._begin

    def _begin(self, endpoint: Endpoint, received: Received) -> Reply | RestOfReview:
        """Answer a review at once if it is small and memory has what it needs; else return what answers it later."""
        assert self._admission is not None  # noqa: S101 - else there are no endpoints
        steps = self._admission.answer_in_steps(endpoint, received)
        if len(received.body) > IN_LOOP_BYTES:
            return RestOfReview(steps, None, self._large)
        begun = _advance(steps)
        return begun if isinstance(begun, Reply) else RestOfReview(steps, begun, None)


class RestOfReview:
    """The rest of the work for one review; an ASGI application that sends its answer.

    Args:
        wait: what it must wait for first.
        threads: where its steps run; None: in the loop.
    """

    def __init__(self, steps: Steps[Reply], wait: Wait | None, threads: ThreadPoolExecutor | None) -> None:
        self._steps = steps
        self._wait = wait
        self._threads = threads

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Go on to the end, and send the answer."""
        wait = self._wait
        while True:
            if wait is not None:
                await _wait_for(wait)
            if self._threads is not None:
                result = await asyncio.get_running_loop().run_in_executor(self._threads, _advance, self._steps)
            else:
                result = _advance(self._steps)
            if isinstance(result, Reply):
                await _send(send, result)
                return
            wait = result


def _advance(steps: Steps[Reply]) -> Wait | Reply:
    """Decide up to the next look-ups that are not cached, or to the answer."""
    try:
        return next(steps)
    except StopIteration as ended:
        reply: Reply = ended.value
        return reply


async def _wait_for(wait: Wait) -> None:
    """Return when all futures are done or the deadline has passed.

    Without ``asyncio.wrap_future``: a wrapped future that is cancelled cancels the original, and other reviews may wait
    for the same look-up.
    """
    loop = asyncio.get_running_loop()
    all_done = asyncio.Event()
    missing = len(wait.futures)

    def one_done() -> None:
        nonlocal missing
        missing -= 1
        if missing <= 0:
            all_done.set()

    # called in the thread that looked up: the counter and the event belong to the loop's thread
    def notify(_future: Future[Any]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended since
            loop.call_soon_threadsafe(one_done)

    for future in wait.futures:
        future.add_done_callback(notify)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(all_done.wait(), max(wait.deadline.left_s(), 0))


def _request_of(scope: Scope, body: bytes) -> Received:
    media_type = encoding = traceparent = ""
    for name, value in scope["headers"]:
        if name == b"content-type":
            media_type = value.decode("latin-1")
        elif name == b"content-encoding":
            encoding = value.decode("latin-1")
        elif name == TRACEPARENT:
            traceparent = value.decode("latin-1")
    query = scope["query_string"].decode("latin-1")
    arrived, certificate = scope.get(ARRIVED), scope.get(PEER_CERTIFICATE)
    encoding = encoding or "identity"
    return Received(scope["method"], media_type, encoding, query, body, arrived, certificate, traceparent)


async def _read(scope: Scope, receive: Receive, max_bytes: int | None) -> bytes | None:
    """The body; None if it is larger than ``max_bytes``, which a Content-Length says before anything is received."""
    if max_bytes is not None:
        for name, value in scope["headers"]:
            if name == b"content-length" and (not value.isdigit() or len(value) > 18 or int(value) > max_bytes):
                return None
    message = await receive()  # usually the only one: web.http_connection starts the application with a whole body
    body: bytes = message.get("body", b"")
    if not message.get("more_body"):
        return body if max_bytes is None or len(body) <= max_bytes else None
    parts, size = [body], len(body)
    while message.get("more_body"):
        if max_bytes is not None and size > max_bytes:
            return None
        message = await receive()
        parts.append(message.get("body", b""))
        size += len(parts[-1])
    return b"".join(parts) if max_bytes is None or size <= max_bytes else None


async def _send(send: Send, reply: Reply, *, close: bool = False) -> None:
    headers: Iterable[tuple[str, str]] = reply.headers
    encoded = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    if close:
        encoded.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": int(reply.status[:3]), "headers": encoded})
    await send({"type": "http.response.body", "body": reply.body})


async def _lifespan(receive: Receive, send: Send) -> None:
    """Servers other than ours ask before the first request; nothing has to be prepared."""
    while (await receive())["type"] != "lifespan.shutdown":
        await send({"type": "lifespan.startup.complete"})
    await send({"type": "lifespan.shutdown.complete"})
