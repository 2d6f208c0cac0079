"""The event loop's face of the application.

A review that memory answers is decided in the loop itself, which costs less than handing it to a thread. One that must
look something up waits in the loop and holds no thread; large ones, which take long, are decided in threads of their
own. Everything else is the WSGI application's, in other threads again, probes in a third pool: whatever is slow slows
its own kind only.
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
    refused,
    status_body,
    too_large,
)
from imagegate.web.http_connection import ARRIVED
from imagegate.web.wsgi_bridge import Bridge, Receive, Scope, Send, WsgiApplication

IN_LOOP_BYTES = 32 * 1024
"""A larger review is decided in a thread: in the loop it would keep all others waiting for milliseconds."""
LARGE_AT_ONCE = 2
"""Threads for those. They take turns on the interpreter with the loop, so more of them would only slow it down."""
PROBES = frozenset({"/livez", "/readyz", "/health/liveness", "/health/readiness", "/metrics", "/version"})
PROBE_THREADS = 2
STREAMS = 32
"""Watches at a time."""

_log = logging.getLogger(__name__)


class AsgiApplication:
    """``application`` for an event loop; to be made in the process that serves.

    Args:
        application: any WSGI application; reviews of an ``AdmissionEndpoints`` are answered in the loop.
        threads: for requests that are no reviews.
    """

    def __init__(self, application: WsgiApplication, *, threads: int = 16) -> None:
        self._admission = application if isinstance(application, AdmissionEndpoints) else None
        self._body_max_bytes = self._admission.body_max_bytes if self._admission is not None else None
        self._others = Bridge(application, threads=threads, streams=STREAMS)
        self._probes = Bridge(application, threads=PROBE_THREADS, streams=1)
        self._large = ThreadPoolExecutor(LARGE_AT_ONCE, thread_name_prefix="large-reviews")

    def close(self) -> None:
        """Begin nothing more in threads."""
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
        if endpoint is not None and self._admission is not None:
            reply = await self._review(self._admission, endpoint, scope, body)
            await _send(send, reply, close=body is None)
        elif body is None:
            refusal = too_large(self._body_max_bytes or 0)
            await _send(send, Reply(refusal.status, status_body(refusal.status, str(refusal))), close=True)
        else:
            bridge = self._probes if scope["path"] in PROBES else self._others
            await bridge.answer(scope, body, receive, send)

    async def _review(
        self, admission: AdmissionEndpoints, endpoint: Endpoint, scope: Scope, body: bytes | None
    ) -> Reply:
        if body is None:
            return refused(endpoint, too_large(admission.body_max_bytes))
        steps = admission.answer_in_steps(endpoint, _received(scope, body))
        large = len(body) > IN_LOOP_BYTES
        while True:
            if large:
                result = await asyncio.get_running_loop().run_in_executor(self._large, _advanced, steps)
            else:
                result = _advanced(steps)
            if isinstance(result, Reply):
                return result
            await _until_over(result)


def _advanced(steps: Steps[Reply]) -> Wait | Reply:
    """Go on to the next wait, or to the end."""
    try:
        return next(steps)
    except StopIteration as ended:
        reply: Reply = ended.value
        return reply


async def _until_over(wait: Wait) -> None:
    """Return when all futures are done or the deadline has passed. The futures are others' too: none is cancelled."""
    loop = asyncio.get_running_loop()
    over = asyncio.Event()
    missing = len(wait.futures)

    def one_done() -> None:
        nonlocal missing
        missing -= 1
        if missing <= 0:
            over.set()

    def tell(_future: Future[Any]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(one_done)

    for future in wait.futures:
        future.add_done_callback(tell)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(over.wait(), max(wait.deadline.left_s(), 0))


def _received(scope: Scope, body: bytes) -> Received:
    media_type = encoding = ""
    for name, value in scope["headers"]:
        if name == b"content-type":
            media_type = value.decode("latin-1")
        elif name == b"content-encoding":
            encoding = value.decode("latin-1")
    query = scope["query_string"].decode("latin-1")
    return Received(scope["method"], media_type, encoding or "identity", query, body, scope.get(ARRIVED))


async def _read(scope: Scope, receive: Receive, max_bytes: int | None) -> bytes | None:
    """The body; None if it is larger than ``max_bytes``."""
    if max_bytes is not None:
        for name, value in scope["headers"]:
            if name == b"content-length" and (not value.isdigit() or len(value) > 18 or int(value) > max_bytes):
                return None
    message = await receive()
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


async def _send(send: Send, reply: Reply, *, close: bool) -> None:
    headers: Iterable[tuple[str, str]] = reply.headers
    encoded = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    if close:
        encoded.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": int(reply.status[:3]), "headers": encoded})
    await send({"type": "http.response.body", "body": reply.body})


async def _lifespan(receive: Receive, send: Send) -> None:
    while (await receive())["type"] != "lifespan.shutdown":
        await send({"type": "lifespan.startup.complete"})
    await send({"type": "lifespan.shutdown.complete"})
