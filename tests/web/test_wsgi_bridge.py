"""A WSGI application behind the event loop: its environment, its answers, and clients that go away."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from imagegate.web.wsgi_bridge import Bridge, environ_of

SCOPE: dict[str, Any] = {
    "type": "http",
    "method": "GET",
    "path": "/a",
    "query_string": b"",
    "http_version": "1.1",
    "scheme": "http",
    "headers": [],
}


def answered(
    application: Callable[[dict[str, Any], Any], Iterable[bytes]], *, events: Iterable[dict[str, Any]] = ()
) -> list[dict[str, Any]]:
    """The ASGI messages that one request results in; ``events`` are what ``receive`` returns before it blocks."""
    messages: list[dict[str, Any]] = []
    waiting = iter(events)

    async def receive() -> dict[str, Any]:
        for event in waiting:
            return event
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: dict[str, Any]) -> None:
        messages.append(message)

    async def run() -> None:
        bridge = Bridge(application, threads=1, streams=3)
        try:
            await bridge.answer(SCOPE, b"{}", receive, send)
        finally:
            bridge.close()

    asyncio.run(run())
    return messages


def test_an_answer_with_a_length_is_sent_whole_and_closed_in_the_thread_of_the_call() -> None:
    threads: list[int] = []

    class Parts(list[bytes]):
        def close(self) -> None:
            threads.append(threading.get_ident())

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        threads.append(threading.get_ident())
        start_response("201 Created", [("Content-Length", "4"), ("X-Input", environ["wsgi.input"].read().decode())])
        return Parts([b"ab", b"cd"])

    start, body = answered(application)
    assert (start["status"], body) == (201, {"type": "http.response.body", "body": b"abcd"})
    assert (b"x-input", b"{}") in start["headers"]
    assert len(threads) == 2
    assert threads[0] == threads[1] != threading.get_ident()


def test_an_answer_without_a_length_is_read_to_its_end() -> None:
    def application(_environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [("X-A", "b")])
        yield b"a"
        yield b""
        yield b"b"

    start, body = answered(application)
    assert start["headers"] == [(b"x-a", b"b")]
    assert body == {"type": "http.response.body", "body": b"ab"}


def test_header_names_with_underscores_are_left_out() -> None:
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/a b",
        "raw_path": b"/a%20b",
        "query_string": b"x=1",
        "http_version": "1.1",
        "scheme": "https",
        "client": None,
        "server": ("127.0.0.1", 8443),
        "headers": [
            (b"host", b"x"),
            (b"x_remote_user", b"a"),
            (b"x-remote-group", b"b"),
            (b"x-remote-group", b"c"),
            (b"content-type", b"application/json"),
        ],
    }
    environ = environ_of(scope, b"{}")
    assert {key: text for key, text in environ.items() if key.startswith("HTTP_")} == {
        "HTTP_HOST": "x",
        "HTTP_X_REMOTE_GROUP": "b,c",
    }
    assert (environ["PATH_INFO"], environ["QUERY_STRING"]) == ("/a b", "x=1")
    assert (environ["CONTENT_TYPE"], environ["CONTENT_LENGTH"]) == ("application/json", "2")
