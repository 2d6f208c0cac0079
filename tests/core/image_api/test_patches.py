"""Patches: RFC 6902 and RFC 7396 by their own examples, and Kubernetes' strategic merge patch."""

from __future__ import annotations

import copy
import json
import time
import tracemalloc
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagegate.core.image_api.amounts import TooLarge
from imagegate.core.image_api.patches import (
    JSON_PATCH,
    MERGE_PATCH,
    RESULT_MAX_BYTES,
    STRATEGIC_MERGE_PATCH,
    apply,
    merge,
)
from imagegate.errors import InvalidInput


@pytest.mark.parametrize(
    "target, patch, result",
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_examples_of_rfc_7396(target: Any, patch: Any, result: Any) -> None:
    kept = copy.deepcopy(target)
    assert merge(target, patch) == result
    assert target == kept


def test_json_patch() -> None:
    target = {"a": {"b": [1, 2]}}
    operations = [{"op": "add", "path": "/a/b/-", "value": 3}, {"op": "remove", "path": "/a/b/0"}]
    assert apply(JSON_PATCH, target, operations) == {"a": {"b": [2, 3]}}
    assert target == {"a": {"b": [1, 2]}}


@pytest.mark.parametrize(
    "patch",
    [
        {"op": "add"},
        [{"op": "test", "path": "/a", "value": 2}],
        [{"op": "remove", "path": "/none"}],
        [{"op": "none", "path": "/a"}],
        [{"path": "/a"}],
        [7],
        [{"op": "replace", "path": "", "value": 7}],
        [{"op": "copy", "path": "/b"}],
        [{"op": "copy", "from": "/a"}],
        [{"op": "copy", "from": 7, "path": "/b"}],
        [{"op": "copy", "from": "/none", "path": "/b"}],
        [{"op": "add", "path": "/l/" + "9" * 5_000, "value": 1}],
        [{"op": "remove", "path": "/l/" + "9" * 5_000}],
        [{"op": "add", "path": "/l/5", "value": 1}],
        [{"op": [], "path": "/l"}],
        [{"op": "add", "path": "/x", "value": 1}] * 10_001,
    ],
)
def test_json_patches_that_do_not_fit(patch: Any) -> None:
    with pytest.raises(InvalidInput):
        apply(JSON_PATCH, {"a": 1, "l": []}, patch)


@pytest.mark.parametrize("kind", [MERGE_PATCH, STRATEGIC_MERGE_PATCH])
def test_a_patch_must_be_an_object(kind: str) -> None:
    with pytest.raises(InvalidInput, match="the patch is not an object"):
        apply(kind, {}, [])


POD = {
    "kind": "Pod",
    "apiVersion": "v1",
    "metadata": {"finalizers": ["a", "b"], "labels": {"x": "y"}},
    "spec": {
        "containers": [{"name": "one", "image": "a", "ports": [{"containerPort": 80}]}, {"name": "two", "image": "b"}],
        "nodeSelector": {"disk": "ssd"},
        "volumes": [{"name": "v", "emptyDir": {}}],
        "args": ["x"],
    },
}


def patched(patch: dict[str, Any]) -> dict[str, Any]:
    kept = copy.deepcopy(POD)
    result = apply(STRATEGIC_MERGE_PATCH, POD, patch)
    assert kept == POD
    return result


def test_lists_are_merged_by_their_key() -> None:
    change = {"name": "one", "image": "c", "ports": [{"containerPort": 80, "name": "web"}, {"containerPort": 81}]}
    containers = patched({"spec": {"containers": [change, {"name": "three"}]}})["spec"]["containers"]
    assert containers == [
        {"name": "one", "image": "c", "ports": [{"containerPort": 80, "name": "web"}, {"containerPort": 81}]},
        {"name": "three"},  # as in the original: what is new comes before what the patch does not name
        {"name": "two", "image": "b"},
    ]


def test_directives_of_lists() -> None:
    gone = patched({"spec": {"containers": [{"name": "one", "$patch": "delete"}]}})["spec"]["containers"]
    assert [container["name"] for container in gone] == ["two"]
    replaced = patched({"spec": {"containers": [{"$patch": "replace"}, {"name": "new"}]}})["spec"]["containers"]
    assert replaced == [{"name": "new"}]
    order = {"$setElementOrder/containers": [{"name": "two"}, {"name": "one"}], "containers": [{"name": "one"}]}
    assert [container["name"] for container in patched({"spec": order})["spec"]["containers"]] == ["two", "one"]


def test_directives_of_objects() -> None:
    assert patched({"spec": {"nodeSelector": {"$patch": "replace", "a": "b"}}})["spec"]["nodeSelector"] == {"a": "b"}
    assert patched({"spec": {"nodeSelector": {"$patch": "delete"}}})["spec"]["nodeSelector"] == {}
    retained = patched({"spec": {"$retainKeys": ["args"], "args": ["y"]}})["spec"]
    assert retained == {"args": ["y"]}
    assert "nodeSelector" not in patched({"spec": {"nodeSelector": None}})["spec"]


def test_lists_of_plain_values() -> None:
    metadata = patched({"metadata": {"finalizers": ["b", "c"]}})["metadata"]
    assert metadata["finalizers"] == ["a", "b", "c"]
    fewer = patched({"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}})["metadata"]
    assert fewer["finalizers"] == ["b"]
    assert patched({"metadata": {"$deleteFromPrimitiveList/none": ["a"]}})["metadata"] == POD["metadata"]
    assert patched({"spec": {"args": ["z"]}})["spec"]["args"] == ["z"]


def test_ports_of_a_service_are_merged_by_port() -> None:
    service = {"kind": "Service", "apiVersion": "v1", "spec": {"ports": [{"port": 1, "name": "a"}]}}
    changed = apply(STRATEGIC_MERGE_PATCH, service, {"spec": {"ports": [{"port": 1, "name": "b"}, {"port": 2}]}})
    assert changed["spec"] == {"ports": [{"port": 1, "name": "b"}, {"port": 2}]}


def test_an_entry_without_its_key() -> None:
    with pytest.raises(InvalidInput, match="does not contain declared merge key: name"):
        patched({"spec": {"containers": [{"image": "x"}]}})


def test_kinds_whose_lists_are_not_known_are_replaced() -> None:
    target = {"kind": "Other", "apiVersion": "v1", "tags": [{"name": "a"}]}
    assert apply(STRATEGIC_MERGE_PATCH, target, {"tags": [{"name": "b"}]})["tags"] == [{"name": "b"}]


def bomb(copies: int) -> list[dict[str, Any]]:
    """Each copy doubles the document."""
    start = {"op": "add", "path": "/metadata/annotations", "value": {"a": "x"}}
    copied = ({"op": "copy", "from": "/metadata", "path": f"/metadata/m{index}"} for index in range(copies))
    return [start, *copied]


@pytest.mark.parametrize("copies", [20, 30, 9_999])
def test_a_patch_of_copies_is_refused_before_it_grows(copies: int) -> None:
    began = time.process_time()
    with pytest.raises(TooLarge, match="the object would have"):
        apply(JSON_PATCH, {"metadata": {"name": "x"}}, bomb(copies))
    # about 0.05 s, where what grows would take minutes; a full collection of the whole test process may fall into it
    assert time.process_time() - began < 3
    tracemalloc.start()
    with pytest.raises(TooLarge):
        apply(JSON_PATCH, {"metadata": {"name": "x"}}, bomb(copies))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 40 * RESULT_MAX_BYTES


def test_copies_that_stay_small() -> None:
    patched = apply(JSON_PATCH, {"metadata": {"name": "x"}}, bomb(8))
    assert len(patched["metadata"]) == 10
    patched["metadata"]["m0"]["name"] = "other"
    assert patched["metadata"]["m1"]["name"] == "x", "a copy is a copy"


def test_copies_add_up() -> None:
    """Each is small, and each replaces the one before: Kubernetes counts what was copied, not what is left."""
    operations = [{"op": "copy", "from": "/text", "path": "/copy"}] * 4
    with pytest.raises(TooLarge):
        apply(JSON_PATCH, {"text": "x" * 1_000_000}, operations)
    assert apply(JSON_PATCH, {"text": "x" * 1_000_000}, operations[:2])["copy"] == "x" * 1_000_000


BIG = "x" * (RESULT_MAX_BYTES // 2)


@pytest.mark.parametrize(
    "kind, patch",
    [
        (JSON_PATCH, [{"op": "add", "path": "/b", "value": BIG}]),
        (MERGE_PATCH, {"b": BIG}),
        (STRATEGIC_MERGE_PATCH, {"b": BIG}),
    ],
)
def test_the_result_is_bounded_for_every_kind_of_patch(kind: str, patch: Any) -> None:
    with pytest.raises(TooLarge, match=f"at most {RESULT_MAX_BYTES} are allowed"):
        apply(kind, {"a": BIG}, patch)
    assert apply(kind, {"a": ""}, patch)["b"] == BIG


def deny(kind: str, pointer: str = "/metadata/annotations") -> Any:
    marks = {"images.openshift.io/deny-execution": "true"}
    return (
        [{"op": "add", "path": pointer, "value": marks}] if kind == JSON_PATCH else {"metadata": {"annotations": marks}}
    )


@pytest.mark.parametrize("kind", [JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH])
def test_an_image_that_is_too_large_already_can_be_marked(kind: str) -> None:
    """An import may have brought it: its publisher must not be able to keep marks off it."""
    deep: dict[str, Any] = {}
    for _ in range(240):
        deep = {"a": deep}
    for metadata in (BIG * 3, deep):
        image = {"kind": "Image", "metadata": {"name": "x"}, "dockerImageMetadata": metadata}
        assert apply(kind, image, deny(kind))["metadata"]["annotations"]
        more = {"b": BIG * 3}
        with pytest.raises(TooLarge):
            apply(kind, image, [{"op": "add", "path": "/b", "value": more}] if kind == JSON_PATCH else {"b": more})


@pytest.mark.parametrize("levels", [230, 300, 3_000])
def test_a_result_that_is_nested_too_deep(levels: int) -> None:
    paths = ["/a" * (level + 1) for level in range(levels)]
    with pytest.raises(TooLarge, match="nested deeper than 200 levels"):
        apply(JSON_PATCH, {}, [{"op": "add", "path": path, "value": {}} for path in paths])
    assert apply(JSON_PATCH, {}, [{"op": "add", "path": path, "value": {}} for path in paths[:150]])


def test_a_result_that_is_nested_too_deep_by_copies() -> None:
    operations = [{"op": "copy", "from": "", "path": "/a"}] * 300
    with pytest.raises(TooLarge):
        apply(JSON_PATCH, {}, operations)


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=4)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)),
    max_leaves=8,
)
POINTERS = st.one_of(
    st.lists(
        st.sampled_from(["a", "l", "0", "1", "-", "-1", "01", "~0", "~", "9" * 30, "", "é", "x" * 9]), max_size=4
    ).map(lambda parts: "".join(f"/{part}" for part in parts)),
    JSON,
)
OPERATIONS = st.one_of(
    st.fixed_dictionaries(
        {"op": st.one_of(st.sampled_from(["add", "remove", "replace", "move", "copy", "test"]), JSON)},
        optional={"path": POINTERS, "from": POINTERS, "value": JSON},
    ),
    JSON,
)


