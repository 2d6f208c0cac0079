"""Clients that take their time, all in one thread."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(slots=True)
class SlowClients:
    """What became of them."""

    answers: list[bytes] = field(default_factory=list)
    """The first bytes that a client read, empty where its connection was closed without a word."""
    connected: int = 0


@contextlib.contextmanager
def slow_clients(port: int, count: int, *, first: bytes, drip: bytes, every_s: float = 0.2) -> Iterator[SlowClients]:
    """While the block runs: ``count`` connections that send ``first`` at once and ``drip`` a byte at a time."""
    seen = SlowClients()
    ends = threading.Event()

    def run() -> None:
        with selectors.DefaultSelector() as selector, contextlib.ExitStack() as stack:
            opened: dict[socket.socket, int] = {}
            for _ in range(count):
                client = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30))
                client.sendall(first)
                client.setblocking(False)
                selector.register(client, selectors.EVENT_READ)
                opened[client] = 0
                seen.connected += 1
            drip_at = time.monotonic()
            while not ends.is_set():
                for key, _ in selector.select(0.05):
                    client = key.fileobj  # type: ignore[assignment]
                    try:
                        seen.answers.append(client.recv(4096))
                    except ConnectionResetError:
                        seen.answers.append(b"")
                    selector.unregister(client)
                    opened.pop(client)
                if time.monotonic() >= drip_at:
                    drip_at = time.monotonic() + every_s
                    for client, sent in list(opened.items()):
                        with contextlib.suppress(OSError):
                            client.send(drip[sent : sent + 1])
                        opened[client] = sent + 1

    thread = threading.Thread(target=run, name="slow clients")
    thread.start()
    try:
        yield seen
    finally:
        ends.set()
        thread.join()
