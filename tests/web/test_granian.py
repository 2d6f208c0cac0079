"""The same application under granian: the same tests."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

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
