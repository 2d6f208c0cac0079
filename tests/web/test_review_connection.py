"""The short way of reviews: which requests take it, in which order answers go out, and when the connection ends."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from uvicorn.config import Config
from uvicorn.server import ServerState

from imagegate.web.admission import Endpoint, Received, Reply
from imagegate.web.connections import TOO_SLOW, Connections, Limits
from imagegate.web.http_connection import PIPELINED_MAX
from imagegate.web.review_connection import AT_ONCE_MAX, Rest, ReviewConnection
from imagegate.web.transports import LingeringClose
from tests.web.test_http_connection import Gone, turns

BODY = b'{"kind":"AdmissionReview"}'


class App:
    """An application that answers reviews with their number, at once or ``later``, and others in a task."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.later: asyncio.Event | None = None
        self.fails = False

    def begin_review(self, _endpoint: Endpoint, received: Received) -> Reply | Rest:
        if self.fails:
            raise RuntimeError("broken")
        self.received.append(received)
        reply = Reply("200 OK", b"review %d" % len(self.received))
        return reply if self.later is None else self._answering(reply, self.later)

    def _answering(self, reply: Reply, when: asyncio.Event) -> Rest:
        async def rest(_scope: Any, _receive: Any, send: Any) -> None:
            await when.wait()
            await _answer(send, reply.body)

        return rest

    async def __call__(self, _scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        await asyncio.sleep(0)
        await _answer(send, b"other")


async def _answer(send: Any, body: bytes) -> None:
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class Closed(Gone):
    """A transport that notes how it was closed."""

    def __init__(self) -> None:
        super().__init__()
        self.closed = False
        self.reads = True

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed or self.aborted

    def can_write_eof(self) -> bool:
        return False

    def pause_reading(self) -> None:
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True

    @property
    def bodies(self) -> list[bytes]:
        """Bodies of the answers that were written."""
        return [part.partition(b"\r\n\r\n")[2] for part in b"".join(self.written).split(b"HTTP/1.1 ")[1:]]


class Client:
    """A connection to an ``App``."""

    def __init__(self, limits: Limits | None = None, *, keep_alive_s: int = 5) -> None:
        self.app = App()
        self.registry = Connections(limits or Limits())
        config = Config(
            self.app, interface="asgi3", proxy_headers=False, lifespan="off", timeout_keep_alive=keep_alive_s
        )
        raw = socket.socket()
        raw.close()
        self.connection = ReviewConnection(self.registry, config, ServerState(), raw=raw, peer=("203.0.113.5", 40000))
        self.transport = Closed()
        self.connection.connection_made(self.transport)

    def send(self, data: bytes) -> None:
        self.connection.data_received(data)


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 20))


def review(*fields: bytes, body: bytes = BODY, path: bytes = b"/mutate?timeout=5s", version: bytes = b"1.1") -> bytes:
    head = [b"POST %b HTTP/%b" % (path, version), b"Host: x", b"Content-Type: application/json", *fields]
    return b"\r\n".join([*head, b"Content-Length: %d" % len(body), b"", body])


GET = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"


def test_a_review_is_answered_in_the_same_turn() -> None:
    async def test() -> None:
        client = Client()
        client.send(review())
        assert client.transport.bodies == [b"review 1"]
        [received] = client.app.received
        assert (received.query, received.content_type, received.body) == ("timeout=5s", "application/json", BODY)
        assert received.arrived is not None
        assert client.connection.is_idle()
        assert client.registry.buffered == 0

    run(test)


def test_a_body_in_pieces_is_put_together() -> None:
    async def test() -> None:
        client = Client()
        whole = review()
        for at in range(len(whole)):
            client.send(whole[at : at + 1])
            assert client.transport.bodies == ([b"review 1"] if at == len(whole) - 1 else [])
        assert client.app.received[0].body == BODY

    run(test)


def test_reviews_in_one_packet_are_answered_in_their_order() -> None:
    async def test() -> None:
        client = Client()
        client.send(review() + review() + GET + review())
        await turns(10)
        assert client.transport.bodies == [b"review 1", b"review 2", b"other", b"other"]

    run(test)


def test_a_review_behind_another_request_waits_for_that_answer() -> None:
    async def test() -> None:
        client = Client()
        client.send(GET + review())
        assert client.transport.bodies == []
        await turns(10)
        assert client.transport.bodies[0] == b"other"
        assert len(client.transport.bodies) == 2

    run(test)


def test_a_review_that_waits_for_a_look_up_is_answered_before_the_next() -> None:
    async def test() -> None:
        client = Client()
        client.app.later = later = asyncio.Event()
        client.send(review())
        client.app.later = None
        client.send(GET)
        await turns(10)
        assert client.transport.bodies == []
        assert not client.connection.is_idle()
        assert client.registry.buffered == len(BODY)
        later.set()
        await turns(10)
        assert client.transport.bodies == [b"review 1", b"other"]
        assert client.registry.buffered == 0

    run(test)


@pytest.mark.parametrize(
    "request_bytes",
    [
        review(b"Connection: close"),
        review(version=b"1.0"),
        review(path=b"/mutate?timeout=5s#fragment"),
        review().replace(b"POST", b"PUT"),
        review(path=b"/mutate%2f"),
    ],
)
def test_other_requests_take_the_usual_way(request_bytes: bytes) -> None:
    async def test() -> None:
        client = Client()
        client.send(request_bytes)
        await turns(10)
        assert client.transport.bodies == [b"other"]
        assert client.app.received == []

    run(test)