@settings(max_examples=400, deadline=None)
@given(st.lists(OPERATIONS, max_size=6))
def test_any_json_patch_is_applied_or_refused(operations: list[Any]) -> None:
    target = {"a": {"l": [1, [2], {"a": 3}]}, "l": [], "0": "x", "": {"": 1}}
    kept = copy.deepcopy(target)
    patched: Any = {}
    with suppress(InvalidInput):
        patched = apply(JSON_PATCH, target, operations)
    assert isinstance(patched, dict)
    assert target == kept


FIELDS = [
    *("metadata", "spec", "status", "tags", "tag", "name", "containers", "env", "finalizers", "ownerReferences", "uid"),
    *("$patch", "$retainKeys", "$setElementOrder/tags", "$setElementOrder/finalizers", "$setElementOrder/containers"),
    *("$deleteFromPrimitiveList/finalizers", "$deleteFromPrimitiveList/tags", "$other", "$setElementOrder/"),
]


def parts(fields: list[str]) -> st.SearchStrategy[Any]:
    """Anything with these fields."""
    leaves = st.one_of(
        st.none(), st.booleans(), st.integers(0, 2), st.sampled_from(["a", "delete", "replace", "merge"])
    )
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(fields), inner, max_size=4)
        ),
        max_leaves=20,
    )


