"""Strategic merge patches of every kind beside Kubernetes' own library, on generated objects and patches."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagegate.core.image_api.resources import RESOURCES
from imagegate.core.image_api.schema import TYPES, Field
from imagegate.core.image_api.strategic_merge import strategic_merge
from imagegate.errors import InvalidInput
from tests.support.go_clients import Merger, merging

pytestmark = pytest.mark.programs
KINDS = sorted(
    {f"{each.api_version} {each.kind}" for each in RESOURCES if "patch" in each.verbs}
    | {"image.openshift.io/v1 ImageSignature"}
)
NAMES = st.sampled_from("abcde")
PLAIN = st.sampled_from(["x", "y", 1, True])
DEPTH_MAX = 4
NOT_REFUSED_HERE = ("no elements in any of the given slices",)
"""An order for a list that is empty."""


@pytest.fixture(scope="module")
def kubernetes() -> Iterator[Merger]:
    with merging() as found:
        yield found


def strategies_of(type_: str, path: str = "", outer: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    if type_ in outer:
        return
    for name, field in TYPES.get(type_, {}).items():
        below = f"{path}.{name}".lstrip(".")
        if field.merge_key:
            yield below, f"merge:{field.merge_key}"
        elif field.is_set:
            yield below, "merge"
        elif field.is_replaced:
            yield below, "replace"
        if field.type[0] != "[" or field.merge_key:
            yield from strategies_of(field.type.strip("[]{}"), below, (*outer, type_))


@pytest.mark.parametrize("kind", KINDS)
def test_the_table_is_that_of_the_published_types(kubernetes: Merger, kind: str) -> None:
    """``retainKeys`` is left out: the directive works in every object."""
    published = {
        path: strategy.replace("merge,retainKeys", "merge")
        for path, strategy in kubernetes.strategies[kind].items()
        if strategy != "retainKeys"
    }
    assert dict(strategies_of(TYPES.kind(*kind.split()))) == published


@cache
def strategic_fields(type_: str) -> dict[str, Field]:
    """The fields of a type that have a strategy, or have one below."""
    return {
        name: field
        for name, field in TYPES.get(type_, {}).items()
        if field.merge_key
        or field.is_set
        or field.is_replaced
        or (field.type in TYPES and strategic_fields(field.type))
    }


def item(field: Field) -> str:
    return field.item if field.merge_key else field.type


def objects(type_: str, depth: int = 0) -> st.SearchStrategy[dict[str, Any]]:
    fields = {name: values(field, depth) for name, field in strategic_fields(type_).items()}
    extra = {"plain": PLAIN, "other": PLAIN}
    return st.fixed_dictionaries({}, optional={**fields, **extra})


def values(field: Field, depth: int) -> st.SearchStrategy[Any]:
    if field.is_set:
        return st.lists(NAMES, unique=True, max_size=4)
    inner = objects(item(field) if depth < DEPTH_MAX else "", depth + 1)
    if not field.merge_key:
        return inner
    return st.lists(entries(field, inner), unique_by=lambda entry: entry[field.merge_key], max_size=4)


def entries(field: Field, inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(lambda name, fields: {**fields, field.merge_key: name}, NAMES, inner)


@st.composite
def patches(draw: st.DrawFn, type_: str, depth: int = 0) -> dict[str, Any]:
    patch: dict[str, Any] = {}
    for name, field in strategic_fields(type_).items():
        if draw(st.booleans()):
            patch.update(draw(changes(name, field, depth)))
    for name in ("plain", "other"):
        if draw(st.booleans()):
            patch[name] = draw(st.one_of(st.none(), PLAIN))
    if draw(st.integers(0, 7)) == 0:
        patch["$retainKeys"] = [name for name in patch if not name.startswith("$")] + draw(
            st.lists(st.sampled_from(["plain", "spec", "metadata", "name"]), max_size=2)
        )
    if depth and draw(st.integers(0, 11)) == 0:
        patch["$patch"] = draw(st.sampled_from(["replace", "delete"]))
    return patch


@st.composite
def changes(draw: st.DrawFn, name: str, field: Field, depth: int) -> dict[str, Any]:
    """What a patch says of one field: its value, and directives beside it."""
    if draw(st.integers(0, 9)) == 0:
        return {name: None}
    if field.is_replaced:
        return {name: draw(objects(""))}
    if field.is_set:
        return draw(set_changes(name))
    inner = patches(item(field) if depth < DEPTH_MAX else "", depth + 1)
    return draw(entry_changes(name, field, inner)) if field.merge_key else {name: draw(inner)}


@st.composite
def orders(draw: st.DrawFn) -> list[str]:
    return draw(st.permutations("abcde"))[: draw(st.integers(2, 5))]


@st.composite
def set_changes(draw: st.DrawFn, name: str) -> dict[str, Any]:
    """Values that are added and others that are deleted: of one that is both, Go's order of a map decides."""
    added = draw(st.lists(NAMES, unique=True, max_size=3))
    found: dict[str, Any] = {name: added} if draw(st.booleans()) else {}
    if draw(st.booleans()):
        gone = draw(st.lists(NAMES, max_size=2))
        found[f"$deleteFromPrimitiveList/{name}"] = [each for each in gone if each not in added]
    if draw(st.booleans()):
        found[f"$setElementOrder/{name}"] = draw(orders())
    return found


@st.composite
def entry_changes(draw: st.DrawFn, name: str, field: Field, inner: st.SearchStrategy[dict[str, Any]]) -> dict[str, Any]:
    key, order = field.merge_key, draw(orders())
    items = draw(st.lists(entries(field, inner), unique_by=lambda entry: entry[key], max_size=4))
    items = [{field: value for field, value in item.items() if value != "replace"} for item in items]
    if draw(st.integers(0, 5)) == 0:
        items.append({"$patch": "replace"})
    if draw(st.booleans()):
        return {name: items}
    if draw(st.booleans()):
        items.sort(key=lambda item: order.index(item[key]) if item.get(key) in order else -1)
    given = {} if draw(st.integers(0, 3)) == 0 else {name: items}
    return {**given, f"$setElementOrder/{name}": [{key: each} for each in order]}


def decoded(found: Any) -> Any:
    """The library leaves some directives and nulls in its result, for the API server's decoder to drop. What has a
    directive is no value here, and left out too."""
    if isinstance(found, dict):
        return {key: decoded(value) for key, value in found.items() if not key.startswith("$") and is_value(value)}
    return [decoded(each) for each in found if is_value(each)] if isinstance(found, list) else found


def is_value(found: Any) -> bool:
    return found is not None and not (isinstance(found, dict) and "$patch" in found)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=40)
@given(data=st.data())
def test_as_the_library_merges(kubernetes: Merger, kind: str, data: st.DataObject) -> None:
    type_ = TYPES.kind(*kind.split())
    original, patch = data.draw(objects(type_)), data.draw(patches(type_))
    kept = copy.deepcopy((original, patch))
    wanted = kubernetes.merge(kind, original, patch)
    try:
        got: dict[str, Any] = {"result": strategic_merge(original, patch, type_)}
    except InvalidInput as error:
        got = {"error": str(error)}
    if "error" not in wanted:
        assert got == decoded(wanted)
    elif wanted["error"] not in NOT_REFUSED_HERE:
        assert "error" in got, wanted["error"]
    assert (original, patch) == kept
