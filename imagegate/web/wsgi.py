"""For WSGI servers: ``gunicorn -c config/gunicorn.conf.py 'imagegate.web.wsgi:application()'``."""

from __future__ import annotations

import os

from imagegate import logs
from imagegate.settings import Settings, load_settings
from imagegate.web.app import Application
from imagegate.web.metrics import Metrics
from imagegate.wiring import build


def application(settings: Settings | None = None) -> Application:
    """The application for ``settings``; by default those the environment names.

    Raises:
        ConfigError: the settings or the policy documents are wrong.
    """
    if settings is None:
        settings = load_settings(environ=os.environ)
        logs.configure(as_json=True)
    metrics = Metrics()
    service = build(settings, recorders=(metrics,), count=metrics.looked_up)
    return Application(service, metrics)
