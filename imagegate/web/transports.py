"""Two transports that uvicorn writes answers to in place of the connection's own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

LINGER_S = 2.0
"""How long the rest of a body that is too large is read and thrown away, so that its client can read the answer."""


class HeadWithBody:
    """A transport that sends the head of an answer together with the first piece of its body.

    uvicorn writes them one by one. In one write both arrive or neither, and a small answer takes one system call.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head: bytes | None = b""
        """The head, waiting for the body; empty before it was written, None after it was sent."""
        self.is_closing = transport.is_closing

    def write(self, data: bytes) -> None:
        """Hold back the first piece, which is the head; send it with the second; send all others at once."""
        if self._head is None:
            self._transport.write(data)
        elif not self._head:
            self._head = data
        else:
            head, self._head = self._head, None
            self._transport.write(head + data)

    def flush(self) -> None:
        """Send a head that still waits: the answer has no body."""
        if self._head:
            self._transport.write(self._head)
        self._head = None

    def close(self) -> None:
        """Send a head that still waits, and close."""
        self.flush()
        self._transport.close()


class LingeringClose:
    """A transport for the last answer of a connection: after it, input is thrown away for ``linger_s``, then it closes.

    A socket that is closed while it holds unread bytes sends a reset, and the client may lose the answer.

    Args:
        ignore_input: called when the connection must no longer parse what it receives.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        loop: asyncio.AbstractEventLoop,
        ignore_input: Callable[[], None],
        *,
        linger_s: float = LINGER_S,
    ) -> None:
        self._transport = transport
        self._loop = loop
        self._ignore_input = ignore_input
        self._linger_s = linger_s
        self.write = transport.write
        self.is_closing = transport.is_closing

    def flush(self) -> None:
        """Nothing is held back here; ``HeadWithBody`` has the same method."""

    def close(self) -> None:
        """Close for writing now, for reading after ``linger_s``."""
        self._ignore_input()
        if self._transport.is_closing():
            return
        if self._transport.can_write_eof():  # TLS cannot: there the client reads Connection: close
            self._transport.write_eof()
        self._loop.call_later(self._linger_s, self._transport.close)
