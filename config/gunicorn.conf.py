"""For running imagegate under a gunicorn of one's own: ``gunicorn -c config/gunicorn.conf.py``.

``imagegate serve`` uses the same settings; they stand in ``imagegate.web.server`` with their reasons. Address, port,
workers and threads come from imagegate's settings (``IMAGEGATE_SERVER_PORT`` or the file ``IMAGEGATE_SETTINGS``
names); ``TLS_CERT``, ``TLS_KEY`` and ``TLS_CLIENT_CA`` name the files for HTTPS.
"""

import os
from pathlib import Path

from imagegate.settings import load_settings
from imagegate.web.server import ServerOptions, gunicorn_settings


def _path(name: str) -> Path | None:
    return Path(os.environ[name]) if os.environ.get(name) else None


_server = load_settings(environ=os.environ).server
wsgi_app = "imagegate.web.wsgi:application()"
globals().update(
    gunicorn_settings(
        ServerOptions(
            bind=(f"{_server.host}:{_server.port}",),
            workers=_server.workers,
            threads=_server.threads,
            certificate=_path("TLS_CERT"),
            key=_path("TLS_KEY"),
            client_ca=_path("TLS_CLIENT_CA"),
        )
    )
)
