"""The references under the settings that imagegate is served with, without its hooks."""

import os

from imagegate.web.server import ServerOptions, gunicorn_settings

_settings = gunicorn_settings(ServerOptions(bind=(os.environ["BENCH_BIND"],), workers=1))
for _hook in ("pre_fork", "post_worker_init", "on_reload", "child_exit"):
    _settings.pop(_hook, None)
globals().update(_settings)
