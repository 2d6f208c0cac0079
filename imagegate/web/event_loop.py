"""gunicorn's worker with an event loop: a connection costs memory, not a thread.

gunicorn stays the master (preload, signals, hooks, replacement of workers); uvicorn parses and answers. This module
accepts connections itself, because asyncio's servers and uvicorn's cannot: take a TLS context for each connection (the
certificate may have changed), close an old connection in favour of a new one, and survive without file descriptors.
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

from imagegate.web.asgi import STREAMS, AsgiApplication
from imagegate.web.connections import Connections, Limits
from imagegate.web.listening import is_open_in, let_nobody_in
from imagegate.web.review_connection import ReviewConnection

ACCEPTED_AT_ONCE = 64
"""Connections accepted in one turn of the loop; then other workers, and requests under way, have theirs."""
DESCRIPTORS_RESERVED = 160
"""File descriptors for files, the store and look-ups, which connections never use."""
CONNECTIONS_MAX = 16384
IDLE_S = 2.0
"""How long an idle connection may still send a request after SIGTERM, if new connections are not accepted."""
LAST_REQUEST_S = 0.5
"""How long the connections that were accepted last may take to send a request after SIGTERM."""
MASTER_S = 0.5
"""How long the master may take to close its listening sockets, if it and its workers got SIGTERM at once."""
HANDSHAKES_S = 0.2
"""How long connections that had begun may take to be complete, before listening ends."""
_PAUSE_S = 0.1
"""Between two attempts to accept without descriptors; without it the loop would do nothing but fail to accept."""
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

_log = logging.getLogger("imagegate.server")


def connections_max() -> int:
    """The most connections of a worker, given how many descriptors it may open."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if descriptors == resource.RLIM_INFINITY:
        return CONNECTIONS_MAX
    return min(CONNECTIONS_MAX, max(descriptors - DESCRIPTORS_RESERVED, descriptors // 3))


class LoopServer(Server):
    """uvicorn's server, except for how it accepts, limits and ends connections."""

    def __init__(self, worker: EventLoopWorker, connections: Connections) -> None:
        super().__init__(worker.config)
        self._worker = worker
        self._connections = connections
        self._listening: dict[int, Any] = {}
        self._is_accepting = False
        self._tasks: set[asyncio.Task[None]] = set()
        """References to running handshakes: the loop holds tasks weakly, and one could be collected while it runs."""
        self._spare_descriptor = _open_spare_descriptor()
        self._ends_at_once = False
        self.servers: list[Any] = []  # read by uvicorn's main loop; we have none, since we accept ourselves

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until SIGTERM, which ends gracefully, or SIGINT or SIGQUIT, which end at once: gunicorn's meanings.

        uvicorn's ``serve`` would catch the signals itself, raise them again afterwards, and drain for neither.
        """
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._end)
        for signal_number in (signal.SIGINT, signal.SIGQUIT):
            loop.add_signal_handler(signal_number, self._end_at_once)
        await self._serve(sockets)

    def _end(self) -> None:
        self._worker.alive = False  # read by /readyz, by watches and by background imports
        self._connections.ending = True
        self.should_exit = True

    def _end_at_once(self) -> None:
        self._ends_at_once = True
        self._end()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to accept."""
        for listener in sockets or ():
            self._listening[listener.fileno()] = listener
        self._connections.freed = self._accept_again
        self._accept_again()
        self.started = True

    async def on_tick(self, counter: int) -> bool:
        """Called ten times a second by uvicorn, and during the shutdown by ``_wait``."""
        if counter % 5 == 0:  # twice a second is exact enough for limits of seconds
            self._connections.close_late(time.monotonic())
        return bool(await super().on_tick(counter))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002 - uvicorn's signature
        """End in three steps, so that no request of a client that behaves is lost.

        Accept and answer as before, but ask clients to close (``drain_s``: endpoints take time to forget this pod).
        Then accept no more, and wait for requests of connections that are open. Then finish those under way.
        """
        began = time.monotonic()
        drain_s, graceful_s = (0.0, 0.0) if self._ends_at_once else self._worker.times_to_end()
        connections = self._connections
        for connection in list(connections.all):
            if connection.cycle is not None and not connection.cycle.response_complete:
                connection.cycle.keep_alive = False
        if self._worker.is_replaced() or self._ends_at_once:
            drain_s = 0.0
        else:  # the master closes its sockets before it tells the workers; unless it told this one alone
            await self._wait(began + MASTER_S, lambda: not self._master_listens())
            if self._master_listens():
                drain_s = 0.0
            else:
                await self._wait(began + drain_s, lambda: False)
                await self._let_nobody_in()
        self._stop_accepting()
        last_request_s = max(drain_s + LAST_REQUEST_S, IDLE_S)
        await self._wait(began + min(last_request_s, graceful_s), lambda: not connections.all)
        for connection in list(connections.all):
            if connection.has_no_request():
                connection.close_now("the service ends")
        await self._wait(began + graceful_s, lambda: not connections.all and not self.server_state.tasks)
        for connection in list(connections.all):
            connection.close_now("the service ends")

    async def _wait(self, until: float, done: Callable[[], bool]) -> None:
        tick = 1
        while time.monotonic() < until and not done() and not self._ends_at_once:
            await asyncio.sleep(0.05)
            await self.on_tick(tick * 5)
            tick += 1

    def _master_listens(self) -> bool:
        return any(is_open_in(self._worker.ppid, listener) for listener in self._listening.values())

    async def _let_nobody_in(self) -> None:
        done = [let_nobody_in(listener) for listener in self._listening.values()]
        if any(done):
            await self._wait(time.monotonic() + HANDSHAKES_S, lambda: False)

    def _accept_again(self) -> None:
        """Accept from the loop; every worker has the same listening sockets and takes what it gets first."""
        if not self._is_accepting and self._listening:
            self._is_accepting = True
            for descriptor, listener in self._listening.items():
                asyncio.get_running_loop().add_reader(descriptor, self._accept, listener)

    def _pause(self, seconds: float | None) -> None:
        """Accept nothing for ``seconds``; None: until a connection has ended. New clients wait in the backlog."""
        if self._is_accepting:
            self._is_accepting = False
            for descriptor in self._listening:
                asyncio.get_running_loop().remove_reader(descriptor)
        if seconds is not None:
            asyncio.get_running_loop().call_later(seconds, self._accept_again)

    def _stop_accepting(self) -> None:
        """Accept what is in the backlog, and close the listening sockets."""
        for listener in self._listening.values():
            self._accept(listener, at_once=1 << 16)  # more than any backlog: what is left there would be reset
        self._pause(None)
        listeners, self._listening = self._listening, {}
        for listener in listeners.values():
            listener.close()

    def _accept(self, listener: Any, at_once: int = ACCEPTED_AT_ONCE) -> None:
        """Accept up to ``at_once`` connections; without room for one, wait until another has ended."""
        connections = self._connections
        for _ in range(at_once):
            if len(connections.all) >= connections.limits.connections and not connections.make_room():
                self._pause(None)
                return
            try:
                raw, address = listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return  # another worker was first, or the client has gone
            except OSError as error:
                if error.errno not in _EXHAUSTED:
                    _log.error("cannot accept: %s", error)
                self._close_one_and_pause(listener, error)
                return
            raw.setblocking(False)
            self._begin(raw, address)

    def _begin(self, raw: socket.socket, address: Any) -> None:
        peer = (str(address[0]), int(address[1])) if isinstance(address, tuple) else None
        connection = ReviewConnection(self._connections, self.config, self.server_state, raw=raw, peer=peer)
        task = asyncio.get_running_loop().create_task(self._connect(connection, raw))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, connection: ReviewConnection, raw: socket.socket) -> None:
        """Give the connection its transport, after the TLS handshake if there is one."""
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
                self._connections.count("handshake not complete in time", connection.peer)
        finally:
            if connection.transport is None:  # no handshake, so asyncio will not report its end
                self._connections.remove(connection)
                raw.close()

    def _close_one_and_pause(self, listener: Any, error: OSError) -> None:
        """Without a free descriptor: close an old connection, or else the new one, and accept nothing for a moment.

        The new one must be accepted to be closed, else it stays in the backlog and its client waits for nothing; the
        descriptor for that is the spare one.
        """
        self._connections.count(f"cannot accept: {os.strerror(error.errno or 0)}")
        if not self._connections.make_room() and self._spare_descriptor is not None:
            os.close(self._spare_descriptor)
            with contextlib.suppress(OSError):
                listener.accept()[0].close()
            self._spare_descriptor = _open_spare_descriptor()
        self._pause(_PAUSE_S)


def _open_spare_descriptor() -> int | None:
    """A descriptor to give up when there is no other; None if there is none now."""
    with contextlib.suppress(OSError):
        return os.open(os.devnull, os.O_RDONLY)
    return None


class LoopOptions(NamedTuple):
    """The operator's choices for the event loop."""

    limits: Limits = Limits()
    drain_s: float = 0.0
    """Seconds in which new connections are still accepted after SIGTERM."""
    reloads: Callable[[], int] = lambda: 0
    """The number of reloads of the master so far. A worker that a reload replaces need not drain: new workers accept on
    the same sockets."""


class EventLoopWorker(UvicornWorker):
    """A worker for WSGI applications (``web.asgi``); ``event_loop_worker`` makes a subclass with options."""

    CONFIG_KWARGS = {  # noqa: RUF012 - uvicorn-worker's own
        "loop": "uvloop",
        "http": ReviewConnection,
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
        self._reloads_at_start = self.options.reloads()
        logger = logging.getLogger("uvicorn.error")
        logger.propagate = True  # to our own handlers, so that all lines look alike
        logger.setLevel(logging.ERROR)

    def tls_context(self) -> ssl.SSLContext | None:
        """The context for a new connection; None without TLS."""
        if not self.cfg.is_ssl:
            return None
        context: ssl.SSLContext = self.cfg.ssl_context(self.cfg, None)
        return context

    def is_replaced(self) -> bool:
        """True if workers of a later reload serve instead."""
        return self.options.reloads() != self._reloads_at_start

    def times_to_end(self) -> tuple[float, float]:
        """Seconds after SIGTERM in which new connections are accepted, and after which all must have ended."""
        # a second before gunicorn kills the worker, which would lose its last log lines and metrics
        return self.options.drain_s, max(self.cfg.graceful_timeout - 1.0, 0.0)

    async def _serve(self) -> None:
        limits = self.options.limits
        # here and not where the options are made: the limit of descriptors is that of the worker's process
        limits = limits._replace(connections=min(limits.connections, connections_max()))
        # reviews must always find a connection that may be closed for theirs
        streams = min(STREAMS, limits.connections // 2)
        application = AsgiApplication(self.wsgi, threads=self.cfg.threads, streams=streams)
        self.config.app = application
        connections = Connections(limits, getattr(self.wsgi, "closed_early", lambda _reason: None))
        try:
            await LoopServer(self, connections).serve(sockets=self.sockets)
        finally:
            application.close()


def event_loop_worker(options: LoopOptions) -> type[EventLoopWorker]:
    """A worker class with ``options``: gunicorn takes a class and makes the workers itself."""
    return type("EventLoopWorker", (EventLoopWorker,), {"options": options})
