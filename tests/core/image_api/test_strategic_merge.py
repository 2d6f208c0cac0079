"""Strategic merge patches: against the original's results, and against what a patch may do, written down anew."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagegate.core.image_api.resources import RESOURCES, SIGNATURES
from imagegate.core.image_api.restoring import restoring_problem
from imagegate.core.image_api.schema import OBJECT_META, TYPES, type_of
from imagegate.core.image_api.strategic_merge import UnknownFailure, strategic_merge
from imagegate.errors import InvalidInput

CASES = Path(__file__).parents[2] / "data" / "patches" / "strategic.jsonl"
STREAM = type_of("image.openshift.io/v1", "ImageStream")


def cases() -> list[dict[str, Any]]:
    found = [json.loads(line) for line in CASES.read_text(encoding="utf-8").splitlines()]
    assert len(found) == 168
    return found


@pytest.mark.parametrize("old", [{}, {"tags": [{"name": "b"}]}])
def test_a_list_that_is_replaced_may_say_so_only_before_its_last_entry(old: dict[str, Any]) -> None:
    """So the original has it: ``$patch: replace`` is passed over while names of the order are left to compare."""
    order, replace, tag = [{"name": "a"}], {"$patch": "replace"}, {"name": "a"}
    first = {"spec": {"$setElementOrder/tags": order, "tags": [replace, tag]}}
    assert strategic_merge({"spec": old}, first, STREAM)["spec"]["tags"] == [tag]
    last = {"spec": {"$setElementOrder/tags": order, "tags": [tag, replace]}}
    with pytest.raises(UnknownFailure, match="The order in patch list"):
        strategic_merge({"spec": old}, last, STREAM)


@pytest.mark.parametrize("case", cases(), ids=lambda case: case["kind"])
def test_as_the_original_merges(case: dict[str, Any]) -> None:
    kept = copy.deepcopy(case)
    type_ = type_of(*case["kind"].split())
    if "error" in case:
        with pytest.raises(InvalidInput, match="The order in patch list"):
            strategic_merge(case["original"], case["patch"], type_)
    else:
        assert without_directives(strategic_merge(case["original"], case["patch"], type_)) == case["result"]
    assert case == kept


def without_directives(value: Any) -> Any:
    """The result as it is decoded: the cases have no directive that only a type's decoder refuses."""
    if isinstance(value, list):
        return [without_directives(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {key: without_directives(each) for key, each in value.items() if not key.startswith("$")}


def test_a_directive_for_labels_that_are_not_there_is_one_of_them() -> None:
    patch = {"metadata": {"labels": {"$retainKeys": ["a"], "a": "b"}}}
    patched = strategic_merge({"metadata": {"name": "x"}}, patch, STREAM)
    assert patched["metadata"]["labels"] == {"$retainKeys": ["a"], "a": "b"}
    assert restoring_problem(STREAM, patched) == "unrecognized type: string"
    there = strategic_merge({"metadata": {"labels": {"a": "x", "c": "d"}}}, patch, STREAM)
    assert there["metadata"]["labels"] == {"a": "b"}


def test_every_kind_that_can_be_patched_has_its_lists_known() -> None:
    for resource in RESOURCES:
        if "patch" in resource.verbs:
            assert TYPES[resource.type]["metadata"].type == OBJECT_META, resource.name
    assert TYPES[SIGNATURES.type]["conditions"].merge_key == "type"


NAMES = st.sampled_from("abcdef")
FIELDS = st.dictionaries(st.sampled_from(["from", "reference", "annotations"]), st.sampled_from(["x", "y"]))
ENTRIES = st.dictionaries(NAMES, FIELDS, max_size=6)
CHANGES = st.dictionaries(NAMES, st.one_of(st.just("delete"), FIELDS), max_size=6)


@settings(max_examples=400, deadline=None)
@given(ENTRIES, CHANGES, st.permutations("abcdef"), st.booleans())
def test_what_a_patch_does_to_tags(
    before: dict[str, dict[str, str]], changes: dict[str, Any], order: list[str], is_ordered: bool
) -> None:
    """Nothing that the patch does not name is changed, lost or moved; a second time it changes nothing."""
    tags = [{"name": name, **fields} for name, fields in before.items()]
    target = {"spec": {"tags": tags, "lookupPolicy": {"local": True}}, "metadata": {"name": "app"}}
    wanted = [name for name in order if name in before or changes.get(name, "delete") != "delete"]
    if is_ordered:
        changes = {name: changes[name] for name in order if name in changes}
    patch: dict[str, Any] = {
        "spec": {
            "tags": [
                {"name": name, "$patch": "delete"} if change == "delete" else {"name": name, **change}
                for name, change in changes.items()
            ]
        }
    }
    if is_ordered:
        patch["spec"]["$setElementOrder/tags"] = [{"name": name} for name in wanted]

    patched = strategic_merge(target, patch, STREAM)
    after = {tag["name"]: tag for tag in patched["spec"]["tags"]}
    assert len(after) == len(patched["spec"]["tags"])
    deleted = {name for name, change in changes.items() if change == "delete"}
    changed = {name: change for name, change in changes.items() if change != "delete"}
    assert after.keys() == (before.keys() - deleted) | changed.keys()
    for name, tag in after.items():
        assert tag == {"name": name, **before.get(name, {}), **changed.get(name, {})}
    untouched = [name for name in before if name not in changes]
    places = list(after)
    if is_ordered:
        assert places == [name for name in wanted if name in after]
    else:
        assert [name for name in places if name in untouched] == untouched
        assert [name for name in places if name in changed] == list(changed)
    assert patched["metadata"] == target["metadata"]
    assert patched["spec"]["lookupPolicy"] == {"local": True}
    assert strategic_merge(patched, patch, STREAM) == patched


VALUES = st.lists(st.sampled_from(["a/f", "b/f", "c/f"]), unique=True)


@given(VALUES, VALUES, VALUES)
def test_what_a_patch_does_to_a_set(before: list[str], added: list[str], gone: list[str]) -> None:
    added = [value for value in added if value not in gone]
    patch = {"metadata": {"finalizers": added, "$deleteFromPrimitiveList/finalizers": gone}}
    patched = strategic_merge({"metadata": {"finalizers": before}}, patch, STREAM)["metadata"]["finalizers"]
    assert sorted(patched) == sorted((set(before) | set(added)) - set(gone))
    assert [value for value in patched if value not in added] == [
        value for value in before if value not in added and value not in gone
    ]


@pytest.mark.parametrize(
    "patch, message",
    [
        ({"spec": {"tags": [{"from": {}}]}}, "does not contain declared merge key: name"),
        ({"spec": {"tags": [{"name": None}]}}, "does not contain declared merge key: name"),
        ({"spec": {"tags": [{"name": {}}]}}, "does not contain declared merge key: name"),
        ({"spec": {"tags": [{"$patch": "delete"}]}}, "does not contain declared merge key: name"),
        ({"spec": {"tags": ["a"]}}, "list element types are not identical"),
        ({"spec": {"tags": [{"name": "a", "$patch": "none"}]}}, "unknown patch type: none in map"),
        ({"spec": {"tags": [{"name": "a", "$patch": []}]}}, "unknown patch type"),
        ({"spec": {"$patch": "none"}}, "unknown patch type: none in map"),
        ({"spec": {"$patch": {}}}, "unknown patch type"),
        ({"spec": {"$retainKeys": "tags"}}, "invalid patch format of retainKeys"),
        ({"spec": {"$retainKeys": [[]], "tags": []}}, "patch content doesn't match retainKeys list"),
        ({"spec": {"$setElementOrder/tags": {}}}, "invalid patch format of setElementOrder list"),
        ({"spec": {"$setElementOrder/tags": {}, "tags": [{"name": "a"}]}}, "invalid patch format of setElementOrder"),
        ({"metadata": {"$deleteFromPrimitiveList/finalizers": "a/f"}}, "invalid patch format of primitive list"),
        ({"metadata": {"$deleteFromPrimitiveList/finalizers": [[]]}}, "lists of lists are not supported"),
        ({"metadata": {"finalizers": [[]]}}, "lists of lists are not supported"),
        ({"metadata": {"finalizers": [None]}}, "list element types are not identical"),
    ],
)
def test_malformed_patches(patch: dict[str, Any], message: str) -> None:
    target = {"metadata": {"finalizers": ["a/f"]}, "spec": {"tags": [{"name": "a"}]}}
    with pytest.raises(InvalidInput, match=message):
        strategic_merge(target, patch, STREAM)


def test_a_secret_of_a_build_is_replaced_and_one_of_a_service_account_merged() -> None:
    """Which lists have a key depends on the type they are in, not on their name."""
    build = {"spec": {"source": {"secrets": [{"destinationDir": "x", "secret": {"name": "a"}}]}}}
    changed = {"spec": {"source": {"secrets": [{"destinationDir": "y", "secret": {"name": "a"}}]}}}
    assert strategic_merge(build, changed, type_of("build.openshift.io/v1", "BuildConfig")) == changed
    account = {"secrets": [{"name": "a"}]}
    merged = strategic_merge(account, {"secrets": [{"name": "b"}]}, type_of("v1", "ServiceAccount"))
    assert merged == {"secrets": [{"name": "b"}, {"name": "a"}]}


def test_entries_that_are_older_than_the_check() -> None:
    """What is stored may have no key: it stays, and does not stop a patch."""
    target = {"spec": {"tags": [{"reference": True}, {"name": "a"}]}}
    patched = strategic_merge(target, {"spec": {"tags": [{"name": "a", "reference": True}]}}, STREAM)
    assert sorted(map(str, patched["spec"]["tags"])) == ["{'name': 'a', 'reference': True}", "{'reference': True}"]


def test_the_directive_merge_is_refused_as_in_the_original() -> None:
    target = {"spec": {"tags": [{"name": "a", "reference": True}]}}
    with pytest.raises(UnknownFailure, match="merging lists cannot yet be specified in the patch"):
        strategic_merge(target, {"spec": {"tags": [{"$patch": "merge", "name": "a"}]}}, STREAM)
    with pytest.raises(UnknownFailure, match=r"unknown patch type: merge in map: map\[\$patch:merge a:<nil> b:true\]"):
        strategic_merge(target, {"spec": {"$patch": "merge", "b": True, "a": None}}, STREAM)


def test_no_directive_is_ever_stored() -> None:
    new = {"spec": {"$retainKeys": ["tags"], "tags": [{"name": "a", "from": {"$patch": "replace", "name": "x"}}]}}
    assert strategic_merge({}, new, STREAM) == {"spec": {"tags": [{"name": "a"}]}}
    nested = {"spec": {"template": {"spec": {"containers": [{"name": "c", "$setElementOrder/env": [], "env": []}]}}}}
    patched = strategic_merge({"spec": {}}, nested, type_of("apps/v1", "Deployment"))
    assert "$" not in json.dumps(patched)
