"""gunicorn as imagegate runs it: all its settings and hooks, each with its reason.

Two kinds of workers: ``event-loop`` (``web.event_loop``), and gunicorn's ``gthread`` (``web.thread_worker``), in which
a slow client holds a thread until its request is complete.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import logging
import mmap
import os
import resource
import shutil
import socket
import struct
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger

from imagegate.service.health import Check
from imagegate.settings.certificate import FILES
from imagegate.settings.load import Settings
from imagegate.web.addresses import Address
from imagegate.web.connections import Limits
from imagegate.wiring.certificate_names import wanted_names

if TYPE_CHECKING:
    from imagegate.ports.certificates import PairFile
    from imagegate.web.tls import Certificates

MULTIPROCESS = "PROMETHEUS_MULTIPROC_DIR"
"""Not imported from ``web.metrics``: that imports ``prometheus_client``, which reads the variable on import."""
EVENT_LOOP, GTHREAD = "event-loop", "gthread"
WORKERS = (EVENT_LOOP, GTHREAD)
RECEIVE_TIMEOUT_S = 15
"""``gthread``: a client that stops in the middle of a request is disconnected, and its thread is free again."""
KEEP_ALIVE_S = 120
"""The API server closes idle connections after 90 seconds. A server that closes later never closes one on which a
request is on its way."""
DRAIN_IN_CLUSTER_S = 5.0
"""About the time until a Service sends a pod that is ending no new connections."""
DESCRIPTORS_WANTED = 65536
GROUPS_MAX, GROUPS_MAX_BYTES = 2048, 256 * 1024
"""Header fields, and their size, of requests that an API server hands on: each group of the user is a field."""

_log = logging.getLogger("imagegate.server")


class ServerOptions(NamedTuple):
    """The options of an operator; all other settings follow from them."""

    bind: tuple[str, ...] = ("127.0.0.1:8080",)
    workers: int = 0
    """0: one for each processor that may be used, at most four."""
    threads: int = 16
    certificate: Path | None = None
    key: Path | None = None
    client_ca: Path | None = None
    """Every client must show a certificate of it."""
    caller_ca: Path | None = None
    """Clients that send reviews must show a certificate of it."""
    names: tuple[str, ...] = ()
    """Names that the certificate must be good for."""
    from_secret: bool = False
    """The certificate comes from a Secret, not from files that an operator names."""
    graceful_s: int = 25
    """Seconds to end in; less than Kubernetes' 30 s between SIGTERM and SIGKILL."""
    worker: str = EVENT_LOOP
    """One of ``WORKERS``."""
    limits: Limits = Limits()
    """Of ``event-loop``."""
    drain_s: float | None = None
    """Seconds in which ``event-loop`` accepts connections after SIGTERM; None: a few in a cluster, else 0."""

    @classmethod
    def of(cls, settings: Settings) -> ServerOptions:
        """The options in the settings file."""
        server = settings.server
        limits = Limits(
            body_max_bytes=server.body_max_bytes,
            request_s=server.request_timeout_s,
            handshake_s=server.handshake_timeout_s,
            per_peer=server.connections_per_client,
            buffered_max_bytes=server.buffered_max_bytes,
        )
        if settings.image_api.aggregation.enabled:
            limits = limits._replace(fields=GROUPS_MAX, head_max_bytes=GROUPS_MAX_BYTES)
        certificate = server.certificate
        return cls(
            bind=(str(Address(server.host.strip("[]"), server.port)),),
            certificate=Path(certificate.cert_file) if certificate.cert_file else None,
            key=Path(certificate.key_file) if certificate.key_file else None,
            caller_ca=Path(server.client_ca_file) if server.client_ca_file else None,
            names=wanted_names(settings),
            from_secret=certificate.source != FILES,
            workers=server.workers,
            threads=server.threads,
            worker=server.worker,
            limits=limits,
            drain_s=server.drain_s,
        )


class RootLogger(Logger):  # type: ignore[misc]  # gunicorn has no types
    """Sends gunicorn's log lines to our own handlers, so that all lines look alike. No access log."""

    def setup(self, cfg: Any) -> None:
        """Pass everything on to the root logger."""
        self.cfg = cfg
        self._access_log_enabled = False
        self.loglevel = self.LOG_LEVELS.get(cfg.loglevel.lower(), logging.INFO)
        self.error_log.handlers.clear()
        self.error_log.propagate = True
        self.error_log.setLevel(self.loglevel)


