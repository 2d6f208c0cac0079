"""A Service in small: connections to one port go to servers that say they are ready.

As with kube-proxy a connection stays where it is, one to a server that is gone fails, and nobody tries another server.
"""

from __future__ import annotations

import contextlib
import http.client
import itertools
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence

LOOK_EVERY_S = 0.25
_PIECE = 64 * 1024


class Balancer:
    """Follows ``/readyz`` of servers with TLS on 127.0.0.1.

    Args:
        ports: of the servers; they may come later.
    """

    def __init__(self, ports: Sequence[int]) -> None:
        self.ports = list(ports)
        self.ready: tuple[int, ...] = ()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port: int = self._listener.getsockname()[1]
        self._next = itertools.count()
        self._ends = threading.Event()
        self._threads: list[threading.Thread] = []
        self._open: set[socket.socket] = set()

    @contextlib.contextmanager
    def running(self) -> Iterator[Balancer]:
        """Until the block is left."""
        self._start(self._keep_looking)
        self._start(self._keep_accepting)
        try:
            yield self
        finally:
            self._ends.set()
            for each in (self._listener, *self._open):
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
            for thread in self._threads:
                thread.join()
            self._listener.close()

    def look(self) -> None:
        """Ask every server once whether it is ready."""
        self.ready = tuple(port for port in self.ports if is_ready(port))

    def _start(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments)
        self._threads.append(thread)
        thread.start()

    def _keep_looking(self) -> None:
        while not self._ends.wait(LOOK_EVERY_S):
            self.look()

    def _keep_accepting(self) -> None:
        while not self._ends.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._start(self._forward, client)

    def _forward(self, client: socket.socket) -> None:
        ready = self.ready
        with client:
            if not ready:
                return
            try:
                server = socket.create_connection(("127.0.0.1", ready[next(self._next) % len(ready)]), timeout=10)
            except OSError:
                return
            with server:
                server.settimeout(None)
                both = {client, server}
                self._open |= both
                back = threading.Thread(target=_pipe, args=(server, client))
                back.start()
                _pipe(client, server)
                back.join()
                self._open -= both


def _pipe(source: socket.socket, target: socket.socket) -> None:
    try:
        while piece := source.recv(_PIECE):
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        for each in (source, target):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


def is_ready(port: int) -> bool:
    """Whether a server says so, as the kubelet asks: without a look at its certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=2, context=context)
    with contextlib.closing(connection):
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