PATCHES = st.dictionaries(st.sampled_from(FIELDS), parts(FIELDS))
STORED = parts([field for field in FIELDS if not field.startswith("$")])


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(["ImageStream", "Image", "Pod"]), PATCHES, STORED)
def test_any_strategic_patch_is_applied_or_refused(kind: str, patch: Any, stored: Any) -> None:
    version = "v1" if kind == "Pod" else "image.openshift.io/v1"
    target = {"kind": kind, "apiVersion": version, "metadata": stored, "spec": stored, "status": stored}
    kept = copy.deepcopy(target)
    patched = None
    with suppress(InvalidInput):
        patched = apply(STRATEGIC_MERGE_PATCH, target, patch)
    assert '"$' not in json.dumps(patched)
    assert target == kept


@pytest.mark.parametrize(
    "operation, tags",
    [
        ({"op": "add", "path": "/tags/-1", "value": "c"}, ["a", "b", "c"]),
        ({"op": "add", "path": "/tags/-3", "value": "c"}, ["c", "a", "b"]),
        ({"op": "replace", "path": "/tags/-1", "value": "c"}, ["a", "c"]),
        ({"op": "remove", "path": "/tags/-2"}, ["b"]),
        ({"op": "add", "path": "/tags/01", "value": "c"}, ["a", "c", "b"]),
        ({"op": "test", "path": "/none", "value": None}, ["a", "b"]),
        ({"op": "add", "path": "/none"}, ["a", "b"]),
    ],
)
def test_operations_as_the_original_reads_them(operation: dict[str, Any], tags: list[str]) -> None:
    patched = apply(JSON_PATCH, {"tags": ["a", "b"]}, [operation])
    assert patched["tags"] == tags
    assert ("none" in patched) == (operation["path"] == "/none" and operation["op"] == "add")


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "add", "path": "/tags/-4", "value": "c"},
        {"op": "remove", "path": "/tags/-3"},
        {"op": "test", "path": "/none/below", "value": None},
        {"op": "test", "path": "/none"},
        {"op": "test", "path": "/tags/0", "value": None},
    ],
)
def test_operations_that_do_not_apply(operation: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        apply(JSON_PATCH, {"tags": ["a", "b"]}, [operation])
