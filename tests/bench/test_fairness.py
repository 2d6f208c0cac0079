"""The share of the connection that is served least, of servers that are fair and that are not."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import cast

import pytest

from bench.fairness import least_share
from bench.figures import WrongAnswer
from bench.servers import Server

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@contextmanager
def answering(first: bytes, others: bytes) -> Iterator[Server]:
    """A server that answers every request on its first connection with ``first``."""
    threads: list[threading.Thread] = []

    def serve(client: socket.socket, answer: bytes) -> None:
        with client, suppress(ConnectionResetError, BrokenPipeError):  # as the client leaves when its time is over
            while client.recv(65536) and answer:
                client.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            for number in range(3):
                client, _ = listener.accept()
                threads.append(threading.Thread(target=serve, args=(client, others if number else first)))
                threads[-1].start()

        accepting = threading.Thread(target=accept)
        accepting.start()
        no_process = cast("subprocess.Popen[bytes]", None)
        yield Server("fake", listener.getsockname()[1], no_process, 0.0)
        accepting.join()
        for thread in threads:
            thread.join()


@pytest.fixture
def body(tmp_path: Path) -> Path:
    path = tmp_path / "body"
    path.write_bytes(b"{}")
    return path


def test_an_even_share(body: Path) -> None:
    with answering(ANSWER, ANSWER) as server:
        assert 0.2 < least_share(server, "/", body, connections=3, seconds=0.5) <= 1


def test_a_connection_that_is_never_answered_whole_has_none(body: Path) -> None:
    with answering(ANSWER[:-1], ANSWER) as server:
        assert least_share(server, "/", body, connections=3, seconds=0.5) == 0


@pytest.mark.parametrize("wrong", [b"", b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"])
def test_a_wrong_answer_is_no_figure(body: Path, wrong: bytes) -> None:
    with answering(wrong, ANSWER) as server, pytest.raises(WrongAnswer):
        least_share(server, "/", body, connections=3, seconds=0.5)
