"""What holds for every test: no network but the loopback, no proxy, and the shared fixtures."""

from __future__ import annotations

import os

from hypothesis import settings

from tests.support.loopback import forbid_outside_network

pytest_plugins = ["tests.support.fixtures"]

for _name in ("http_proxy", "https_proxy", "all_proxy"):
    os.environ.pop(_name, None)
    os.environ.pop(_name.upper(), None)

forbid_outside_network()

settings.register_profile("imagegate", deadline=None)  # nothing here is timed
settings.load_profile("imagegate")
