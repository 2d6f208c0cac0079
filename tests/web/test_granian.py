"""The same application under granian: the same tests."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.in_force import BROKEN, FORBIDS, PERMITS, admitted, policies, readyz, replaced
from tests.support.processes import wait_until
from tests.support.service import Service, sample_review, serving
from tests.web import test_serve


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service without any option but its server: sample policies."""
    with serving(tmp_path_factory.mktemp("granian"), "--server", "granian") as found:
        yield found


class TestVerdicts(test_serve.TestVerdicts):
    pass


class TestBadInput(test_serve.TestBadInput):
    pass


class TestOperations(test_serve.TestOperations):
    pass


def test_sigterm_ends_it_and_its_workers(tmp_path: Path) -> None:
    with serving(tmp_path, "--server", "granian") as found:
        assert found.post("/mutate", sample_review(test_serve.DOCKER_HUB)).response["allowed"] is True
        found.running.process.send_signal(signal.SIGTERM)
        assert found.running.process.wait(20) == 0


def test_no_older_policy_comes_back_and_sighup_is_a_reason(tmp_path: Path) -> None:
    folder = tmp_path / "policies"
    folder.mkdir()
    policy = folder / "p.yaml"
    policy.write_text(PERMITS)
    with serving(tmp_path, "--server", "granian", "--policies", folder, workers=2) as found:
        assert admitted(found) == 20
        replaced(policy, FORBIDS)
        wait_until(lambda: admitted(found) == 0, "the new policy in both workers")
        replaced(policy, BROKEN)
        wait_until(lambda: bool(policies(found)["error"]), "the broken file")
        before = found.workers()
        found.running.process.send_signal(signal.SIGHUP)
        wait_until(lambda: not before & found.workers(), "new workers")
        wait_until(lambda: {each["pid"] for each in readyz(found)["processes"]} == found.workers(), "their reports")
        assert admitted(found) == 0
        replaced(policy, FORBIDS[:-3])
        wait_until(lambda: bool(policies(found)["error"] or policies(found)["held"]), "that it looks cut off")
        replaced(policy, "{}\n---\n")
        wait_until(lambda: bool(policies(found)["error"] or policies(found)["held"]), "that it waits")
        replaced(policy, PERMITS)
        found.running.process.send_signal(signal.SIGHUP)
        wait_until(lambda: admitted(found) == 20, "what was asked for")
