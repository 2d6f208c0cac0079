"""Patches: RFC 6902 and RFC 7396 by their own examples, and Kubernetes' strategic merge patch."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from imagegate.core.api_patches import JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH, apply, merge
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
    assert apply(JSON_PATCH, target, operations, merges_lists=False) == {"a": {"b": [2, 3]}}
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
        [{"op": "add", "path": "/x", "value": 1}] * 10_001,
    ],
)
def test_json_patches_that_do_not_fit(patch: Any) -> None:
    with pytest.raises(InvalidInput):
        apply(JSON_PATCH, {"a": 1}, patch, merges_lists=False)


@pytest.mark.parametrize("kind", [MERGE_PATCH, STRATEGIC_MERGE_PATCH])
def test_a_patch_must_be_an_object(kind: str) -> None:
    with pytest.raises(InvalidInput, match="the patch is not an object"):
        apply(kind, {}, [], merges_lists=False)


POD = {
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
    result = apply(STRATEGIC_MERGE_PATCH, POD, patch, merges_lists=True)
    assert kept == POD
    return result


def test_lists_are_merged_by_their_key() -> None:
    change = {"name": "one", "image": "c", "ports": [{"containerPort": 80, "name": "web"}, {"containerPort": 81}]}
    containers = patched({"spec": {"containers": [change, {"name": "three"}]}})["spec"]["containers"]
    assert containers == [
        {"name": "one", "image": "c", "ports": [{"containerPort": 80, "name": "web"}, {"containerPort": 81}]},
        {"name": "two", "image": "b"},
        {"name": "three"},
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
    service = {"ports": [{"port": 1, "name": "a"}]}
    assert apply(STRATEGIC_MERGE_PATCH, service, {"ports": [{"port": 1, "name": "b"}]}, merges_lists=True) == {
        "ports": [{"port": 1, "name": "b"}]
    }


def test_an_entry_without_its_key() -> None:
    with pytest.raises(InvalidInput, match="does not contain declared merge key: name"):
        patched({"spec": {"containers": [{"image": "x"}]}})


def test_kinds_whose_lists_are_not_known_are_replaced() -> None:
    target = {"tags": [{"name": "a"}]}
    assert apply(STRATEGIC_MERGE_PATCH, target, {"tags": [{"name": "b"}]}, merges_lists=False) == {
        "tags": [{"name": "b"}]
    }
