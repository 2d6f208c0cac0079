"""gunicorn as imagegate runs it; the one place that holds its settings.

Two kinds of workers: ``event-loop`` (``web.event_loop``), and gunicorn's own ``gthread``, in which a thread is taken by
each client for as long as it takes over its request.
"""

from __future__ import annotations

import gc
import logging
import mmap
import os
import resource
import shutil
import socket
import ssl
import struct
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger

from imagegate.service.health import Check
from imagegate.settings.sections import ServerSettings
from imagegate.web.connections import Limits
from imagegate.web.tls import Certificates

MULTIPROCESS = "PROMETHEUS_MULTIPROC_DIR"
EVENT_LOOP, GTHREAD = "event-loop", "gthread"
WORKERS = (EVENT_LOOP, GTHREAD)
RECEIVE_TIMEOUT_S = 15
"""``gthread``: a client that stops in the middle of a request loses its connection, and its thread is free again."""
KEEP_ALIVE_S = {EVENT_LOOP: 120, GTHREAD: 75}
"""The API server drops its own idle connections after 90 seconds. Who closes last is never surprised by a request."""
DRAIN_IN_CLUSTER_S = 5.0
"""Endpoints of a Service take about that long to forget a pod."""
DESCRIPTORS_WANTED = 65536

_log = logging.getLogger("imagegate.server")


class ServerOptions(NamedTuple):
    """What an operator chooses; everything else follows."""

    bind: tuple[str, ...] = ("127.0.0.1:8080",)
    workers: int = 0
    """0: one for every processor that may be used, at most four."""
    threads: int = 16
    certificate: Path | None = None
    key: Path | None = None
    client_ca: Path | None = None
    graceful_s: int = 25
    """Under Kubernetes' 30 s between SIGTERM and SIGKILL."""
    worker: str = EVENT_LOOP
    """One of ``WORKERS``."""
    limits: Limits = Limits()
    """For ``event-loop``."""
    drain_s: float | None = None
    """How long ``event-loop`` accepts connections after SIGTERM; None: a few seconds in a cluster, else not at all."""

    @classmethod
    def of(cls, server: ServerSettings) -> ServerOptions:
        """The options that settings name."""
        limits = Limits(
            body_max_bytes=server.body_max_bytes,
            request_s=server.request_timeout_s,
            handshake_s=server.handshake_timeout_s,
            per_peer=server.connections_per_client,
            buffered_max_bytes=server.buffered_max_bytes,
        )
        return cls(
            bind=(f"{server.host}:{server.port}",),
            workers=server.workers,
            threads=server.threads,
            worker=server.worker,
            limits=limits,
            drain_s=server.drain_s,
        )


class RootLogger(Logger):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn's log lines through our own handlers, so that all lines look alike. No access log."""

    def setup(self, cfg: Any) -> None:
        """Hand everything on to the root logger."""
        self.cfg = cfg
        self._access_log_enabled = False
        self.loglevel = self.LOG_LEVELS.get(cfg.loglevel.lower(), logging.INFO)
        self.error_log.handlers.clear()
        self.error_log.propagate = True
        self.error_log.setLevel(self.loglevel)


def gunicorn_settings(options: ServerOptions) -> dict[str, Any]:
    """Settings of gunicorn by name, hooks included. Sets up the folder that metrics of all workers share.

    Raises:
        OSError: the certificate, its key or the client CA cannot be read.
    """
    reloads = Reloads()
    settings: dict[str, Any] = {
        "bind": list(options.bind),
        "worker_class": GTHREAD,
        "workers": options.workers or min(len(os.sched_getaffinity(0)), 4),
        "threads": options.threads,
        "worker_connections": 2000,
        "backlog": 2048,
        "keepalive": KEEP_ALIVE_S[options.worker],
        "timeout": 60,
        "graceful_timeout": options.graceful_s,
        "preload_app": True,
        "worker_tmp_dir": _memory_folder(),
        "control_socket_disable": True,
        "logger_class": RootLogger,
        "loglevel": "warning",
        "limit_request_fields": 64,
        "when_ready": when_ready,
        "pre_fork": pre_fork,
        "post_worker_init": post_worker_init,
        "on_reload": _counted(reloads, on_reload),
        "child_exit": child_exit,
        "on_exit": _remove(share_metrics()),
    }
    if options.worker == EVENT_LOOP:
        from imagegate.web.event_loop import LoopOptions, event_loop_worker

        in_cluster = "KUBERNETES_SERVICE_HOST" in os.environ
        drain_s = (DRAIN_IN_CLUSTER_S if in_cluster else 0.0) if options.drain_s is None else options.drain_s
        settings["worker_class"] = event_loop_worker(LoopOptions(options.limits, drain_s, reloads.count))
        settings["when_ready"] = when_ready_for_event_loop
    _allow_descriptors()
    if options.certificate and options.key:
        certificates = Certificates(options.certificate, options.key, options.client_ca)
        settings["certfile"], settings["keyfile"] = str(options.certificate), str(options.key)
        settings["ssl_context"] = lambda _config, _default: certificates.context()
    return settings


