"""For running imagegate under a gunicorn of one's own: ``gunicorn -c config/gunicorn.conf.py``.

``imagegate serve`` uses the same settings; they stand in ``imagegate.web.server`` with their reasons. Address, kind of
workers and limits are those of the settings file that ``IMAGEGATE_SETTINGS`` names; gunicorn's command line wins.
"""

from imagegate.web.server import ServerOptions, gunicorn_settings
from imagegate.wiring.choices import StartupOptions
from imagegate.wiring.initial_policies import settings_at_start

wsgi_app = "imagegate.web.wsgi:application()"
globals().update(gunicorn_settings(ServerOptions.of(settings_at_start(StartupOptions()).server)))
