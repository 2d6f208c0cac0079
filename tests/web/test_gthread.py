"""The same application under gunicorn's threads: the same tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.service import Service, serving
from tests.web import test_serve


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service without any option but its kind of workers: sample policies."""
    with serving(tmp_path_factory.mktemp("gthread"), "--worker", "gthread") as found:
        yield found


class TestVerdicts(test_serve.TestVerdicts):
    pass


class TestBadInput(test_serve.TestBadInput):
    pass


class TestOperations(test_serve.TestOperations):
    pass


class TestReload(test_serve.TestReload):
    OPTIONS = ("--worker", "gthread")


class TestEnd(test_serve.TestEnd):
    OPTIONS = ("--worker", "gthread")


def test_reviews_side_by_side_are_all_answered(service: Service) -> None:
    test_serve.test_reviews_side_by_side_are_all_answered(service)
