"""Stored references outside the list."""

from __future__ import annotations

import pytest

from imagegate.core.import_gate.gate import ImportGate
from imagegate.core.import_gate.stored_references import OutsideReference, outside_references
from imagegate.errors import InvalidInput
from tests.support.import_gate_setup import MANUAL, MANUAL_LISTED, docker_tag, history, stream


def test_every_place_of_a_stream_is_looked_at() -> None:
    held = stream("app", docker_tag("a", "quay.io/x"), docker_tag("b", "registry.access.redhat.com/x"))
    held["spec"]["dockerImageRepository"] = "gcr.io/x"
    held["status"] = {"tags": [history("a", "quay.io/x", "registry.access.redhat.com/x", "Bad Name")]}
    found = list(outside_references(ImportGate(MANUAL), held))
    assert [(each.at, each.image) for each in found] == [
        ("spec.dockerImageRepository", "gcr.io/x"),
        ("spec.tags[a].from.name", "quay.io/x"),
        ("status.tags[a].items[0].dockerImageReference", "quay.io/x"),
    ]
    because = f'registry "gcr.io" not allowed by whitelist: {MANUAL_LISTED}'
    assert found[0] == OutsideReference("test", "app", "spec.dockerImageRepository", "gcr.io/x", because)


def test_a_stream_inside_the_list_has_none() -> None:
    held = stream("app", docker_tag("b", "registry.access.redhat.com/x"))
    assert list(outside_references(ImportGate(MANUAL), held)) == []


def test_what_is_no_stream() -> None:
    with pytest.raises(InvalidInput, match=r"^spec: expected an object, got 5$"):
        list(outside_references(ImportGate(MANUAL), {"spec": 5}))
