"""For running imagegate under a gunicorn of one's own: ``gunicorn -c config/gunicorn.conf.py``.

``imagegate serve`` uses the same settings; they stand in ``imagegate.web.server`` with their reasons.
"""

import os
from pathlib import Path

from imagegate.web.server import ServerOptions, gunicorn_settings


def _path(name: str) -> Path | None:
    return Path(os.environ[name]) if os.environ.get(name) else None


wsgi_app = "imagegate.web.wsgi:application()"
globals().update(
    gunicorn_settings(
        ServerOptions(
            bind=tuple(os.environ.get("IMAGEGATE_BIND", "127.0.0.1:8080").split(",")),
            workers=int(os.environ.get("IMAGEGATE_WORKERS", "0")),
            threads=int(os.environ.get("IMAGEGATE_THREADS", "16")),
            certificate=_path("IMAGEGATE_TLS_CERT"),
            key=_path("IMAGEGATE_TLS_KEY"),
            client_ca=_path("IMAGEGATE_TLS_CLIENT_CA"),
        )
    )
)
