"""Streams in the event loop: a task for each, no thread, and no work while nothing changes."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from imagegate.web.asgi_types import Receive, Send
from imagegate.web.feed import Feed
from imagegate.web.streams import Stream

FILL_THREADS = 2
"""Threads that read what is no longer in memory; streams wait for them, requests do not."""
WOKEN_AT_ONCE = 16
"""Streams that send in one turn of the loop. Each takes tens of microseconds; then requests have their turn."""
LARGE_BYTES = 128 * 1024
"""Larger pieces, which a single large object makes, are sent ``LARGE_AT_ONCE`` at a time."""
LARGE_AT_ONCE = 16
LARGE_S = 3.0
"""How long a client may take for a large piece while others wait to be sent theirs."""
LOOK_S = 0.5
"""How often it is checked whether the service ends, once for all streams."""


Close = Callable[[str], None]
"""Closes a client's connection at once, for a reason."""


class LoopStreams:
    """Sends the streams of one loop."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(FILL_THREADS, thread_name_prefix="streams")
        self._wakeups: dict[Feed[Any], _Wakeups] = {}
        self._large = _LargePieces()
        self._open: set[Stream] = set()
        self._is_looking = False

    def close(self) -> None:
        """Start nothing more in threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def send(self, stream: Stream, receive: Receive, send: Send, close: Close | None = None) -> None:
        """Send a stream until it has ended or its client has gone. The head of the answer was given to ``send``.

        Args:
            stream: what is sent.
            receive: says that the client has gone.
            send: takes the pieces.
            close: closes the client's connection; None where the server gives no such function.
        """
        loop = asyncio.get_running_loop()
        wakeups = self._wakeups.get(stream.feed)
        if wakeups is None:
            wakeups = self._wakeups[stream.feed] = _Wakeups(loop)
            stream.feed.listen(wakeups.wake_from_thread)
        gone = loop.create_task(_until_gone(receive))
        self._open.add(stream)
        self._look()
        try:
            while not gone.done():
                if stream.is_behind():
                    await loop.run_in_executor(self._threads, stream.fill)
                piece = stream.read()
                if piece is None:
                    await send({"type": "http.response.body", "body": b""})
                    return
                if len(piece) > LARGE_BYTES:
                    await self._large.send(piece, send, close)
                elif piece:
                    await _send(send, piece)
                elif not stream.is_behind():
                    await wakeups.wait(stream, gone)
        finally:
            self._open.discard(stream)
            gone.cancel()

    def _look(self) -> None:
        """Wake all streams if the service ends, else look again later."""
        if not self._is_looking and self._open:
            self._is_looking = True
            asyncio.get_running_loop().call_later(LOOK_S, self._look_again)

    def _look_again(self) -> None:
        self._is_looking = False
        if self._open and next(iter(self._open)).is_ending():  # all of them do or none
            for wakeups in self._wakeups.values():
                wakeups.wake()
        self._look()


class _LargePieces:
    """Sends large pieces a few at a time: one large object for thousands of watches would be that many copies."""

    def __init__(self) -> None:
        self._places = asyncio.Semaphore(LARGE_AT_ONCE)

    async def send(self, piece: bytes, send: Send, close: Close | None) -> None:
        """Return when the client has taken nearly all of it. One that is too slow while others wait is cut off."""
        async with self._places:
            hurrying = None if close is None else asyncio.get_running_loop().create_task(self._hurry(close))
            try:
                await _send(send, piece)
                await _send(send, b"")  # waits until the transport's buffer is nearly empty
            finally:
                if hurrying is not None:
                    hurrying.cancel()

    async def _hurry(self, close: Close) -> None:
        while True:
            await asyncio.sleep(LARGE_S)
            if self._places.locked():
                close("answer not read while others wait")
                return


class _Wakeups:
    """Wakes the streams that wait for one feed, a few in each turn of the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: dict[asyncio.Future[None], None] = {}
        self._due: deque[asyncio.Future[None]] = deque()

    def wake_from_thread(self) -> None:
        """Wake all of them; called in the feed's thread."""
        self._loop.call_soon_threadsafe(self.wake)

    def wake(self) -> None:
        """Wake all of them."""
        was_waking = bool(self._due)
        self._due.extend(self._waiting)
        self._waiting.clear()
        if not was_waking:
            self._wake_some()

    def _wake_some(self) -> None:
        for _ in range(min(WOKEN_AT_ONCE, len(self._due))):
            _finish(self._due.popleft())
        if self._due:
            self._loop.call_soon(self._wake_some)

    async def wait(self, stream: Stream, gone: asyncio.Task[None]) -> None:
        """Return when the stream may have something to send, or its client has gone."""
        woken: asyncio.Future[None] = self._loop.create_future()
        self._waiting[woken] = None
        timer = self._loop.call_later(max(stream.due() - time.monotonic(), 0.0), _finish, woken)

        def finish(_gone: object) -> None:
            _finish(woken)

        gone.add_done_callback(finish)
        if stream.feed.last > stream.position or stream.feed.problem:  # came before this one waited
            _finish(woken)
        try:
            await woken
        finally:
            timer.cancel()
            gone.remove_done_callback(finish)
            self._waiting.pop(woken, None)


def _finish(woken: asyncio.Future[None]) -> None:
    if not woken.done():
        woken.set_result(None)


async def _send(send: Send, piece: bytes) -> None:
    await send({"type": "http.response.body", "body": piece, "more_body": True})


async def _until_gone(receive: Receive) -> None:
    with contextlib.suppress(asyncio.CancelledError):
        while (await receive())["type"] != "http.disconnect":
            pass
