"""Streams as tasks of the event loop: woken a few at a time, filled in threads, ended with their clients."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from imagegate.web import loop_streams
from imagegate.web.feed import Feed, Item
from imagegate.web.loop_streams import WOKEN_AT_ONCE, LoopStreams
from imagegate.web.streams import HANDOVER, StreamBody
from imagegate.web.wsgi_bridge import Bridge

SCOPE: dict[str, Any] = {
    "type": "http",
    "method": "GET",
    "path": "/a",
    "query_string": b"",
    "http_version": "1.1",
    "scheme": "http",
    "headers": [],
}


class Numbers:
    """A source whose items are numbers."""

    last = 0

    def position(self) -> int:
        return self.last

    @contextlib.contextmanager
    def news(self) -> Iterator[Callable[[], object]]:
        yield lambda: self.last

    def read(self, after: int) -> tuple[list[Item[int]], int]:
        return [Item(number, 1, number) for number in range(after + 1, self.last + 1)], self.last


class Told:
    """A stream that tells the numbers."""

    def __init__(self, feed: Feed[int], *, behind: bool = False) -> None:
        self.feed: Feed[Any] = feed
        self.position = feed.last
        self.ending = False
        self.behind = behind
        self.threads: set[int] = set()
        self.closed = 0

    def is_behind(self) -> bool:
        return self.behind

    def fill(self) -> None:
        self.threads.add(threading.get_ident())
        self.behind = False

    def read(self) -> bytes | None:
        if self.ending:
            return None
        entries, self.position = self.feed.after(self.position)
        return b"".join(b"%d," % entry.item.value for entry in entries)

    def due(self) -> float:
        return time.monotonic() + 60

    def is_ending(self) -> bool:
        return self.ending

    def close(self) -> None:
        self.closed += 1


class Client:
    """The other side of a stream."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.gone = asyncio.Event()

    async def receive(self) -> dict[str, Any]:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        self.messages.append(message)

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages)

    @property
    def has_end(self) -> bool:
        return bool(self.messages) and not self.messages[-1].get("more_body", False)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0.01)


def run(test: Callable[[Feed[int], Numbers, LoopStreams], Awaitable[None]]) -> None:
    source = Numbers()
    feed = Feed(source, poll_s=0.01)
    streams = LoopStreams()
    feed.open()
    try:
        asyncio.run(test(feed, source, streams))  # type: ignore[arg-type]
    finally:
        feed.close()
        streams.close()


def test_all_are_woken_and_the_loop_has_a_turn_in_between() -> None:
    async def test(feed: Feed[int], source: Numbers, streams: LoopStreams) -> None:
        clients = [Client() for _ in range(500)]
        tasks = [asyncio.create_task(streams.send(Told(feed), client.receive, client.send)) for client in clients]
        await asyncio.sleep(0.1)
        in_one_turn: list[int] = []
        sent = 0

        def turn() -> None:
            nonlocal sent
            now = sum(len(client.messages) for client in clients)
            in_one_turn.append(now - sent)
            sent = now
            if sent < len(clients):
                asyncio.get_running_loop().call_soon(turn)

        source.last = 1
        turn()
        await until(lambda: all(client.body == b"1," for client in clients))
        await until(lambda: sent == len(clients))
        assert max(in_one_turn) <= 2 * WOKEN_AT_ONCE
        for client in clients:
            client.gone.set()
        await asyncio.wait_for(asyncio.gather(*tasks), 10)
        assert not any(client.has_end for client in clients), "an end would be sent to nobody"

    run(test)


def test_what_is_not_in_memory_is_read_in_a_thread() -> None:
    async def test(feed: Feed[int], source: Numbers, streams: LoopStreams) -> None:
        client, stream = Client(), Told(feed, behind=True)
        task = asyncio.create_task(streams.send(stream, client.receive, client.send))
        source.last = 2
        await until(lambda: client.body == b"1,2,")
        assert stream.threads
        assert threading.get_ident() not in stream.threads
        client.gone.set()
        await asyncio.wait_for(task, 10)

    run(test)


def test_the_end_of_the_service_ends_streams_that_wait() -> None:
    async def test(feed: Feed[int], _source: Numbers, streams: LoopStreams) -> None:
        client, stream = Client(), Told(feed)
        task = asyncio.create_task(streams.send(stream, client.receive, client.send))
        await asyncio.sleep(0.05)
        stream.ending = True
        await asyncio.wait_for(task, loop_streams.LOOK_S + 5)
        assert client.has_end

    run(test)


def test_a_client_that_does_not_take_its_piece_holds_only_itself() -> None:
    async def test(feed: Feed[int], source: Numbers, streams: LoopStreams) -> None:
        slow, quick = Client(), Client()

        async def never(_message: dict[str, Any]) -> None:
            await slow.gone.wait()

        tasks = [
            asyncio.create_task(streams.send(Told(feed), slow.receive, never)),
            asyncio.create_task(streams.send(Told(feed), quick.receive, quick.send)),
        ]
        await asyncio.sleep(0.05)
        for number in range(1, 6):
            source.last = number
            await until(lambda number=number: quick.body.endswith(b"%d," % number))  # type: ignore[misc]
        slow.gone.set()
        quick.gone.set()
        await asyncio.wait_for(asyncio.gather(*tasks), 10)

    run(test)


def test_the_bridge_hands_streams_over_but_not_for_a_head_request() -> None:
    async def test(feed: Feed[int], _source: Numbers, _streams: LoopStreams) -> None:
        made: list[Told] = []

        def application(environ: dict[str, Any], start_response: Any) -> Any:
            start_response("200 OK", [("Content-Type", "text/plain")])
            stream = Told(feed)
            stream.ending = True
            made.append(stream)
            environ[HANDOVER].stream = stream
            assert environ[HANDOVER].most == 3
            return StreamBody(stream, stream.close)

        bridge = Bridge(application, threads=1, streams=3)
        for method in ("GET", "HEAD"):
            client = Client()
            await bridge.answer({**SCOPE, "method": method}, b"", client.receive, client.send)
            assert client.messages[0]["headers"] == [(b"content-type", b"text/plain")]
            assert client.has_end
        assert [stream.closed for stream in made] == [1, 1]
        bridge.close()

    run(test)
