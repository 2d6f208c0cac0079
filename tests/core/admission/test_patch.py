from __future__ import annotations

import copy
from typing import Any

import jsonpatch
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegate.core.admission.decision import PatchOp
from imagegate.core.admission.patch import PatchConflict, apply_patch


def test_a_patch_leaves_the_input_as_it_was_and_shares_the_rest() -> None:
    document = {"metadata": {"name": "a"}, "spec": {"containers": [{"image": "a"}, {"image": "b"}]}}
    before = copy.deepcopy(document)
    patched = apply_patch(document, [PatchOp("replace", "/spec/containers/1/image", "c")])
    assert patched == {"metadata": {"name": "a"}, "spec": {"containers": [{"image": "a"}, {"image": "c"}]}}
    assert document == before
    assert patched["metadata"] is document["metadata"]


def test_a_value_that_was_put_in_may_be_patched_without_changing_it() -> None:
    value: dict[str, Any] = {"a": 1}
    patched = apply_patch({}, [PatchOp("add", "/x", value), PatchOp("add", "/x/b", 2)])
    assert patched == {"x": {"a": 1, "b": 2}}
    assert value == {"a": 1}


def test_many_operations_copy_a_long_list_once() -> None:
    class Counted(list[Any]):
        copies = 0

        def copy(self) -> list[Any]:
            Counted.copies += 1
            return list(self)

    document = {"spec": {"containers": Counted({"image": "a"} for _ in range(1000))}}
    operations = [PatchOp("replace", f"/spec/containers/{n}/image", "b") for n in range(1000)]
    patched = apply_patch(document, operations)
    assert {each["image"] for each in patched["spec"]["containers"]} == {"b"}
    assert Counted.copies == 1


def test_a_deeply_nested_object_costs_only_its_path() -> None:
    deep: dict[str, Any] = {}
    at = deep
    for _ in range(100_000):
        at["x"] = {}
        at = at["x"]
    assert apply_patch({"deep": deep, "a": 1}, [PatchOp("replace", "/a", 2)])["a"] == 2


@pytest.mark.parametrize(
    "op, path",
    [
        ("replace", "/missing"),
        ("remove", "/missing"),
        ("replace", "/list/3"),
        ("add", "/list/4"),
        ("add", "/list/x"),
        ("add", "/text/x"),
        ("add", "/missing/x"),
        ("replace", ""),
        ("move", "/text"),
    ],
)
def test_an_operation_that_does_not_fit_is_refused(op: str, path: str) -> None:
    with pytest.raises(PatchConflict):
        apply_patch({"text": "a", "list": [1, 2, 3]}, [PatchOp(op, path, 0)])


KEYS = st.sampled_from(["a", "b", "x/y", "t~"])
VALUES = st.recursive(
    st.integers(0, 9), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3)
)


def places(value: Any, at: str = "") -> list[str]:
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = [at] if at else []
    for key, child in entries:
        found += places(child, f"{at}/{str(key).replace('~', '~0').replace('/', '~1')}")
    return found


@given(document=st.dictionaries(KEYS, VALUES, min_size=1, max_size=3), data=st.data())
def test_agrees_with_jsonpatch(document: dict[str, Any], data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(places(document)))
    op = data.draw(st.sampled_from(["add", "replace", "remove"]))
    operation = PatchOp(op, path, data.draw(VALUES))
    expected = jsonpatch.apply_patch(copy.deepcopy(document), [operation.to_json()])
    assert apply_patch(document, [operation]) == expected
