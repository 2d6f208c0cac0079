"""HTTP servers in the test process, for answers that no real program gives on request."""

from __future__ import annotations

import abc
import contextlib
import socket
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

from tests.support.certificates import Certificate


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came."""

    method: str
    target: str
    """Path and query as sent, still escaped."""
    headers: Mapping[str, str]
    """By lower-case name."""
    body: bytes = b""

    @property
    def path(self) -> str:
        """The path, unescaped, without the query."""
        return unquote(urlsplit(self.target).path)

    @property
    def query(self) -> dict[str, list[str]]:
        """The query's values by name."""
        return parse_qs(urlsplit(self.target).query, keep_blank_values=True)


@dataclass(frozen=True, slots=True)
class Response:
    """What to answer. A body that is an iterable of pieces is sent chunked, each piece at once."""

    status: int = 200
    body: bytes | Iterable[bytes] = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    """How long to wait before the first byte."""
    drop: bool = False
    """Close the connection without a word."""
    cut_after: int | None = None
    """Announce the whole body, send this many bytes of it, close."""


class Simulator(abc.ABC):
    """A server on 127.0.0.1 while its ``with`` block runs. Requests are answered in threads.

    An exception in ``answer`` is answered 500 and raised again when the block is left: it is a fault
    of the test, not a behaviour of the peer.
    """

    def __init__(self, *, tls: Certificate | None = None, port: int = 0) -> None:
        self.requests: list[Request] = []
        self.stopping = threading.Event()
        """Set when the server is about to stop; endless bodies should look at it."""
        self._failures: list[Exception] = []
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._tls = tls
        self._server = _Server(("127.0.0.1", port), self)
        if tls is not None:
            self._server.socket = tls.server_context().wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    @abc.abstractmethod
    def answer(self, request: Request) -> Response:
        """The answer to one request. Called in a thread of its own."""

    @property
    def port(self) -> int:
        """The port it listens on."""
        port: int = self._server.server_address[1]
        return port

    @property
    def host(self) -> str:
        """``127.0.0.1:PORT``."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """``http[s]://127.0.0.1:PORT``, without a final slash."""
        return f"{'http' if self._tls is None else 'https'}://{self.host}"

    def count(self, method: str = "", path: str = "") -> int:
        """How many requests came with this method and a path beginning so; empty: any."""
        return sum(
            1
            for request in list(self.requests)
            if (not method or request.method == method) and request.path.startswith(path)
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stopping.set()
        self._server.shutdown()
        with self._lock:
            for connection in self._connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        self._server.server_close()
        self._thread.join()
        if self._failures and exception[0] is None:
            raise self._failures[0]

    def _answer_safely(self, request: Request) -> Response:
        with self._lock:
            self.requests.append(request)
        try:
            return self.answer(request)
        except Exception as error:  # noqa: BLE001 - raised again by __exit__
            self._failures.append(error)
            return Response(500, repr(error).encode())

    def _note(self, connection: socket.socket, *, opened: bool) -> None:
        with self._lock:
            (self._connections.add if opened else self._connections.discard)(connection)


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    block_on_close = True
    request_queue_size = 256

    def __init__(self, address: tuple[str, int], simulator: Simulator) -> None:
        super().__init__(address, _Handler)
        self.simulator = simulator

    def server_bind(self) -> None:
        # Without the base class's look-up of this host's name.
        socket_server_bind(self)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""


def socket_server_bind(server: ThreadingHTTPServer) -> None:
    """Bind without resolving names."""
    server.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.socket.bind(server.server_address)
    server.server_address = server.socket.getsockname()
    server.server_name, server.server_port = "localhost", server.server_address[1]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # headers and body are two writes: else 40 ms for each answer
    server: _Server

    def setup(self) -> None:
        self.server.simulator._note(self.request, opened=True)
        super().setup()

    def finish(self) -> None:
        with contextlib.suppress(OSError):
            super().finish()
        self.server.simulator._note(self.request, opened=False)

    def parse_request(self) -> bool:
        parsed = super().parse_request()
        if parsed:
            setattr(self, f"do_{self.command}", self._serve)
        return parsed

    def _serve(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, self.path, headers, self._body(headers))
        response = self.server.simulator._answer_safely(request)
        if response.delay_s:
            self.server.simulator.stopping.wait(response.delay_s)
        if response.drop:
            self.close_connection = True
            return
        with contextlib.suppress(OSError):
            self._send(response)

    def _body(self, headers: Mapping[str, str]) -> bytes:
        if headers.get("transfer-encoding", "").lower() != "chunked":
            return self.rfile.read(int(headers.get("content-length", 0)))
        pieces = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)

    def _send(self, response: Response) -> None:
        self.send_response(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value)
        if not isinstance(response.body, bytes):
            self._send_chunked(response.body)
            return
        if not any(name.lower() == "content-length" for name in response.headers):
            self.send_header("Content-Length", str(len(response.body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        self.wfile.write(response.body[: response.cut_after])
        if response.cut_after is not None:
            self.close_connection = True

    def _send_chunked(self, pieces: Iterable[bytes]) -> None:
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for piece in pieces:
            if piece:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: tests look at ``requests``."""
