"""Owners and merged objects beside Kubernetes' own field manager, on generated sequences of writes.

It gets its schemas from the OpenAPI documents that this service publishes.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagegate.core.image_api.resources import RESOURCES
from imagegate.core.image_api.schema import TYPES, Field
from imagegate.core.managed_fields.checks import errors_text
from imagegate.core.managed_fields.entries import read_entries, written_entries
from imagegate.core.managed_fields.messages import conflict_status, object_text
from imagegate.core.managed_fields.ownership import Conflicts, Writer, after_apply, after_update
from imagegate.core.managed_fields.shapes import NoElement, shape_of
from imagegate.web.image_api.openapi import openapi_v3
from tests.support.go_clients import FieldManager, managing_fields

pytestmark = pytest.mark.programs
KINDS = (
    "image.openshift.io/v1 ImageStream",
    "image.openshift.io/v1 Image",
    "image.openshift.io/v1 ImageTag",
    "apps/v1 Deployment",
    "apps.openshift.io/v1 DeploymentConfig",
    "batch/v1 CronJob",
    "v1 ConfigMap",
    "v1 Pod",
    "v1 Secret",
    "v1 Service",
    "v1 ServiceAccount",
)
NAMES = st.sampled_from("abc")
SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "boolean": st.booleans(),
    "int32": st.integers(0, 2),
    "int64": st.integers(0, 2),
    "float64": st.integers(0, 2),
    "quantity": st.sampled_from(["1", "2"]),
    "int-or-string": st.sampled_from([1, "a"]),
}
RAW = st.sampled_from([{}, {"a": 1}, {"a": {"b": [1]}}])
NOW = "2026-01-01T00:00:00Z"
DEPTH_MAX = 6
NOT_WRITTEN = {"managedFields", "resourceVersion", "uid", "status", "creationTimestamp", "deletionTimestamp"}


@cache
def schemas() -> dict[str, Any]:
    """Of all documents. A kind says what it is only in the document of its own group."""
    found: dict[str, Any] = {}
    for group, version in {(each.group, each.version) for each in RESOURCES}:
        document = openapi_v3(group, version)
        assert document is not None
        for name, schema in orjson.loads(document)["components"]["schemas"].items():
            if name not in found or "x-kubernetes-group-version-kind" in schema:
                found[name] = schema
    return found


@pytest.fixture(scope="module")
def kubernetes() -> Iterator[FieldManager]:
    with managing_fields(schemas()) as found:
        yield found


@cache
def structs(type_: str, depth: int) -> st.SearchStrategy[dict[str, Any]]:
    fields = {
        name: values(field.type, field, depth)
        for name, field in TYPES[type_].items()
        if name not in NOT_WRITTEN and not (depth == 0 and name in ("kind", "apiVersion"))
    }
    keys = tuple(fields)

    def chosen(names: list[str]) -> st.SearchStrategy[dict[str, Any]]:
        return st.fixed_dictionaries({name: fields[name] for name in names})

    most = 3 if depth else 4
    return st.lists(st.sampled_from(keys), unique=True, max_size=most).flatmap(chosen) if keys else st.just({})


def values(type_: str, field: Field | None, depth: int) -> st.SearchStrategy[Any]:
    if type_ in SCALARS:
        return st.one_of(SCALARS[type_], st.none()) if depth > 2 else SCALARS[type_]
    if type_ in ("raw", "fields"):
        return RAW
    if type_ not in TYPES and type_[0] not in "[{":
        return NAMES
    if depth >= DEPTH_MAX:
        return st.none()
    inner = type_[1:-1]
    if type_[0] == "{":
        return st.dictionaries(NAMES, values(inner, None, depth + 1), max_size=3)
    if type_[0] == "[":
        return lists(type_, inner, field, depth)
    return structs(type_, depth + 1)


def lists(type_: str, inner: str, field: Field | None, depth: int) -> st.SearchStrategy[Any]:
    entries = values(inner, None, depth + 1)
    shape = shape_of(type_, field)
    if shape.is_atomic:
        return st.lists(entries, max_size=2)
    if not shape.keys:
        return st.lists(NAMES, unique=True, max_size=3)
    fields = TYPES[inner]
    if not fields.keys() >= set(shape.keys):  # signatures of an Image: the key is no field of theirs
        return st.lists(entries, max_size=1)
    keys = {key: st.sampled_from([1, 2]) if fields[key].type == "int32" else NAMES for key in shape.keys}
    keyed = st.tuples(entries, st.fixed_dictionaries(keys)).map(lambda pair: {**(pair[0] or {}), **pair[1]})
    return st.lists(keyed, unique_by=shape.element, max_size=3)


@st.composite
def writes(draw: st.DrawFn, kind: str) -> list[tuple[str, bool, bool, dict[str, Any]]]:
    """Manager, whether it applies, whether by force, and the object or configuration."""
    one = st.tuples(
        st.sampled_from(["me", "you", "they"]), st.booleans(), st.booleans(), structs(TYPES.kind(*kind.split()), 0)
    )
    return draw(st.lists(one, min_size=1, max_size=5))


def headed(kind: str, found: dict[str, Any]) -> dict[str, Any]:
    version, name = kind.split()
    metadata = found.get("metadata") or {}
    return {**found, "apiVersion": version, "kind": name, "metadata": {**metadata, "name": "x"}}


def without_owners(found: dict[str, Any]) -> dict[str, Any]:
    metadata = {key: value for key, value in found["metadata"].items() if key != "managedFields"}
    return {**found, "metadata": metadata}


def owners(entries: list[dict[str, Any]] | None) -> list[dict[str, Any]]:
    """The entries without times, in an order that does not depend on these; fields in their order, as text."""
    shown = [
        {**{key: value for key, value in entry.items() if key != "time"}, "fieldsV1": orjson.dumps(entry["fieldsV1"])}
        for entry in entries or []
    ]
    return sorted(shown, key=lambda entry: (entry["operation"], entry["manager"]))


def own_answer(kind: str, live: dict[str, Any], write: tuple[str, bool, bool, dict[str, Any]]) -> dict[str, Any]:
    manager, applies, force, given = write
    version, _ = kind.split()
    shape = shape_of(TYPES.kind(*kind.split()))
    writer = Writer(manager, version, NOW)
    managed = read_entries(live["metadata"].get("managedFields"))
    before, head = without_owners(live), {"apiVersion": live["apiVersion"], "kind": live["kind"]}
    if not applies:
        entries = written_entries(after_update(shape, before, given, managed, writer))
        return {"result": given, "owners": entries}
    problem = errors_text(shape, given)
    if problem:
        return {"error": f"failed to create typed patch object ({object_text(given)}): {problem}"}
    try:
        found = after_apply(shape, before, given, managed, writer, force=force, empty=head)
    except Conflicts as error:
        return {"error": conflict_status(error.found).message}
    return {"result": found.object, "owners": written_entries(found.managed)}


def check(kubernetes: FieldManager, kind: str, sequence: list[tuple[str, bool, bool, dict[str, Any]]]) -> None:
    version, name = kind.split()
    live: dict[str, Any] = {"apiVersion": version, "kind": name, "metadata": {}}
    for manager, applies, force, body in sequence:
        given = headed(kind, body)
        if applies:
            theirs = kubernetes.apply(live, given, manager, force=force)
        else:
            theirs = kubernetes.update(live, given, manager)
        if "element 0: associative list with keys has an element" in theirs.get("error", "") and not applies:
            with pytest.raises(NoElement, match="omits all key fields"):
                own_answer(kind, live, (manager, applies, force, given))
            continue
        own = own_answer(kind, live, (manager, applies, force, given))
        assert own.get("error") == theirs.get("error")
        if "error" in theirs:
            continue
        result = theirs["result"]
        assert owners(own["owners"]) == owners(result["metadata"].get("managedFields"))
        assert own["result"] == without_owners(result)
        live = result


@pytest.mark.parametrize("kind", KINDS)
def test_as_kubernetes(kubernetes: FieldManager, kind: str) -> None:
    @given(writes(kind))
    @settings(max_examples=60, deadline=None)
    def compared(sequence: list[tuple[str, bool, bool, dict[str, Any]]]) -> None:
        check(kubernetes, kind, sequence)

    compared()
