"""Whatever is kept can be read: types, and the tables and views made of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagegate.core.image_api.field_checks import type_problems
from imagegate.core.image_api.resources import RESOURCES, type_named
from imagegate.core.image_api.schema import TYPES
from imagegate.core.image_api.stored_forms import repaired, tolerant, well_typed
from imagegate.core.image_api.tables import table
from imagegate.core.image_streams.stream import RegistryHosts, with_computed_status
from imagegate.core.image_streams.views import image_stream_tags, image_tags

NOW = datetime(2018, 6, 1, 12, 0, tzinfo=UTC)
NAMES = sorted(
    {name for type_, fields in TYPES.items() if ".image.v1." in type_ for name in fields}
    | {"metadata", "containers", "phase", "x"}
)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-2, 2), st.text(max_size=3), st.just("2018-06-01T10:00:00Z")),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(NAMES), inner, max_size=5)),
    max_leaves=25,
)
KINDS = sorted({resource.kind for resource in RESOURCES})


ROUTE = {"kind": "Route", "metadata": {"name": "r"}}


def garbage(value: Any) -> dict[str, Any]:
    return {"kind": "X", "apiVersion": "v1", **(value if isinstance(value, dict) else {"spec": value, "status": value})}


@settings(max_examples=250, deadline=None)
@given(st.sampled_from(KINDS), JSON, JSON, JSON)
def test_tables_of_anything(kind: str, value: Any, spec: Any, status: Any) -> None:
    good = {"metadata": {"name": "good"}}
    bad = {**garbage(value), "spec": spec, "status": status}
    rows = table(kind, [good, bad], NOW)["rows"]
    assert len(rows) == 2
    assert rows[0]["cells"][0] == "good" or kind == "Event"  # its first column is a time
    widths = {len(row["cells"]) for row in rows}
    assert len(widths) == 1


@settings(max_examples=250, deadline=None)
@given(JSON, JSON, JSON)
def test_views_of_any_stream(metadata: Any, spec: Any, status: Any) -> None:
    stream = {"kind": "ImageStream", "metadata": metadata, "spec": spec, "status": status}
    hosts = RegistryHosts("registry.local:5000")
    shown = tolerant(lambda found: with_computed_status(found, hosts), "ImageStream", stream)
    assert isinstance(shown["status"]["dockerImageRepository"], str)
    tolerant(lambda found: [*image_stream_tags(found), *image_tags(found)], "ImageStream", shown)


@given(st.sampled_from(KINDS), JSON)
def test_what_is_left_is_of_its_type(kind: str, value: Any) -> None:
    kept = well_typed(kind, garbage(value))
    assert not list(type_problems(type_named(kind), kept))
    assert repaired(kind, kept) is kept


@pytest.mark.parametrize(
    "kind, found, left",
    [
        ("Namespace", {"metadata": {"name": "a"}, "status": "x"}, {"metadata": {"name": "a"}}),
        (
            "ImageStream",
            {
                "metadata": {"name": "a", "labels": {"a": 1, "b": "c"}},
                "spec": {"tags": [{"name": "t", "from": 7}, None]},
            },
            {"metadata": {"name": "a", "labels": {"b": "c"}}, "spec": {"tags": [{"name": "t"}]}},
        ),
        ("Pod", {"kind": "Pod", "spec": {"containers": 7}, "metadata": 7}, {"kind": "Pod", "spec": {"containers": []}}),
        (
            "Route",
            {"kind": "Route", "spec": {"host": 7}, "metadata": {"name": "r"}, "apiVersion": 7},
            {"kind": "Route", "metadata": {"name": "r"}},
        ),
        ("ImageStream", {"spec": {"unknown": {"x": 7}}}, {"spec": {"unknown": {"x": 7}}}),
    ],
)
def test_what_is_left(kind: str, found: dict[str, Any], left: dict[str, Any]) -> None:
    assert well_typed(kind, found) == left


def test_what_makes_sense_is_left_alone() -> None:
    stream = {"metadata": {"name": "a"}, "spec": {"tags": [{"name": "t", "annotations": None}]}}
    assert repaired("ImageStream", stream) is stream
    route = {"spec": 7}
    assert repaired("Route", route) is route
