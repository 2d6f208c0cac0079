"""The references: no-ops under gunicorn with imagegate's settings for ``BENCH_WORKER``, and without its hooks."""

import os
from pathlib import Path

from bench.noop_worker import NoopWorker
from imagegate.web.server import EVENT_LOOP, GTHREAD, ServerOptions, gunicorn_settings

_worker = os.environ.get("BENCH_WORKER", GTHREAD)
_certificate, _key = (
    Path(os.environ[name]) if name in os.environ else None for name in ("BENCH_CERTIFICATE", "BENCH_KEY")
)
_settings = gunicorn_settings(
    ServerOptions(
        bind=(os.environ["BENCH_BIND"],),
        workers=int(os.environ.get("BENCH_WORKERS", "1")),
        worker=_worker,
        certificate=_certificate,
        key=_key,
    )
)
for _hook in ("pre_fork", "post_worker_init", "on_reload", "child_exit"):
    _settings.pop(_hook, None)
if _worker == EVENT_LOOP:
    _settings["worker_class"] = type("NoopWorker", (NoopWorker,), {"options": _settings["worker_class"].options})
globals().update(_settings)