def test_an_expectation_is_met_before_the_body() -> None:
    async def test() -> None:
        client = Client()
        head, _, body = review(b"Expect: 100-continue").partition(b"\r\n\r\n")
        client.send(head + b"\r\n\r\n")
        assert client.transport.written == [b"HTTP/1.1 100 Continue\r\n\r\n"]
        client.send(body)
        await turns(10)
        assert client.transport.bodies[-1] == b"other"

    run(test)


def test_an_announced_or_chunked_body_that_is_too_large_is_not_reviewed() -> None:
    async def test() -> None:
        for request_bytes in (
            review(body=b"x" * 11),
            b"POST /mutate HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n123456\r\n5\r\n12345\r\n",
        ):
            client = Client(Limits(body_max_bytes=10))
            client.send(request_bytes)
            await turns(10)
            assert client.app.received == []
            assert isinstance(client.connection.cycle.transport, LingeringClose)

    run(test)


def test_a_fault_is_an_error_with_a_status_and_no_verdict() -> None:
    async def test() -> None:
        client = Client()
        client.app.fails = True
        client.send(review())
        [written] = client.transport.written
        assert written.startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
        assert b"content-length: " in written
        assert b"allowed" not in written
        client.app.fails = False
        client.send(review())
        assert client.transport.bodies[-1] == b"review 1"

    run(test)


def test_a_service_that_ends_answers_and_closes() -> None:
    async def test() -> None:
        client = Client()
        head, _, body = review().partition(b"\r\n\r\n")
        client.send(head + b"\r\n\r\n")
        client.registry.ending = True
        client.send(body)
        assert client.transport.bodies == [b"review 1"]
        assert b"connection: close\r\n" in client.transport.written[0]
        assert client.transport.is_closing()
        client.send(review())
        assert len(client.transport.bodies) == 1

    run(test)


def test_a_client_that_leaves_answers_unread_gets_no_more_at_once() -> None:
    async def test() -> None:
        client = Client()
        client.connection.pause_writing()
        client.send(review())
        await turns(10)
        assert client.transport.written == []
        client.connection.resume_writing()
        await turns(10)
        assert client.transport.bodies == [b"other"]

    run(test)


def test_a_connection_is_closed_when_it_was_idle_for_long_enough() -> None:
    async def test() -> None:
        client = Client(keep_alive_s=1)
        for _ in range(4):
            client.send(review())
            await asyncio.sleep(0.4)
        assert not client.transport.is_closing()  # used 0.4 s ago, though it is older than a second
        await asyncio.sleep(1.2)
        assert client.transport.is_closing()
        assert len(client.transport.bodies) == 4

    run(test)


def test_a_connection_in_use_is_not_idle() -> None:
    async def test() -> None:
        client = Client(keep_alive_s=1)
        client.send(review())
        client.app.later = later = asyncio.Event()
        client.send(review())
        await asyncio.sleep(1.5)
        assert not client.transport.is_closing()
        later.set()
        await turns(10)
        assert len(client.transport.bodies) == 2

    run(test)


CHUNKED = b"POST /mutate HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "behind",
    [
        b"garbage\r\n\r\n",
        CHUNKED + b"zz\r\n",
        review().replace(b"Host: x", b"Host: x\r\nHost: y"),
        GET + CHUNKED + b"zz\r\n",
    ],
    ids=["no request", "a broken body", "a refused head", "a broken body behind another request"],
)
@pytest.mark.parametrize("apart", [False, True])
def test_what_is_refused_behind_a_review_that_waits_is_not_taken_for_its_answer(behind: bytes, *, apart: bool) -> None:
    async def test() -> None:
        client = Client()
        client.app.later = asyncio.Event()
        for data in (review(), behind) if apart else (review() + behind,):
            client.send(data)
        await turns(10)
        assert client.transport.bodies == []
        client.app.later.set()
        await turns(20)
        assert client.transport.bodies[0] == b"review 1"
        assert client.transport.bodies[1:] in ([], [b"other"])
        assert client.transport.closed

    run(test)


def test_a_time_out_behind_a_review_that_waits_is_not_taken_for_its_answer() -> None:
    async def test() -> None:
        client = Client()
        client.app.later = asyncio.Event()
        client.send(review() + review()[:-1])
        await turns(10)
        client.connection.close_now(TOO_SLOW)
        assert client.transport.bodies == []
        assert client.transport.aborted
        client.connection.connection_lost(None)
        client.app.later.set()
        await turns(10)
        assert client.registry.buffered == 0

    run(test)


def test_reviews_in_one_packet_do_not_keep_the_loop() -> None:
    async def test() -> None:
        client = Client()
        client.send(review() * (AT_ONCE_MAX + 10))
        assert len(client.transport.bodies) == AT_ONCE_MAX
        await turns(100)
        assert client.transport.bodies[AT_ONCE_MAX:] == [b"other"] * 10

    run(test)


def test_requests_that_wait_behind_one_are_few() -> None:
    """Each takes some kilobytes, of bytes that are a few dozen."""

    async def test() -> None:
        client = Client()
        client.app.later = asyncio.Event()
        client.send(review() + GET * 5000)
        assert len(client.connection.pipeline) <= PIPELINED_MAX
        client.app.later.set()
        await turns(10 * PIPELINED_MAX)
        assert client.transport.bodies == [b"review 1"] + [b"other"] * PIPELINED_MAX
        assert client.transport.closed

    run(test)
