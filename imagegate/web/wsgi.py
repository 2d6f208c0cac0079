"""Entry point for WSGI servers: ``config/gunicorn.conf.py`` names ``imagegate.web.wsgi:application()``.

Any other server can call it as well (``waitress-serve --call imagegate.web.wsgi:application``). Such a server should
have one process: metrics of several are summed only where ``PROMETHEUS_MULTIPROC_DIR`` names an empty folder, and only
gunicorn's hooks give a new process the newest policies, before its first request.
"""

from __future__ import annotations

import os
from pathlib import Path

from imagegate import logs
from imagegate.web.app import Application
from imagegate.web.metrics import MULTIPROCESS, Metrics
from imagegate.wiring.choices import StartupOptions
from imagegate.wiring.initial_policies import settings_at_start
from imagegate.wiring.runtime import build


def application(chosen: StartupOptions | None = None) -> Application:
    """Build the application; without ``chosen``, from the settings that the environment names.

    Raises:
        ConfigError: the settings or a document is wrong.
    """
    if chosen is None:
        chosen = StartupOptions()
        logs.configure(settings_at_start(chosen).log.level, as_json=True)
    metrics = Metrics()
    shared = os.environ.get(MULTIPROCESS)
    service = build(
        chosen,
        sinks=(metrics,),
        count=metrics.looked_up,
        first_use=metrics.trust_first_use,
        refused=metrics.look_ups.refused,
        log_decisions=True,
        keeps_images=True,
        follows=True,
        shared=Path(shared) if shared else None,
    )
    return Application(service, metrics)
