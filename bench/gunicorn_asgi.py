"""gunicorn with the ASGI worker in ``BENCH_WORKER``, and otherwise imagegate's settings (``bench.workers``)."""

import os
from typing import Any

from imagegate.web import server
from imagegate.web.server import GTHREAD, ServerOptions, gunicorn_settings

wsgi_app = "bench.asgi_application:Late()"
globals().update(gunicorn_settings(ServerOptions(bind=(os.environ["BENCH_BIND"],), workers=1, worker=GTHREAD)))
worker_class = os.environ["BENCH_WORKER"]


def post_worker_init(worker: Any) -> None:
    """As ``imagegate.web.server``; gunicorn's own ASGI worker has another name for the application."""
    worker.wsgi = getattr(worker, "wsgi", None) or worker.asgi
    server.post_worker_init(worker)
