"""How gunicorn runs imagegate; ``imagegate serve`` uses the same settings.

An API server keeps its connections open and sends reviews over them for hours, so keep-alive is long and
threads, not processes, wait for look-ups. Everything is loaded before the workers are made: they share that
memory, and a broken configuration stops the start instead of one worker after the other.
"""

import gc
import os
from pathlib import Path
from typing import Any

wsgi_app = "imagegate.web.wsgi:application"
bind = os.environ.get("IMAGEGATE_BIND", "127.0.0.1:8080")
certfile = os.environ.get("IMAGEGATE_TLS_CERT") or None
keyfile = os.environ.get("IMAGEGATE_TLS_KEY") or None

worker_class = "gthread"
workers = int(os.environ.get("IMAGEGATE_WORKERS", "1"))
threads = int(os.environ.get("IMAGEGATE_THREADS", "32"))
keepalive = 75  # seconds; longer than the API server's idle time between reviews
worker_connections = 2000
backlog = 2048
timeout = 60  # seconds without a sign of life after which a worker is replaced
graceful_timeout = 25  # seconds for reviews under way, below a pod's terminationGracePeriodSeconds
preload_app = True

# The heartbeat file: on a disk it can block a worker, and a read-only root has no place for it.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - made by mkstemp, and unlinked
control_socket_disable = True
accesslog = None  # the decision log says more


def when_ready(server: Any) -> None:
    """Keep what is loaded out of every later garbage collection, and its pages shared by the workers."""
    gc.collect()
    gc.freeze()
