"""Watches over raw connections: thousands of them, and clients that do not behave."""

from __future__ import annotations

import contextlib
import json
import selectors
import socket
import struct
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

MAPS = "/api/v1/namespaces/default/configmaps"
FROM_NOW = "watch=1&sendInitialEvents=false&resourceVersionMatch=NotOlderThan"


@dataclass(slots=True)
class Client:
    """One client: what it has received."""

    connection: socket.socket
    received: bytearray = field(default_factory=bytearray)
    has_ended: bool = False
    """True once the service has closed the connection."""

    @property
    def status(self) -> int:
        """Of the answer; 0 while there is none."""
        return int(self.received[9:12]) if len(self.received) >= 12 else 0

    @property
    def is_whole(self) -> bool:
        """True if the answer has come to its end."""
        return self.received.endswith(b"0\r\n\r\n")

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events that were received whole."""
        _, _, rest = bytes(self.received).partition(b"\r\n\r\n")
        body = b""
        while rest:
            size, _, after = rest.partition(b"\r\n")
            if not size or len(after) < int(size, 16):
                break
            body, rest = body + after[: int(size, 16)], after[int(size, 16) + 2 :]
        return [json.loads(line) for line in body.splitlines() if line]

    def reset(self) -> None:
        """Close with a reset instead of an end."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()


class Clients(list[Client]):
    """Several of them."""

    def read(self, seconds: float) -> None:
        """Receive what comes within so many seconds."""
        until = time.monotonic() + seconds
        with selectors.DefaultSelector() as selector:
            for client in self:
                if client.connection.fileno() >= 0 and not client.has_ended:
                    selector.register(client.connection, selectors.EVENT_READ, client)
            while selector.get_map() and (left := until - time.monotonic()) > 0:
                for key, _ in selector.select(min(left, 0.1)):
                    client = key.data
                    with contextlib.suppress(BlockingIOError):
                        try:
                            piece = client.connection.recv(1 << 16)
                        except ConnectionResetError:
                            piece = b""
                        client.received += piece
                        if not piece:
                            client.has_ended = True
                            selector.unregister(client.connection)

    def read_until(self, holds: Any, what: str, seconds: float = 30) -> None:
        """Receive until ``holds(client)`` for all.

        Raises:
            TimeoutError: some do not get there; ``what`` says where.
        """
        until = time.monotonic() + seconds
        while missing := [client for client in self if not holds(client)]:
            if time.monotonic() > until:
                received = bytes(missing[0].received)
                raise TimeoutError(f"{len(missing)} of {len(self)} wait for {what}: {received!r:.500}")
            Clients(missing).read(0.05)


@contextlib.contextmanager
def watching(
    port: int, count: int, path: str = f"{MAPS}?{FROM_NOW}", *, receive_bytes: int = 0, headers: Sequence[str] = ()
) -> Iterator[Clients]:
    """So many watches; all have their answers' heads when the block begins."""
    clients = Clients()
    lines = "".join(f"{header}\r\n" for header in headers)
    try:
        for _ in range(count):
            connection = socket.socket()
            if receive_bytes:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
            clients.append(Client(connection))
            connection.connect(("127.0.0.1", port))
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n".encode())
            connection.setblocking(False)
            if len(clients) % 64 == 0:
                Clients(clients[-64:]).read_until(lambda client: b"\r\n\r\n" in client.received, "the head")
        clients.read_until(lambda client: b"\r\n\r\n" in client.received, "the head")
        yield clients
    finally:
        for client in clients:
            client.connection.close()
