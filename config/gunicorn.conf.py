"""Runs imagegate under your own gunicorn: ``gunicorn -c config/gunicorn.conf.py``.

``imagegate serve`` uses the same settings; ``imagegate.web.server`` gives the reason for each. Address, kind of worker
and limits come from the settings file that ``IMAGEGATE_SETTINGS`` names. gunicorn's command line overrides them.
"""

from imagegate.web.server import ServerOptions, gunicorn_settings
from imagegate.wiring.choices import StartupOptions
from imagegate.wiring.initial_policies import settings_at_start

wsgi_app = "imagegate.web.wsgi:application()"
globals().update(gunicorn_settings(ServerOptions.of(settings_at_start(StartupOptions()))))
