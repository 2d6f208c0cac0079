"""Writes of image streams: the object that is stored is the object that was validated."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from imagegate.core.image_streams.objects import StreamObject, read_stream
from imagegate.core.import_gate import writes
from imagegate.core.import_gate.findings import Finding
from imagegate.core.import_gate.gate import ImportGate
from imagegate.ports.image_store import ObjectKey, ObjectMissing
from tests.core.image_streams.test_events_properties import streams
from tests.support.image_api import Api, make_api
from tests.support.image_objects import DIGEST_1, event, image
from tests.web.image_api.conftest import with_project

KEY = ObjectKey("image.openshift.io", "imagestreams", "test", "app")


@pytest.fixture
def validated(monkeypatch: pytest.MonkeyPatch) -> list[StreamObject]:
    """Every stream that validation has seen, in order."""
    seen: list[StreamObject] = []
    for name in ("validate_stream", "validate_stream_update", "validate_stream_status_update"):
        monkeypatch.setattr(writes, name, partial(_record, seen, getattr(writes, name)))
    return seen


def _record(
    seen: list[StreamObject],
    validate: Callable[..., list[Finding]],
    gate: ImportGate,
    stream: StreamObject,
    *old: StreamObject,
) -> list[Finding]:
    seen.append(stream)
    return validate(gate, stream, *old)


@pytest.fixture
def api(tmp_path: Path) -> Api:
    return with_project(make_api(tmp_path / "images.db", now=lambda: datetime(2018, 6, 1, 10, tzinfo=UTC)))


def stored(api: Api) -> StreamObject:
    found = api.store.get(KEY)
    assert found is not None
    return read_stream(found)


def same(one: StreamObject, other: StreamObject) -> bool:
    return (one.spec_tags, one.status_tags, one.metadata.generation) == (
        other.spec_tags, other.status_tags, other.metadata.generation
    )  # fmt: skip


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=streams("app"), second=streams("app"), source=streams("src"))
def test_the_validated_stream_is_stored(
    api: Api, validated: list[StreamObject], first: dict[str, Any], second: dict[str, Any], source: dict[str, Any]
) -> None:
    """A stream with a history, then an update of its spec, in every combination of tags."""
    for name in ("app", "src"):
        with contextlib.suppress(ObjectMissing):
            api.store.delete(ObjectKey(KEY.group, KEY.resource, "test", name))
    for body in (source, first):
        api.store.create(ObjectKey(KEY.group, KEY.resource, "test", body["metadata"]["name"]), body)
    version = api.store.get(KEY)["metadata"]["resourceVersion"]  # type: ignore[index]
    body = {**second, "metadata": {"name": "app", "namespace": "test", "resourceVersion": version}}
    validated.clear()
    answer = api.ask("PUT", "namespaces/test/imagestreams/app", body)
    if answer.status_code == 200:
        assert len(validated) == 1
        assert same(stored(api), validated[0])
    else:
        assert answer.status_code == 422
        assert stored(api) == read_stream({**first, "metadata": api.store.get(KEY)["metadata"]})  # type: ignore[index]


def test_a_pushed_image_is_stored_as_validated(api: Api, validated: list[StreamObject]) -> None:
    tags = [
        {"name": "b", "from": {"kind": "ImageStreamTag", "name": "a"}},
        {"name": "c", "from": {"kind": "ImageStreamTag", "name": "b"}},
    ]
    api.post("namespaces/test/imagestreams", {"metadata": {"name": "app"}, "spec": {"tags": tags}})
    validated.clear()
    pushed = image(DIGEST_1)
    api.post("namespaces/test/imagestreammappings", {"metadata": {"name": "app"}, "tag": "a", "image": pushed})
    assert same(stored(api), validated[-1])
    assert set(stored(api).status_tags) == {"a", "b"}  # one step, as the original


def test_a_refused_write_stores_nothing(tmp_path: Path) -> None:
    api = with_project(make_api(tmp_path / "images.db", rules=[("quay.io", False)]))
    source = {"metadata": {"name": "src"}, "spec": {}}
    api.post("namespaces/test/imagestreams", source)
    key = ObjectKey(KEY.group, KEY.resource, "test", "src")
    old = api.store.get(key)
    assert old is not None
    history = {"tags": [{"tag": "v1", "items": [event(DIGEST_1, "docker.io/evil/app")]}]}
    api.store.update(key, {**old, "status": history}, version=old["metadata"]["resourceVersion"])
    spec = {"tags": [{"name": "v1", "from": {"kind": "ImageStreamTag", "name": "src:v1"}}]}
    answer = api.post("namespaces/test/imagestreams", {"metadata": {"name": "app"}, "spec": spec}, 422)
    assert "status.tags[v1].items[0].dockerImageReference" in answer["message"]
    assert api.store.get(KEY) is None
