"""For WSGI servers: ``gunicorn -c config/gunicorn.conf.py``, which calls ``imagegate.web.wsgi:application()``."""

from __future__ import annotations

from imagegate import logs
from imagegate.web.app import Application
from imagegate.web.metrics import Metrics
from imagegate.wiring import Sources, build, sources_from


def application(sources: Sources | None = None) -> Application:
    """The application over ``sources``; by default what the environment names.

    Raises:
        ConfigError: the settings or the policy documents are wrong.
    """
    if sources is None:
        logs.configure(as_json=True)
        sources = sources_from()
    metrics = Metrics()
    return Application(build(sources, recorders=(metrics,), count=metrics.looked_up), metrics)
