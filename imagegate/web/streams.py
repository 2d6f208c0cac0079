"""Answers without an end: watches of the image API and live views of the console.

One object says what is sent (``Stream``) and never waits. Two faces drive it: the event loop as a task
(``web.loop_streams``), and the thread of a plain WSGI server as an iterator (``StreamBody``).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from flask import Response

from imagegate.web.feed import Feed

HANDOVER = "imagegate.handover"
"""Key in the WSGI environment: a ``Handover``, if the server drives streams itself."""
IN_THREADS_MAX = 6
"""Streams of a process whose threads serve everything: each occupies one, and admission needs threads too."""
QUIET_IN_THREAD_S, QUIET_IN_LOOP_S = 10.0, 60.0
"""After so long without anything to send, something is sent: a thread notices only by that that its client has gone;
the event loop is told, and sends it for proxies that close idle connections."""
_LOOK_S = 1.0
"""How often a thread looks whether the service ends."""


class Stream(Protocol):
    """The part of the changes that one client is sent. Methods are called by one thread at a time."""

    feed: Feed[Any]
    """Has what is sent next."""
    position: int
    """The number of the feed's item that was sent last."""

    def is_behind(self) -> bool:
        """True if ``fill`` must be called before ``read``."""

    def fill(self) -> None:
        """Read what is not in the feed's memory. May wait for a disk, so the loop calls it in a thread."""

    def read(self) -> bytes | None:
        """Bytes that can be sent now, empty if there is nothing; None: the stream has ended. Never waits."""

    def due(self) -> float:
        """When ``read`` has something without a new item, on the monotonic clock."""

    def is_ending(self) -> bool:
        """True if the service ends; ``read`` then says that the stream has ended."""


class Handover:
    """The way by which an application gives a stream to the server that called it.

    Args:
        most: streams of this process at a time.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.stream: Stream | None = None


class TooManyStreams(Exception):
    """There are as many streams as the process may have. ``most`` is the limit."""

    def __init__(self, most: int) -> None:
        super().__init__(f"this server has {most} watches already, please try again later")
        self.most = most


class Places:
    """Counts the streams of a process."""

    def __init__(self, in_threads_max: int = IN_THREADS_MAX) -> None:
        self._in_threads_max = in_threads_max
        self._lock = threading.Lock()
        self._taken = 0

    def take(self, environ: Mapping[str, Any]) -> None:
        """Take a place.

        Args:
            environ: of the request.

        Raises:
            TooManyStreams: there is none left.
        """
        handover: Handover | None = environ.get(HANDOVER)
        most = self._in_threads_max if handover is None else handover.most
        with self._lock:
            if self._taken >= most:
                raise TooManyStreams(most)
            self._taken += 1

    def free(self) -> None:
        """Give a place back."""
        with self._lock:
            self._taken -= 1


def quiet_s(environ: Mapping[str, Any]) -> float:
    """How long a stream of this request may send nothing."""
    return QUIET_IN_LOOP_S if HANDOVER in environ else QUIET_IN_THREAD_S


def stream_response(
    stream: Stream, environ: Mapping[str, Any], content_type: str, *, end: Callable[[], None]
) -> Response:
    """The response that sends a stream.

    Args:
        stream: what is sent.
        environ: of the request.
        content_type: of the response.
        end: called once, when the server is done with it, begun or not.
    """
    handover: Handover | None = environ.get(HANDOVER)
    if handover is not None:
        handover.stream = stream
    return Response(StreamBody(stream, end), content_type=content_type)


class StreamBody:
    """A stream as the body of a WSGI response."""

    def __init__(self, stream: Stream, end: Callable[[], None]) -> None:
        self._stream = stream
        self._end: Callable[[], None] | None = end

    def __iter__(self) -> Iterator[bytes]:
        """The pieces; waits for them in the calling thread."""
        stream = self._stream
        yield b""  # the head is sent: clients wait for it, even if nothing comes for long
        while True:
            if stream.is_behind():
                stream.fill()
            piece = stream.read()
            if piece is None:
                return
            if piece:
                yield piece
            else:
                stream.feed.wait(stream.position, min(_LOOK_S, max(stream.due() - time.monotonic(), 0.0)))

    def close(self) -> None:
        """Called by the server at the end, also after an error."""
        end, self._end = self._end, None
        if end is not None:
            end()
