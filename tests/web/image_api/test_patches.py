"""Patches as real clients send them: the bodies were taken from the wire."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.image_api import Api

STREAMS = "namespaces/test/imagestreams"
STRATEGIC = "strategic-merge-patch"
BUILDS = "/apis/build.openshift.io/v1/namespaces/test/buildconfigs"


def source(name: str) -> dict[str, Any]:
    return {"kind": "DockerImage", "name": f"quay.io/a/{name}:1"}


@pytest.fixture
def stream(api: Api) -> Api:
    """A stream ``sm`` with the tags one, two, three."""
    tags = [{"name": name, "from": source(name)} for name in ("one", "two", "three")]
    api.post(STREAMS, {"metadata": {"name": "sm"}, "spec": {"tags": tags}})
    return api


def tags_of(api: Api) -> dict[str, Any]:
    found = api.get(f"{STREAMS}/sm")["spec"].get("tags") or []
    return {tag["name"]: tag for tag in found}


def changed(api: Api, spec: dict[str, Any]) -> dict[str, Any]:
    """What differs after a strategic patch of the spec, by tag."""
    before = tags_of(api)
    api.patch(f"{STREAMS}/sm", {"spec": spec}, kind=STRATEGIC)
    after = tags_of(api)
    return {name: after.get(name) for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def order(*names: str) -> list[dict[str, str]]:
    return [{"name": name} for name in names]


def test_oc_edit_of_one_tag_keeps_the_others(stream: Api) -> None:
    spec = {
        "$setElementOrder/tags": order("one", "three", "two"),
        "tags": [{"importPolicy": {"scheduled": True}, "name": "one"}],
    }
    difference = changed(stream, spec)
    assert difference.keys() == {"one"}
    assert difference["one"]["importPolicy"] == {"scheduled": True, "importMode": "Legacy"}
    assert difference["one"]["from"] == source("one")
    assert list(tags_of(stream)) == ["one", "three", "two"]


def test_oc_edit_of_a_source(stream: Api) -> None:
    spec = {
        "$setElementOrder/tags": order("one", "two", "three"),
        "tags": [{"from": {"name": "quay.io/a/b:9"}, "name": "one"}],
    }
    difference = changed(stream, spec)
    assert difference.keys() == {"one"}
    assert difference["one"]["from"] == {"kind": "DockerImage", "name": "quay.io/a/b:9"}


def test_oc_apply_with_a_tag_added(stream: Api) -> None:
    spec = {
        "$setElementOrder/tags": order("one", "two", "three", "four"),
        "tags": [{"from": source("four"), "name": "four"}],
    }
    assert changed(stream, spec).keys() == {"four"}
    assert tags_of(stream).keys() == {"one", "two", "three", "four"}


def test_oc_apply_with_a_tag_removed(stream: Api) -> None:
    spec = {"$setElementOrder/tags": order("one", "three"), "tags": [{"$patch": "delete", "name": "two"}]}
    assert changed(stream, spec) == {"two": None}


def test_oc_diff_is_an_apply_that_changes_nothing(stream: Api) -> None:
    before = tags_of(stream)
    spec = {
        "$setElementOrder/tags": order("one", "two", "three"),
        "tags": [{"from": {"name": "quay.io/a/other:1"}, "name": "two"}],
    }
    shown = stream.patch(f"{STREAMS}/sm?dryRun=All", {"spec": spec}, kind=STRATEGIC)
    sources = {tag["name"]: tag["from"]["name"] for tag in shown["spec"]["tags"]}
    assert sources == {"one": "quay.io/a/one:1", "two": "quay.io/a/other:1", "three": "quay.io/a/three:1"}
    assert tags_of(stream) == before


def test_oc_patch_adds_a_tag(stream: Api) -> None:
    assert changed(stream, {"tags": [{"name": "new", "from": source("new")}]}).keys() == {"new"}


def test_oc_patch_deletes_a_tag(stream: Api) -> None:
    assert changed(stream, {"tags": [{"name": "two", "$patch": "delete"}]}) == {"two": None}


def test_replace_is_still_there_for_who_asks_for_it(stream: Api) -> None:
    changed(stream, {"tags": [{"$patch": "replace"}, {"name": "only", "from": source("only")}]})
    assert list(tags_of(stream)) == ["only"]
    changed(stream, {"tags": None})
    assert "tags" not in stream.get(f"{STREAMS}/sm")["spec"]


def test_status_tags_are_merged_by_tag(stream: Api) -> None:
    item: dict[str, Any] = {
        "created": "2018-06-01T10:00:00Z",
        "dockerImageReference": "quay.io/a/one@sha256:" + "1" * 64,
    }
    item |= {"image": "sha256:" + "1" * 64, "generation": 1}
    for tag in ("one", "two"):
        stream.patch(f"{STREAMS}/sm/status", {"status": {"tags": [{"tag": tag, "items": [item]}]}}, kind=STRATEGIC)
    assert {tag["tag"] for tag in stream.get(f"{STREAMS}/sm")["status"]["tags"]} == {"one", "two"}


def test_finalizers_and_owners_are_merged(stream: Api) -> None:
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "o"}
    for number, finalizer in enumerate(("a.example/x", "b.example/x")):
        metadata = {"finalizers": [finalizer], "ownerReferences": [{**owner, "uid": f"u{number}"}]}
        stream.patch(f"{STREAMS}/sm", {"metadata": metadata}, kind=STRATEGIC)
    metadata = stream.get(f"{STREAMS}/sm")["metadata"]
    assert sorted(metadata["finalizers"]) == ["a.example/x", "b.example/x"]
    assert sorted(each["uid"] for each in metadata["ownerReferences"]) == ["u0", "u1"]
    gone = {
        "$deleteFromPrimitiveList/finalizers": ["a.example/x"],
        "ownerReferences": [{"$patch": "delete", "uid": "u0"}],
    }
    metadata = stream.patch(f"{STREAMS}/sm", {"metadata": gone}, kind=STRATEGIC)["metadata"]
    assert metadata["finalizers"] == ["b.example/x"]
    assert [each["uid"] for each in metadata["ownerReferences"]] == ["u1"]


def test_a_patch_of_an_image_replaces_its_metadata_as_a_whole(api: Api) -> None:
    name = "sha256:" + "2" * 64
    image = {"metadata": {"name": name}, "dockerImageReference": f"quay.io/a/b@{name}"}
    api.post("images", image)
    marked = {"metadata": {"annotations": {"images.openshift.io/deny-execution": "true"}}}
    assert (
        api.patch(f"images/{name}", marked, kind=STRATEGIC)["metadata"]["annotations"]
        == marked["metadata"]["annotations"]
    )


def test_oc_apply_of_a_changed_build_config(api: Api) -> None:
    """Its secrets have no merge key: 0.1.0 refused this patch."""
    secrets = [{"destinationDir": "x", "secret": {"name": "a"}}]
    api.post(BUILDS, {"metadata": {"name": "b"}, "spec": {"source": {"secrets": secrets}}})
    secrets = [{"destinationDir": "y", "secret": {"name": "a"}}]
    patched = api.patch(f"{BUILDS}/b", {"spec": {"source": {"secrets": secrets}}}, kind=STRATEGIC)
    assert patched["spec"]["source"]["secrets"] == secrets


def test_a_tag_without_its_name_changes_nothing(stream: Api) -> None:
    before = tags_of(stream)
    answer = stream.patch(f"{STREAMS}/sm", {"spec": {"tags": [{"from": source("x")}]}}, 500, kind=STRATEGIC)
    assert answer["message"] == (
        "map: map[from:map[kind:DockerImage name:quay.io/a/x:1]] does not contain declared merge key: name"
    )
    assert tags_of(stream) == before


@pytest.mark.parametrize("copies", [20, 30])
def test_a_json_patch_bomb(stream: Api, copies: int) -> None:
    operations: list[dict[str, Any]] = [{"op": "add", "path": "/metadata/annotations", "value": {"a": "x"}}]
    operations += [{"op": "copy", "from": "/metadata", "path": f"/metadata/m{index}"} for index in range(copies)]
    answer = stream.patch(f"{STREAMS}/sm?dryRun=All", operations, 413, kind="json-patch")
    assert answer["reason"] == "RequestEntityTooLarge"
    assert "at most 3145728 are allowed" in answer["message"]


def test_too_many_operations(stream: Api) -> None:
    operation = {"op": "test", "path": "/metadata/name", "value": "sm"}
    stream.patch(f"{STREAMS}/sm", [operation] * 10_000, kind="json-patch")
    answer = stream.patch(f"{STREAMS}/sm", [operation] * 10_001, 413, kind="json-patch")
    assert "allowed maximum operations in a JSON patch is 10000, got 10001" in answer["message"]


@pytest.mark.parametrize("kind", ["merge-patch", STRATEGIC])
def test_a_result_over_the_limit(stream: Api, kind: str) -> None:
    def annotated(name: str) -> dict[str, Any]:
        return {"metadata": {"annotations": {name: "x" * 140_000}}}

    stream.patch(f"{STREAMS}/sm", {"metadata": {"annotations": {"c": "x" * 3_200_000}}}, 413, kind=kind)
    stream.patch(f"{STREAMS}/sm", annotated("a"), kind=kind)
    answer = stream.patch(f"{STREAMS}/sm", annotated("b"), 422, kind=kind)
    assert "metadata.annotations: Too long: may not be more than 262144 bytes" in answer["message"]
    assert stream.get(f"{STREAMS}/sm")["metadata"]["annotations"].keys() == {"a"}