class Reloads:
    """How often the master was told to reload, readable by its workers: memory that they share."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _NUMBER.size)

    def count(self) -> int:
        """How often, so far."""
        number: int = _NUMBER.unpack_from(self._memory)[0]
        return number

    def note(self) -> None:
        """Once more."""
        _NUMBER.pack_into(self._memory, 0, self.count() + 1)


_NUMBER = struct.Struct("q")


def _counted(reloads: Reloads, hook: Callable[[Any], None]) -> Callable[[Any], None]:
    def on_reload(server: Any) -> None:
        reloads.note()
        hook(server)

    return on_reload


def _allow_descriptors() -> None:
    """Use as many descriptors as the system permits: a connection needs one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS_WANTED if hard == resource.RLIM_INFINITY else min(DESCRIPTORS_WANTED, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def share_metrics() -> str | None:
    """Make the folder through which workers add up their metrics, unless one is given; the folder if made.

    Must happen before ``prometheus_client`` is imported.
    """
    if os.environ.get(MULTIPROCESS):
        return None
    folder = tempfile.mkdtemp(prefix="imagegate-metrics-", dir=_memory_folder())
    os.environ[MULTIPROCESS] = folder
    return folder


def _memory_folder() -> str | None:
    """A folder in memory: heartbeats and metrics must not wait for a disk."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - files are made with mkdtemp


def _remove(folder: str | None) -> Callable[[Any], None]:
    owner = os.getpid()

    def on_exit(_server: Any) -> None:
        if folder is not None and os.getpid() == owner:  # workers are forks, and leave the same way
            shutil.rmtree(folder, ignore_errors=True)

    return on_exit


def when_ready(server: Any) -> None:
    """Listening, for ``gthread``. Time limits are set on the listening sockets: connections inherit them."""
    limit = struct.pack("ll", RECEIVE_TIMEOUT_S, 0)
    for listener in server.LISTENERS:
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            listener.sock.setsockopt(socket.SOL_SOCKET, option, limit)
    when_ready_for_event_loop(server)


def when_ready_for_event_loop(server: Any) -> None:
    """Listening."""
    gc.collect()
    gc.freeze()  # what was loaded stays shared between the workers
    _log.info("listening", extra={"addresses": [str(listener) for listener in server.LISTENERS], "pid": os.getpid()})


def pre_fork(server: Any, _worker: Any) -> None:
    """A worker that replaces another begins with the newest policies, not with those of the start."""
    server.app.wsgi().service.before_fork()


def post_worker_init(worker: Any) -> None:
    """Begin what runs beside the requests."""
    worker.wsgi.start_worker()
    worker.wsgi.service.checks.append(
        Check("end", lambda: "" if worker.alive else "the service is stopping", stops=True)
    )
    images = worker.wsgi.service.images
    if images is not None:
        images.ends = lambda: not worker.alive


def on_reload(server: Any) -> None:
    """SIGHUP."""
    server.app.wsgi().service.reload()


def child_exit(_server: Any, worker: Any) -> None:
    """Let the metrics of a worker that has ended count on, without its gauges."""
    from prometheus_client.multiprocess import mark_process_dead

    mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]


class Server(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn around an application that is already built."""

    def __init__(self, application: Callable[..., Any], settings: Mapping[str, Any]) -> None:
        self._application = application
        self._settings = settings
        super().__init__()

    def load_config(self) -> None:
        """Take our settings."""
        for name, value in self._settings.items():
            self.cfg.set(name, value)

    def load(self) -> Callable[..., Any]:
        """The application."""
        return self._application


def tls_problem(error: OSError) -> str:
    """Why a certificate cannot be used, for an operator."""
    return f"TLS certificate: {error.reason if isinstance(error, ssl.SSLError) else error}"
