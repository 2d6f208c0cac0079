"""granian instead of gunicorn for the same application (``imagegate serve --server granian``, extra ``granian``)."""

from __future__ import annotations

import os
from collections.abc import Callable
from multiprocessing.util import Finalize

from imagegate.errors import InvalidSettings
from imagegate.web.addresses import Address, parse_address
from imagegate.web.app import Application
from imagegate.web.server import KEEP_ALIVE_S, ServerOptions


def run(app: Application, options: ServerOptions) -> None:
    """Serve until SIGTERM. Workers are forks of this process, so they share the memory of loaded documents.

    SIGHUP reads the documents again and replaces the workers.

    Raises:
        InvalidSettings: granian is not installed, or does not support an option.
    """
    try:
        from granian import Granian
        from granian.constants import HTTPModes, Interfaces, SSLProtocols
        from granian.http import HTTP1Settings
    except ImportError as error:
        raise InvalidSettings("--server granian needs a package; in a checkout: pip install '.[granian]'") from error
    if options.caller_ca is not None:
        raise InvalidSettings("--server granian: server.clientCAFile is not supported, use gunicorn")
    if options.from_secret:
        raise InvalidSettings("--server granian: server.certificate.source must be files, since it reads them once")
    host, port = _address(options.bind)
    server = Granian(
        "imagegate",
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        http=HTTPModes.http1,
        # also the time that an idle connection is kept: longer than the API server keeps it
        http1_settings=HTTP1Settings(header_read_timeout=KEEP_ALIVE_S * 1000),
        workers=options.workers or min(len(os.sched_getaffinity(0)), 4),
        blocking_threads=options.threads,
        backlog=2048,
        log_enabled=False,
        workers_kill_timeout=options.graceful_s,
        ssl_cert=options.certificate,
        ssl_key=options.key,
        ssl_ca=options.client_ca,
        ssl_client_verify=options.client_ca is not None,
        ssl_protocol_min=SSLProtocols.tls12,
    )
    server.on_reload(app.service.reload)
    server.serve(target_loader=_loader(app), wrap_loader=False)


def _address(bind: tuple[str, ...]) -> Address:
    if len(bind) != 1:
        raise InvalidSettings("--server granian listens at one address only")
    return parse_address(bind[0])


def _loader(app: Application) -> Callable[[], Application]:
    """The function that granian calls in every new worker: its only hook after the fork.

    It has none for the end of a worker, which is a process of ``multiprocessing``: such a process ends with
    ``os._exit``, after its finalizers.
    """

    def load() -> Application:
        app.service.before_fork()
        app.start_worker()
        Finalize(None, app.stop_worker, exitpriority=0)
        return app

    return load