def gunicorn_settings(options: ServerOptions) -> dict[str, Any]:
    """Gunicorn's settings by name, hooks included. Makes the folder in which the workers share their metrics.

    Raises:
        InvalidCertificate: the certificate, its key or a client CA cannot be used.
    """
    _hold_little_free_memory()
    reloads = Reloads()
    settings: dict[str, Any] = {
        "bind": list(options.bind),
        "workers": options.workers or min(len(os.sched_getaffinity(0)), 4),
        "threads": options.threads,
        "worker_connections": 2000,
        "backlog": 2048,
        "keepalive": KEEP_ALIVE_S,
        "timeout": 60,  # a worker without a heartbeat for so long is replaced
        "graceful_timeout": options.graceful_s,
        "preload_app": True,  # loaded once, before the fork: workers share the memory and start quickly
        "worker_tmp_dir": _memory_folder(),
        "control_socket_disable": True,  # nothing uses it, and what is not there cannot be attacked
        "logger_class": RootLogger,
        "loglevel": "warning",
        "limit_request_fields": 64,  # as ``Limits.fields``
        "when_ready": when_ready,
        "pre_fork": pre_fork,
        "post_worker_init": post_worker_init,
        "worker_exit": worker_exit,
        "on_reload": _counted(reloads, on_reload),
        "child_exit": child_exit,
        "on_exit": _remove(share_metrics()),
    }
    if options.worker == EVENT_LOOP:
        # imported only if used: uvicorn and uvloop take time and memory
        from imagegate.web.event_loop import LoopOptions, event_loop_worker

        in_cluster = "KUBERNETES_SERVICE_HOST" in os.environ
        drain_s = (DRAIN_IN_CLUSTER_S if in_cluster else 0.0) if options.drain_s is None else options.drain_s
        settings["worker_class"] = event_loop_worker(LoopOptions(options.limits, drain_s, reloads.count))
        settings["when_ready"] = when_ready_for_event_loop
    else:
        from imagegate.web.thread_worker import ThreadWorker

        settings["worker_class"] = ThreadWorker
    _allow_descriptors()
    files = _pair_files(options)
    if files is not None:
        from imagegate.wiring.kept_pair import kept_pair

        certificates = certificates_of(*files, options, kept_pair(Path(os.environ[MULTIPROCESS])))
        settings["certfile"], settings["keyfile"] = map(str, files)
        settings["post_worker_init"] = _showing(certificates)
        # called for each connection; certfile and keyfile only tell gunicorn that there is TLS
        settings["ssl_context"] = lambda _config, _default: certificates.context()
    return settings


def _pair_files(options: ServerOptions) -> tuple[Path, Path] | None:
    """Files with certificate and key; None without TLS."""
    if options.from_secret:
        from imagegate.wiring.certificates import first_pair  # imports the Kubernetes client and cryptography

        made = first_pair(Path(os.environ[MULTIPROCESS]))
        return made, made
    return (options.certificate, options.key) if options.certificate and options.key else None


def certificates_of(certificate: Path, key: Path, options: ServerOptions, kept: PairFile | None = None) -> Certificates:
    """The certificates that the options name; ``kept`` is that of ``Certificates``.

    Raises:
        InvalidCertificate: they cannot be used.
    """
    from imagegate.web.tls import Certificates, TlsFiles  # imports cryptography, which takes memory

    optional = (options.caller_ca,) if options.caller_ca is not None else ()
    return Certificates(
        TlsFiles(certificate, key, options.client_ca, optional),
        options.names,
        kept=kept,
    )


def _showing(certificates: Certificates) -> Callable[[Any], None]:
    def post_init(worker: Any) -> None:
        post_worker_init(worker)
        worker.wsgi.show_certificate(certificates)

    return post_init


class Reloads:
    """The number of reloads of the master, in anonymous memory that the workers share with it.

    Only the master writes and an aligned 8-byte number is read whole, so no lock.
    """

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _NUMBER.size)

    def count(self) -> int:
        """The number so far."""
        number: int = _NUMBER.unpack_from(self._memory)[0]
        return number

    def note(self) -> None:
        """Add one."""
        _NUMBER.pack_into(self._memory, 0, self.count() + 1)


_NUMBER = struct.Struct("q")


def _counted(reloads: Reloads, hook: Callable[[Any], None]) -> Callable[[Any], None]:
    def on_reload(server: Any) -> None:
        reloads.note()  # first: workers of before must see it when the master stops them
        hook(server)

    return on_reload


def _allow_descriptors() -> None:
    """Raise the soft limit of file descriptors as far as permitted: each connection needs one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS_WANTED if hard == resource.RLIM_INFINITY else min(DESCRIPTORS_WANTED, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def share_metrics() -> str | None:
    """Make the folder in which workers share their metrics; None if the environment names one already.

    To be called before ``prometheus_client`` is imported.
    """
    if os.environ.get(MULTIPROCESS):
        return None
    folder = tempfile.mkdtemp(prefix="imagegate-metrics-", dir=_memory_folder())
    os.environ[MULTIPROCESS] = folder
    return folder


def _memory_folder() -> str | None:
    """A folder in memory, if there is one: heartbeats and metrics must not wait for a disk."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - files are made with mkdtemp


