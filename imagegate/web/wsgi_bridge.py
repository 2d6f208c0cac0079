"""A WSGI application behind the event loop: called in threads, its answer sent by the loop.

An answer is read to its end in the thread of the call. What has no end (``web.streams``) is handed over: its head comes
from the application, the rest is driven by the loop and holds no thread.

Why not a library: uvicorn's WSGIMiddleware (deprecated) and a2wsgi hold one thread for every answer until it is sent
whole, so watches, which last for minutes, would take the threads of all other requests; and neither bounds how many
requests wait, or leaves out header names with an underscore.
"""

from __future__ import annotations

import asyncio
import io
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_to_bytes

from imagegate.web.asgi_types import Receive, Scope, Send
from imagegate.web.http_connection import CLOSE
from imagegate.web.loop_streams import LoopStreams
from imagegate.web.peer_certificate import PEER_CERTIFICATE
from imagegate.web.raw_headers import RAW_HEADERS
from imagegate.web.streams import HANDOVER, Handover, Stream

StartResponse = Callable[..., Any]
WsgiApplication = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]

_WAITING_MAX = 256
"""Requests that may wait for a thread; each holds its body in memory. More are answered with 503."""


@dataclass(slots=True)
class _Answer:
    """The application's answer, or the beginning of it."""

    status: int = 500
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""
    stream: Stream | None = None
    """The iterable that replaces ``body``."""
    close: Callable[[], None] | None = None
    """To be called when ``stream`` has ended."""


class Bridge:
    """Calls the application in a pool of threads.

    Args:
        threads: for calls of the application.
        streams: how many streams there may be at a time.
    """

    def __init__(self, application: WsgiApplication, *, threads: int, streams: int = 0) -> None:
        self._application = application
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="requests")
        self._streams = LoopStreams()
        self._streams_max = streams
        self._waiting_max = threads + _WAITING_MAX
        self._waiting = 0

    def close(self) -> None:
        """Start nothing more; what runs ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._streams.close()

    async def answer(self, scope: Scope, body: bytes, receive: Receive, send: Send) -> None:
        """Answer one request whose body was received."""
        if self._waiting >= self._waiting_max:
            await _send_short(send, 503, b"the server is busy, please try again later")
            return
        environ = environ_of(scope, body)
        loop = asyncio.get_running_loop()
        self._waiting += 1
        try:
            answer = await loop.run_in_executor(self._threads, self._call, environ)
        finally:
            self._waiting -= 1
        if answer.stream is None:
            await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
            await send({"type": "http.response.body", "body": answer.body})
            return
        try:
            await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
            await self._streams.send(answer.stream, receive, send, scope.get(CLOSE))
        finally:
            if answer.close is not None:
                await loop.run_in_executor(self._threads, answer.close)  # not in the loop: it may wait for a lock

    def _call(self, environ: dict[str, Any]) -> _Answer:
        """Call the application; runs in a thread. All of the answer but a stream is read there, in one hop."""
        answer = _Answer()
        handover = environ[HANDOVER] = Handover(self._streams_max)

        def start_response(status: str, headers: list[tuple[str, str]], _exc_info: Any = None) -> Callable[..., None]:
            answer.status = int(status.partition(" ")[0])
            answer.headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
            return _no_write

        parts = self._application(environ, start_response)
        close: Callable[[], None] | None = getattr(parts, "close", None)
        try:
            if environ["REQUEST_METHOD"] != "HEAD":
                answer.stream, answer.close = handover.stream, close
            if answer.stream is None:
                answer.body = b"".join(parts)  # a generator calls start_response only now
        finally:
            if answer.stream is None and close is not None:
                close()
        return answer


async def _send_short(send: Send, status: int, body: bytes) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def environ_of(scope: Scope, body: bytes) -> dict[str, Any]:
    """The environment of PEP 3333 for an ASGI scope.

    Header names with an underscore are left out: in the environment ``X_Remote_User`` and ``X-Remote-User`` are one.
    """
    client, server = scope.get("client") or ("", 0), scope.get("server") or ("", 0)
    raw_path: bytes = scope.get("raw_path") or scope["path"].encode()
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(raw_path).decode("latin-1"),
        "RAW_URI": raw_path.decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "SERVER_NAME": str(server[0]) or "localhost",
        "SERVER_PORT": str(server[1] or 0),
        "REMOTE_ADDR": str(client[0]),
        "REMOTE_PORT": str(client[1]),
        "CONTENT_LENGTH": str(len(body)),  # of what was received, chunked or not
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input": io.BytesIO(body),
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    environ[RAW_HEADERS] = scope["headers"]
    if PEER_CERTIFICATE in scope:
        environ[PEER_CERTIFICATE] = scope[PEER_CERTIFICATE]
    for name, value in scope["headers"]:
        if b"_" in name or name in {b"content-length", b"transfer-encoding"}:
            continue
        key = "CONTENT_TYPE" if name == b"content-type" else f"HTTP_{name.decode('latin-1').upper().replace('-', '_')}"
        decoded = value.decode("latin-1")
        environ[key] = f"{environ[key]},{decoded}" if key in environ else decoded
    return environ


def _no_write(_piece: bytes) -> None:
    raise NotImplementedError("write() of PEP 3333 is not supported: return the body")
