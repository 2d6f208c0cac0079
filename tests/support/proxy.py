"""Proxies: the real tinyproxy, and one that misbehaves as no real one can be made to."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.processes import Running, free_port, started
from tests.support.programs import program


@contextlib.contextmanager
def start_tinyproxy(directory: Path, *, user: str = "", ports: tuple[int, ...] = ()) -> Iterator[Running]:
    """Run tinyproxy until the block is left.

    Args:
        user: ``USER PASSWORD``; empty: anybody.
        ports: the only ones that may be connected to; empty: all.
    """
    port = free_port()
    lines = [f"Port {port}", "Listen 127.0.0.1", "Timeout 30", "MaxClients 20", "LogLevel Connect"]
    lines += [f"BasicAuth {user}"] if user else []
    lines += [f"ConnectPort {allowed}" for allowed in ports]
    configuration = directory / "tinyproxy.conf"
    configuration.write_text("\n".join(lines) + "\n", encoding="utf-8")
    command: list[str | Path] = [program("tinyproxy"), "-d", "-c", configuration]
    with started(command, port=port, log=directory / "tinyproxy.log") as running:
        yield running


@dataclass(slots=True)
class OddProxy:
    """What it was sent (heads of requests), and where it listens."""

    port: int
    heads: list[bytes] = field(default_factory=list)

    @property
    def asked(self) -> list[str]:
        """The places that tunnels were asked for."""
        return [head.split()[1].decode() for head in self.heads]


@contextlib.contextmanager
def odd_proxy(
    answer: bytes = b"", *, places: Mapping[str, int] | None = None, stall: bool = False
) -> Iterator[OddProxy]:
    """A proxy on 127.0.0.1 until the block is left.

    Args:
        answer: sent to every request, before the connection is closed; empty: a tunnel.
        places: ports of 127.0.0.1 by ``HOST:PORT``: names that only the proxy knows.
        stall: nothing is ever answered.
    """
    stop = threading.Event()
    threads: list[threading.Thread] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        found = OddProxy(listener.getsockname()[1])

        def serve(connection: socket.socket) -> None:
            with connection, contextlib.suppress(OSError):
                connection.settimeout(20)
                head = b""
                while b"\r\n\r\n" not in head and (piece := connection.recv(4096)):
                    head += piece
                found.heads.append(head)
                if stall:
                    stop.wait(20)
                elif answer:
                    connection.sendall(answer)
                else:
                    _tunnel(connection, head, places or {})

        def accept() -> None:
            while not stop.is_set():
                with contextlib.suppress(OSError):
                    thread = threading.Thread(target=serve, args=(listener.accept()[0],))
                    threads.append(thread)
                    thread.start()

        listener.settimeout(0.1)
        acceptor = threading.Thread(target=accept)
        acceptor.start()
        try:
            yield found
        finally:
            stop.set()
            acceptor.join()
            for thread in threads:
                thread.join()


def _tunnel(client: socket.socket, head: bytes, places: Mapping[str, int]) -> None:
    wanted = head.split()[1].decode()
    port = places.get(wanted)
    if port is None:
        client.sendall(b"HTTP/1.1 502 no such place\r\n\r\n")
        return
    with socket.create_connection(("127.0.0.1", port), timeout=20) as server:
        client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        back = threading.Thread(target=_copy, args=(server, client))
        back.start()
        _copy(client, server)
        back.join()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(65536):
            sink.sendall(piece)
    for end in (source, sink):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
