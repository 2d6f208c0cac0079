"""How evenly a server shares itself out among connections: as many requests as each can get answered, one by one."""

from __future__ import annotations

import contextlib
import selectors
import socket
import time
from pathlib import Path
from typing import cast

from bench.figures import WrongAnswer
from bench.servers import Server


def least_share(server: Server, path: str, body: Path, *, connections: int, seconds: float) -> float:
    """The requests of the connection that got fewest answered, over the mean of all; 1 is fair.

    Raises:
        WrongAnswer: an answer other than 200, or a connection that was closed.
    """
    content = body.read_bytes()
    head = f"POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
    request = f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content
    answered: dict[socket.socket, int] = {}
    with contextlib.ExitStack() as opened, selectors.EpollSelector() as selector:
        for _ in range(connections):
            each = socket.create_connection(("127.0.0.1", server.port), timeout=30)
            answered[opened.enter_context(each)] = 0
        for each in answered:
            selector.register(each, selectors.EVENT_READ, bytearray())
            each.sendall(request)
        ends = time.perf_counter() + seconds
        while time.perf_counter() < ends:
            for key, _ in selector.select(0.1):
                each, received = cast(socket.socket, key.fileobj), key.data
                received += each.recv(65536)
                if not _is_whole(received):
                    continue
                received.clear()
                answered[each] += 1
                each.sendall(request)
    return min(answered.values()) * len(answered) / max(sum(answered.values()), 1)


def _is_whole(received: bytearray) -> bool:
    head, end, rest = bytes(received).partition(b"\r\n\r\n")
    if received and not head.startswith(b"HTTP/1.1 200 "[: len(head)]):
        raise WrongAnswer(f"not 200: {head[:200]!r}")
    if not received:
        raise WrongAnswer("a connection was closed")
    if not end:
        return False
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
    return len(rest) >= length