def _remove(folder: str | None) -> Callable[[Any], None]:
    owner = os.getpid()

    def on_exit(_server: Any) -> None:
        if folder is not None and os.getpid() == owner:  # workers are forks and call this too
            shutil.rmtree(folder, ignore_errors=True)

    return on_exit


def when_ready(server: Any) -> None:
    """Hook of ``gthread`` when the sockets listen: set time limits on them, which accepted connections inherit.

    gunicorn has no limit for receiving a request in this worker.
    """
    limit = struct.pack("ll", RECEIVE_TIMEOUT_S, 0)
    for listener in server.LISTENERS:
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            listener.sock.setsockopt(socket.SOL_SOCKET, option, limit)
    when_ready_for_event_loop(server)


_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
"""Of ``malloc.h``."""


def _hold_little_free_memory() -> None:
    """Have the C library hold little memory that is free.

    By default glibc learns from the first large block that is freed to keep such blocks: after a worker has compared
    the policy files, it would hold on to twice the size of the largest. And it gives threads heaps of their own, up to
    eight times the number of processors, each with free memory that no other thread can use; the interpreter lock lets
    one thread allocate at a time anyway.
    """
    with contextlib.suppress(OSError, AttributeError):  # only glibc has it
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_THRESHOLD, 256 * 1024)
        libc.mallopt(_M_TRIM_THRESHOLD, 1024 * 1024)
        libc.mallopt(_M_ARENA_MAX, 2)


def _return_free_memory() -> None:
    """Give what reading the documents left free back to the system: every worker would inherit those pages."""
    with contextlib.suppress(OSError, AttributeError):  # only glibc has it
        ctypes.CDLL(None).malloc_trim(0)


def when_ready_for_event_loop(server: Any) -> None:
    """Hook of both workers when the sockets listen, before the first fork."""
    for listener in server.LISTENERS:
        notice_lost_clients(listener.sock)
    gc.collect()
    _return_free_memory()
    gc.freeze()  # the collector would write to loaded objects, and every worker would get a copy of their pages
    _log.info("listening", extra={"addresses": [str(listener) for listener in server.LISTENERS], "pid": os.getpid()})


def notice_lost_clients(listener: socket.socket, *, idle_s: int = 60, probe_s: int = 10, lost_s: int = 90) -> None:
    """Have the system end connections whose client is gone without a word: a watch may have nothing to send for long.

    Accepted connections inherit it, so it costs no system call for each.

    Args:
        listener: the listening socket; nothing is done for one that is not TCP.
        idle_s: after so long without a packet the system probes.
        probe_s: time between two probes.
        lost_s: what is not acknowledged for so long ends the connection.
    """
    if listener.family not in (socket.AF_INET, socket.AF_INET6):
        return
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
        (socket.TCP_KEEPIDLE, idle_s),
        (socket.TCP_KEEPINTVL, probe_s),
        (socket.TCP_KEEPCNT, max(1, (lost_s - idle_s) // probe_s)),
        (socket.TCP_USER_TIMEOUT, lost_s * 1000),
    ):
        listener.setsockopt(socket.IPPROTO_TCP, option, value)


def pre_fork(server: Any, _worker: Any) -> None:
    """Give a worker that replaces another the newest policies, not those of the start."""
    server.app.wsgi().service.before_fork()


def post_worker_init(worker: Any) -> None:
    """Start what runs beside the requests, and report the worker as not ready once it is ending."""
    worker.wsgi.start_worker()
    worker.wsgi.service.checks.append(
        Check("end", lambda: "" if worker.alive else "the service is stopping", stops=True)
    )
    worker.wsgi.service.ends = lambda: not worker.alive
    images = worker.wsgi.service.images
    if images is not None:
        images.ends = lambda: not worker.alive


def worker_exit(_server: Any, worker: Any) -> None:
    """Give up the turn of background work, in a worker that has answered what it had begun."""
    if worker.wsgi is not None:
        worker.wsgi.stop_worker()


def on_reload(server: Any) -> None:
    """Read the documents again on SIGHUP, before the new workers are forked."""
    server.app.wsgi().service.reload()


def child_exit(_server: Any, worker: Any) -> None:
    """Remove the gauges of a worker that has ended; its counters still count."""
    from prometheus_client.multiprocess import mark_process_dead

    mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]


class Server(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn for an application that is already built."""

    def __init__(self, application: Callable[..., Any], settings: Mapping[str, Any]) -> None:
        self._application = application
        self._settings = settings
        super().__init__()

    def load_config(self) -> None:
        """Apply our settings; no file and no command line of gunicorn is read."""
        for name, value in self._settings.items():
            self.cfg.set(name, value)

    def load(self) -> Callable[..., Any]:
        """The application."""
        return self._application
