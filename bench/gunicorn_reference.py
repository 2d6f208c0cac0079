"""The references: no-ops under gunicorn's ``gthread``, with imagegate's settings for it and without its hooks."""

import os

from imagegate.web.server import GTHREAD, ServerOptions, gunicorn_settings

_settings = gunicorn_settings(ServerOptions(bind=(os.environ["BENCH_BIND"],), workers=1, worker=GTHREAD))
for _hook in ("pre_fork", "post_worker_init", "on_reload", "child_exit"):
    _settings.pop(_hook, None)
globals().update(_settings)
