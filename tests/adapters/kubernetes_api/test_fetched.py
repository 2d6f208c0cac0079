"""Objects that are fetched one by one: what is cached of them; the real API server is in tests/cluster."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagegate.adapters.kubernetes_api import fetched
from imagegate.adapters.kubernetes_api.fetched import FetchedObjects, Fetcher
from imagegate.core.admission.lookup import Found
from imagegate.core.enforcement.questions import Secret
from tests.adapters.kubernetes_api.api import MisbehavingApi
from tests.support.simulator import Response


@pytest.fixture
def api() -> Iterator[MisbehavingApi]:
    with MisbehavingApi() as found:
        yield found


@pytest.mark.parametrize("most, cached", [(1_000_000, [True, True, True]), (250_000, [False, True, True])])
def test_the_memory_of_large_secrets_is_bounded(
    api: MisbehavingApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int, cached: list[bool]
) -> None:
    """Whoever may create Secrets and pods in a namespace chooses their size and number."""
    monkeypatch.setattr(fetched, "CACHED_MAX_BYTES", most)
    api.lists = [Response(200, json.dumps({"kind": "Secret", "data": {"x": "A" * 100_000}}).encode())]
    connection = api.connection(tmp_path)
    objects = FetchedObjects(Fetcher(lambda: connection, ttl_s=60))
    asked = [Secret("shop", f"large-{number}") for number in range(3)]
    for each in asked:
        assert isinstance(objects.secret(each, deadline_s=5), Found)
    assert [objects.cached_secret(each) is not None for each in asked] == cached


def test_an_object_is_cached_for_its_time_only(api: MisbehavingApi, tmp_path: Path) -> None:
    api.lists = [Response(200, b'{"kind":"Secret"}')]
    connection = api.connection(tmp_path)
    objects = FetchedObjects(Fetcher(lambda: connection, ttl_s=0))
    assert isinstance(objects.secret(Secret("shop", "key"), deadline_s=5), Found)
    assert objects.cached_secret(Secret("shop", "key")) is None
