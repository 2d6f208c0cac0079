"""Objects as text: the same objects come out."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from imagegate.adapters.files.packed_objects import PackedObjects

_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=5), st.dictionaries(st.text(max_size=5), _values, max_size=4), max_size=6))
def test_what_goes_in_comes_out(objects: dict[str, dict[str, Any]]) -> None:
    packed = PackedObjects(objects.items())
    assert dict(packed.items()) == objects
    assert {key: packed.get(key) for key in objects} == objects
    assert packed.get("none of these keys") is None


def test_the_last_of_one_key_counts() -> None:
    packed = PackedObjects([("a", {"v": 1}), ("b", {"v": 2}), ("a", {"v": 3})])
    assert packed.get("a") == {"v": 3}
    assert dict(packed.items()) == {"a": {"v": 3}, "b": {"v": 2}}


def test_each_asker_has_an_object_of_its_own() -> None:
    packed = PackedObjects([("a", {"v": []})])
    first = packed.get("a")
    assert first is not None
    first["v"].append(1)
    assert packed.get("a") == {"v": []}


def test_integers_beyond_json_libraries() -> None:
    objects = {"before": {"v": 1}, "large": {"v": 1 << 70}, "after": {"v": 2}}
    assert dict(PackedObjects(objects.items()).items()) == objects
