"""States of a connection that a real client cannot bring about at will; test_event_loop.py has the others."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from uvicorn.config import Config
from uvicorn.server import ServerState

from imagegate.web.connections import Connections, Limits
from imagegate.web.http_connection import Connection
from imagegate.web.wsgi_bridge import environ_of


class Gone(asyncio.Transport):
    """A transport whose client has gone already: it knows no address any more."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.aborted = False

    def can_write_eof(self) -> bool:
        return False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def close(self) -> None:
        pass

    def abort(self) -> None:
        self.aborted = True

    def is_closing(self) -> bool:
        return self.aborted


async def ok(scope: Any, receive: Any, send: Any) -> None:
    """An application that answers in the loop's next turn but one."""
    await asyncio.sleep(0)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def connection(registry: Connections, peer: str = "203.0.113.5") -> Connection:
    config = Config(ok, interface="asgi3", proxy_headers=False, lifespan="off")
    made = Connection(registry, config, ServerState(), raw=socket.socket(), peer=(peer, 40000))
    made._raw.close()
    made.connection_made(Gone())
    return made


def test_a_client_that_has_gone_is_not_taken_for_this_machine() -> None:
    async def run() -> None:
        made = connection(Connections(Limits()))
        made.data_received(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        environ = environ_of(made.scope, b"")
        assert environ["REMOTE_ADDR"] == "203.0.113.5"
        await turns()

    asyncio.run(run())


def test_the_client_with_most_unfinished_connections_makes_room_oldest_first() -> None:
    async def run() -> None:
        told: list[str] = []
        registry = Connections(Limits(), told.append)
        many = [connection(registry) for _ in range(3)]
        one = connection(registry, "203.0.113.9")
        assert registry.make_room()
        assert [each.transport.aborted for each in (*many, one)] == [True, False, False, False]
        assert told == ["too many connections"]
        assert registry.all == {*many[1:], one}

    asyncio.run(run())


def test_nobody_makes_room_who_is_being_answered() -> None:
    async def run() -> None:
        registry = Connections(Limits())
        busy = connection(registry)
        busy.data_received(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert not registry.make_room()
        assert not busy.transport.aborted
        await turns()
        assert busy.transport.written[0].endswith(b"\r\n\r\nok")
        assert registry.make_room()
        assert busy.transport.aborted
        await turns()

    asyncio.run(run())


def test_room_for_bytes_is_made_by_one_connection_where_one_is_enough() -> None:
    async def run() -> None:
        told: list[str] = []
        registry = Connections(Limits(buffered_max_bytes=1000), told.append)
        head = b"POST /mutate HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n"
        first, second, third = (connection(registry) for _ in range(3))
        first.data_received(head + b" " * 400)
        second.data_received(head + b" " * 500)
        third.data_received(head + b" " * 300)  # in the same turn of the loop, before the end of the second is reported
        assert [each.transport.aborted for each in (first, second, third)] == [False, True, False]
        assert third.transport.written == []
        assert (told, registry.buffered) == (["too many bytes"], 700)
        second.connection_lost(None)
        assert registry.buffered == 700

    asyncio.run(run())


def test_a_refused_request_gives_its_room_back_while_the_connection_lingers() -> None:
    async def run() -> None:
        told: list[str] = []
        registry = Connections(Limits(buffered_max_bytes=1000), told.append)
        head = b"POST /mutate HTTP/1.1\r\nHost: x\r\nContent-Length: 1100\r\n\r\n"
        small, large = connection(registry), connection(registry)
        small.data_received(head + b" " * 100)
        large.data_received(head + b" " * 800)
        assert registry.buffered == 900
        large.data_received(b" " * 200)  # it is the largest itself
        assert large.transport.written[0].startswith(b"HTTP/1.1 503 ")
        assert (told, registry.buffered, large.cycle.body) == (["refused with 503"], 100, b"")
        small.data_received(b" " * 899)
        assert not small.transport.aborted
        assert (told, registry.buffered) == (["refused with 503"], 999)

    asyncio.run(run())


def test_bytes_are_counted_and_given_back() -> None:
    async def run() -> None:
        registry = Connections(Limits())
        made = connection(registry)
        made.data_received(b"POST /mutate HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345")
        assert registry.buffered == 5
        made.connection_lost(None)
        assert registry.buffered == 0
        assert registry.all == set()

    asyncio.run(run())
