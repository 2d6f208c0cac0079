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

settings.register_profile("imagegate", deadline=None, derandomize=True)  # nothing is timed; the same cases every run
settings.register_profile("search", deadline=None, max_examples=2000)  # for finding new cases
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "imagegate"))
