"""For every test: no network but the loopback, no proxy, the shared fixtures, and the marker of real programs."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

from tests.cluster import binaries
from tests.run_all import FAILURES
from tests.support.loopback import forbid_outside_network

pytest_plugins = ["tests.support.fixtures"]

for _name in ("http_proxy", "https_proxy", "all_proxy"):
    os.environ.pop(_name, None)
    os.environ.pop(_name.upper(), None)

forbid_outside_network()
os.environ["PATH"] = f"{binaries.folder()}{os.pathsep}{os.environ['PATH']}"  # kubectl, for the documentation's commands

settings.register_profile("imagegate", deadline=None, derandomize=True)  # nothing is timed; the same cases every run
settings.register_profile("quick", deadline=None, derandomize=True, max_examples=20)  # make check
settings.register_profile("search", deadline=None, max_examples=2000)  # for finding new cases
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "imagegate"))

_FIXTURES_WITH_PROGRAMS = frozenset(
    {
        "apiserver_client",
        "gpg_home",
        "kubectl",
        "plane",
        "registry",
        "registry_htpasswd",
        "registry_tls",
        "registry_token",
    }
)


@pytest.hookimpl(tryfirst=True)  # before -m selects by marker
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test that uses a fixture with a real program, so that ``make check`` leaves it out.

    Tests against the real server come first: they take longest, and two test processes should end together.
    """
    items.sort(key=lambda item: not item.nodeid.startswith("tests/web/"))
    for item in items:
        if _FIXTURES_WITH_PROGRAMS.intersection(getattr(item, "fixturenames", ())):
            item.add_marker("programs")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Remember how each test failed: ``tests.run_all`` prints it at the end where a test passes alone."""
    reports = [*terminalreporter.getreports("failed"), *terminalreporter.getreports("error")]
    if terminalreporter.config.cache is not None:
        terminalreporter.config.cache.set(FAILURES, {each.nodeid: each.longreprtext for each in reports})
