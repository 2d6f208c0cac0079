"""gunicorn's worker with an event loop: connections cost memory, threads are for work.

gunicorn stays the master (preload, signals, hooks, replacing of workers); uvicorn parses and answers. This module
accepts: a TLS context for each connection, room for new ones where there are too many, and a service that runs out of
descriptors waits a little instead of ending.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import resource
import signal
import socket
import ssl
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from uvicorn.server import Server
from uvicorn_worker import UvicornWorker

from imagegate.web.asgi import AsgiApplication
from imagegate.web.connections import Connection, Connections, Limits

ACCEPTED_AT_ONCE = 64
"""Then the other workers, and what is under way, have their turn."""
DESCRIPTORS_KEPT = 160
"""For files, the store and look-ups: connections never take the last ones."""
CONNECTIONS_MAX = 16384
IDLE_S = 2.0
"""How long a kept-alive connection may still send a request after SIGTERM, where new ones are not accepted."""
LAST_S = 0.5
"""How long the last connections that were accepted may take to send a request."""
_PAUSE_S = 0.1
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

_log = logging.getLogger("imagegate.server")


def connections_max() -> int:
    """How many connections a worker may have with the descriptors that it may open."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if descriptors == resource.RLIM_INFINITY:
        return CONNECTIONS_MAX
    return min(CONNECTIONS_MAX, max(descriptors - DESCRIPTORS_KEPT, descriptors // 3))


class LoopServer(Server):
    """uvicorn's server, with listening, limits and ending of our own."""

    def __init__(self, worker: EventLoopWorker, connections: Connections) -> None:
        super().__init__(worker.config)
        self._worker = worker
        self._connections = connections
        self._listening: dict[int, Any] = {}
        self._is_accepting = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._reserve = _reserved()
        self._at_once = False
        self.servers: list[Any] = []  # uvicorn's own, of which there are none

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Until SIGTERM, or at once until SIGINT or SIGQUIT."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._end)
        for each in (signal.SIGINT, signal.SIGQUIT):
            loop.add_signal_handler(each, self._end_at_once)
        await self._serve(sockets)

    def _end(self) -> None:
        self._worker.alive = False  # not ready any more
        self._connections.ending = True
        self.should_exit = True

    def _end_at_once(self) -> None:
        self._at_once = True
        self._end()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to accept."""
        for listener in sockets or ():
            self._listening[listener.fileno()] = listener
        self._connections.freed = self._accept_again
        self._accept_again()
        self.started = True

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second."""
        if counter % 5 == 0:
            self._connections.close_late(time.monotonic())
        return bool(await super().on_tick(counter))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002 - uvicorn's signature
        """Answer for a while, telling clients to close; then accept no more; then finish what is under way."""
        began = time.monotonic()
        drain_s, graceful_s = (0.0, 0.0) if self._at_once else self._worker.times_to_end()
        connections = self._connections
        for connection in list(connections.all):
            if connection.cycle is not None and not connection.cycle.response_complete:
                connection.cycle.keep_alive = False
        await self._wait(began + drain_s, lambda: False)
        self._stop_accepting()
        patience_s = max(drain_s + LAST_S, IDLE_S)
        await self._wait(began + min(patience_s, graceful_s), lambda: not connections.all)
        for connection in list(connections.all):
            if connection.is_silent():
                connection.cut_off("the service ends")
        await self._wait(began + graceful_s, lambda: not connections.all and not self.server_state.tasks)
        for connection in list(connections.all):
            connection.cut_off("the service ends")

    async def _wait(self, until: float, done: Callable[[], bool]) -> None:
        tick = 1
        while time.monotonic() < until and not done() and not self._at_once:
            await asyncio.sleep(0.05)
            await self.on_tick(tick * 5)
            tick += 1

    def _accept_again(self) -> None:
        if not self._is_accepting and self._listening:
            self._is_accepting = True
            for descriptor, listener in self._listening.items():
                asyncio.get_running_loop().add_reader(descriptor, self._accept, listener)

    def _pause(self, seconds: float | None) -> None:
        """Accept nothing for a while; None: until a connection has ended."""
        if self._is_accepting:
            self._is_accepting = False
            for descriptor in self._listening:
                asyncio.get_running_loop().remove_reader(descriptor)
        if seconds is not None:
            asyncio.get_running_loop().call_later(seconds, self._accept_again)

    def _stop_accepting(self) -> None:
        """Take what has connected already, and close."""
        for listener in self._listening.values():
            self._accept(listener, at_once=1 << 16)
        self._pause(None)
        listeners, self._listening = self._listening, {}
        for listener in listeners.values():
            listener.close()

    def _accept(self, listener: Any, at_once: int = ACCEPTED_AT_ONCE) -> None:
        connections = self._connections
        for _ in range(at_once):
            if len(connections.all) >= connections.limits.connections and not connections.make_room():
                self._pause(None)
                return
            try:
                raw, address = listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _EXHAUSTED:
                    _log.error("cannot accept: %s", error)
                self._exhausted(listener, error)
                return
            raw.setblocking(False)
            self._begin(raw, address)

    def _begin(self, raw: socket.socket, address: Any) -> None:
        peer = (str(address[0]), int(address[1])) if isinstance(address, tuple) else None
        connection = Connection(self._connections, self.config, self.server_state, raw=raw, peer=peer)
        task = asyncio.get_running_loop().create_task(self._connect(connection, raw))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, connection: Connection, raw: socket.socket) -> None:
        """Give the connection its transport, after the handshake where there is one."""
        context = self._worker.tls_context()
        tls: dict[str, Any] = {}
        if context is not None:
            limit_s = self._connections.limits.handshake_s
            tls = {"ssl": context, "ssl_handshake_timeout": limit_s, "ssl_shutdown_timeout": 5.0}
        try:
            await asyncio.get_running_loop().connect_accepted_socket(lambda: connection, raw, **tls)
        except (OSError, EOFError, ssl.SSLError, RuntimeError) as error:
            _log.debug("no connection: %s", error, extra={"client": connection.peer})
            if connection in self._connections.all and isinstance(error, TimeoutError):
                self._connections.note("handshake not complete in time", connection.peer)
        finally:
            if connection.transport is None:
                self._connections.forget(connection)
                raw.close()

    def _exhausted(self, listener: Any, error: OSError) -> None:
        """No descriptor is left: somebody else's connection is closed, else this one is, and the next wait a little."""
        self._connections.note(f"cannot accept: {os.strerror(error.errno or 0)}")
        if not self._connections.make_room() and self._reserve is not None:
            os.close(self._reserve)
            with contextlib.suppress(OSError):
                listener.accept()[0].close()
            self._reserve = _reserved()
        self._pause(_PAUSE_S)


def _reserved() -> int | None:
    """A descriptor to give up when there is no other."""
    with contextlib.suppress(OSError):
        return os.open(os.devnull, os.O_RDONLY)
    return None


class LoopOptions(NamedTuple):
    """What the operator chooses of the event loop."""

    limits: Limits = Limits()
    drain_s: float = 0.0
    """How long new connections are accepted after SIGTERM."""
    reloads: Callable[[], int] = lambda: 0
    """How often the master was told to reload: workers of an earlier one are replaced, so they need not drain."""


class EventLoopWorker(UvicornWorker):
    """A worker for WSGI applications: see ``web.asgi``. ``event_loop_worker`` makes one with options."""

    CONFIG_KWARGS = {  # noqa: RUF012 - uvicorn-worker's own
        "loop": "uvloop",
        "http": Connection,
        "ws": "none",
        "lifespan": "off",
        "interface": "asgi3",
        "access_log": False,
        "server_header": False,
        "proxy_headers": False,
        "timeout_notify": 5,
        "ssl_keyfile": None,
        "ssl_certfile": None,
        "ssl_ca_certs": None,
    }
    options = LoopOptions()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._born = self.options.reloads()
        logger = logging.getLogger("uvicorn.error")
        logger.propagate = True  # through our own handlers, like all lines
        logger.setLevel(logging.ERROR)

    def tls_context(self) -> ssl.SSLContext | None:
        """The context for a new connection; None without TLS."""
        if not self.cfg.is_ssl:
            return None
        context: ssl.SSLContext = self.cfg.ssl_context(self.cfg, None)
        return context

    def times_to_end(self) -> tuple[float, float]:
        """After SIGTERM: how long new connections are accepted, and within how many seconds all must have ended."""
        replaced = self.options.reloads() != self._born
        return 0.0 if replaced else self.options.drain_s, max(self.cfg.graceful_timeout - 1.0, 0.0)

    async def _serve(self) -> None:
        application = AsgiApplication(self.wsgi, threads=self.cfg.threads)
        self.config.app = application
        limits = self.options.limits
        limits = limits._replace(connections=min(limits.connections, connections_max()))
        connections = Connections(limits, getattr(self.wsgi, "closed_early", lambda _reason: None))
        try:
            await LoopServer(self, connections).serve(sockets=self.sockets)
        finally:
            application.close()


def event_loop_worker(options: LoopOptions) -> type[EventLoopWorker]:
    """A class of workers with ``options``, as gunicorn wants it."""
    return type("EventLoopWorker", (EventLoopWorker,), {"options": options})
