"""Server-side apply passes every gate of a write; owners of fields; hostile configurations and entries.

What merges and conflicts to the letter is in ``test_apply_pairs.py``.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import TestResponse

from imagegate.adapters.store_sqlite.objects import SqliteStore
from imagegate.core.image_policy.marks import DENY_ANNOTATION, Marks
from imagegate.core.managed_fields.entries import SIZE_MAX
from imagegate.ports.image_store import ObjectKey, ObjectTooLarge
from imagegate.service.image_api.field_owners import PARTS_MAX
from tests.support.image_api import Api, make_api
from tests.web.image_api.conftest import with_project

STREAMS = "namespaces/test/imagestreams"
PODS = "/api/v1/namespaces/test/pods"
DIGEST = "sha256:" + "a" * 64
VERSION = "image.openshift.io/v1"
BOUND_S = 20
"""Far above what a bounded request takes on a busy machine, far below what an unbounded one would."""
RULES = """
kind: AccessRules
rules:
- users: [patcher]
  verbs: [get, patch]
  apiGroups: [image.openshift.io]
  resources: [images, imagestreams, imagestreams/status]
- users: [maker]
  verbs: [get, patch, create]
  apiGroups: [image.openshift.io]
  resources: [images, imagestreams]
"""


@pytest.fixture
def world(tmp_path: Path) -> Api:
    marks = Marks(frozenset({DENY_ANNOTATION}), frozenset())
    rules = [("quay.io", False)]
    return with_project(make_api(tmp_path / "images.db", access=RULES, marks=lambda: marks, rules=rules))


def stream(name: str = "s", **fields: Any) -> dict[str, Any]:
    metadata = {"name": name, **fields.pop("metadata", {})}
    return {"kind": "ImageStream", "apiVersion": VERSION, "metadata": metadata, **fields}


def tagged(*sources: str) -> dict[str, Any]:
    tags = [
        {"name": f"t{index}", "from": {"kind": "DockerImage", "name": source}} for index, source in enumerate(sources)
    ]
    return {"spec": {"tags": tags}}


def apply(world: Api, path: str, body: Any, code: int = 200, *, query: str = "", user: str = "") -> dict[str, Any]:
    answer = sent(world, path, body, query=query, user=user)
    assert answer.status_code == code, answer.get_data(as_text=True)
    found: dict[str, Any] = answer.json or {}
    return found


def sent(world: Api, path: str, body: Any, *, query: str = "", user: str = "") -> TestResponse:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    path = f"{path}?fieldManager=me{query}"
    return world.ask("PATCH", path, content, user=user, Content_Type="application/apply-patch+yaml")


def managers(found: dict[str, Any]) -> list[tuple[str, str]]:
    return [(entry["manager"], entry["operation"]) for entry in found["metadata"].get("managedFields") or []]


class TestGates:
    def test_the_list_decides_about_new_and_changed_tags(self, world: Api) -> None:
        assert (
            "not allowed by whitelist" in apply(world, f"{STREAMS}/s", stream(**tagged("evil.com/a/b")), 422)["message"]
        )
        world.get(f"{STREAMS}/s", 404)
        apply(world, f"{STREAMS}/s", stream(**tagged("quay.io/a/b")), 201)
        refused = apply(
            world, f"{STREAMS}/s", stream(**tagged("quay.io/a/b", "evil.com/a/b")), 422, query="&force=true"
        )
        assert "not allowed by whitelist" in refused["message"]
        assert len(world.get(f"{STREAMS}/s")["spec"]["tags"]) == 1

    def test_the_list_decides_about_status(self, world: Api) -> None:
        apply(world, f"{STREAMS}/s", stream(), 201)
        event = {
            "created": "2020-01-01T00:00:00Z",
            "dockerImageReference": "evil.com/a/b",
            "image": DIGEST,
            "generation": 1,
        }
        forged = stream(status={"tags": [{"tag": "t", "items": [event]}]})
        assert "not allowed by whitelist" in apply(world, f"{STREAMS}/s/status", forged, 422)["message"]
        apply(world, f"{STREAMS}/absent/status", {**forged, "metadata": {"name": "absent"}}, 404)

    def test_creation_needs_the_right_to_create(self, world: Api) -> None:
        refused = apply(world, f"{STREAMS}/s", stream(), 403, user="patcher")
        assert 'User "patcher" cannot create resource "imagestreams"' in refused["message"]
        apply(world, f"{STREAMS}/s", stream(), 201, user="maker")
        apply(world, f"{STREAMS}/s", stream(metadata={"labels": {"a": "b"}}), 200, user="patcher")
        apply(world, f"{STREAMS}/s", stream(), 403, user="nobody")

    def test_marks_need_the_right_to_mark(self, world: Api) -> None:
        image = {"kind": "Image", "apiVersion": VERSION, "dockerImageReference": f"quay.io/a/b@{DIGEST}"}
        marked = {**image, "metadata": {"name": DIGEST, "annotations": {DENY_ANNOTATION: "true"}}}
        assert "needed for" in apply(world, f"images/{DIGEST}", marked, 403, user="maker")["message"]
        apply(world, f"images/{DIGEST}", marked, 201)
        unmarked = {**image, "metadata": {"name": DIGEST}}
        world.patch(f"images/{DIGEST}", {"metadata": {"managedFields": [{}]}})
        world.patch(f"images/{DIGEST}", {"metadata": {"managedFields": [owner({"f:metadata": ANNOTATED}, "Apply")]}})
        refused = apply(world, f"images/{DIGEST}", unmarked, 403, user="maker")
        assert "needed for" in refused["message"]
        assert world.get(f"images/{DIGEST}")["metadata"]["annotations"] == {DENY_ANNOTATION: "true"}

    def test_pods_pass_the_policies(self, world: Api) -> None:
        pod = {
            "kind": "Pod",
            "apiVersion": "v1",
            "metadata": {"name": "p"},
            "spec": {"containers": [{"name": "c", "image": "quay.io/evil/x"}]},
        }
        assert "prohibited by policy" in apply(world, f"{PODS}/p", pod, 422)["message"]
        world.get(f"{PODS}/p", 404)


ANNOTATED: dict[str, Any] = {"f:annotations": {f"f:{DENY_ANNOTATION}": {}}}


def owner(fields: dict[str, Any], operation: str = "Update", manager: str = "me") -> dict[str, Any]:
    named = {"manager": manager, "operation": operation, "apiVersion": VERSION}
    return {**named, "fieldsType": "FieldsV1", "fieldsV1": fields}


class TestOwners:
    def test_objects_of_earlier_versions_have_none_until_somebody_applies(self, world: Api) -> None:
        old = {**stream(metadata={"namespace": "test", "labels": {"a": "b"}}), "spec": {}}
        world.store.create(ObjectKey("image.openshift.io", "imagestreams", "test", "s"), old)
        assert managers(world.patch(f"{STREAMS}/s", {"metadata": {"labels": {"c": "d"}}})) == []
        found = apply(world, f"{STREAMS}/s", stream(metadata={"labels": {"a": "b"}}))
        assert managers(found) == [("me", "Apply"), ("before-first-apply", "Update")]
        assert found["metadata"]["labels"] == {"a": "b", "c": "d"}

    @pytest.mark.parametrize(
        "agent, name",
        [("oc/4.22 (linux)", "oc"), ("", "unknown"), ("/x", "unknown"), ("x" * 200, "x" * 128), ("a b", "a b")],
    )
    def test_names_of_managers(self, world: Api, agent: str, name: str) -> None:
        found = world.post(STREAMS, stream(metadata={"labels": {"a": "b"}}), User_Agent=agent)
        assert managers(found) == [(name, "Update")]

    def test_a_dry_run_records_nothing(self, world: Api) -> None:
        shown = apply(world, f"{STREAMS}/s", stream(metadata={"labels": {"a": "b"}}), 201, query="&dryRun=All")
        assert managers(shown) == [("me", "Apply")]
        world.get(f"{STREAMS}/s", 404)

    def test_nothing_is_written_if_nothing_changes(self, tmp_path: Path) -> None:
        clock = [datetime(2026, 1, 1, tzinfo=UTC)]
        world = with_project(make_api(tmp_path / "images.db", now=lambda: clock[0]))
        first = apply(world, f"{STREAMS}/s", stream(**tagged("quay.io/a/b")), 201)
        clock[0] = datetime(2026, 1, 2, tzinfo=UTC)
        assert apply(world, f"{STREAMS}/s", stream(**tagged("quay.io/a/b"))) == first

    def test_imports_and_tags_keep_the_owners_of_a_stream(self, world: Api) -> None:
        before = apply(world, f"{STREAMS}/s", stream(**tagged("quay.io/a/b")), 201)["metadata"]["managedFields"]
        tag = {"tag": {"from": {"kind": "DockerImage", "name": "quay.io/a/c"}}}
        world.patch("namespaces/test/imagestreamtags/s:t0", tag)
        found = world.get(f"{STREAMS}/s")
        assert found["spec"]["tags"][0]["from"]["name"] == "quay.io/a/c"
        assert found["metadata"]["managedFields"] == before

    def test_watches_and_lists_show_them(self, world: Api) -> None:
        apply(world, f"{STREAMS}/s", stream(metadata={"labels": {"a": "b"}}), 201)
        listed = world.get(STREAMS)
        assert managers(listed["items"][0]) == [("me", "Apply")]


def many_tags() -> bytes:
    return json.dumps(stream(spec={"tags": [{"name": f"t{index}"} for index in range(40_000)]})).encode()


def many_annotations() -> bytes:
    lines = "".join(f"    a{index}: x\n" for index in range(60_000))
    return f"kind: ImageStream\napiVersion: {VERSION}\nmetadata:\n  name: s\n  annotations:\n{lines}".encode()


def many_finalizers() -> bytes:
    return json.dumps(stream(metadata={"finalizers": [f"e.x/{index}" for index in range(60_000)]})).encode()


class _Small(SqliteStore):
    """A store that takes objects of a certain size."""

    limit = 0

    def update(self, key: ObjectKey, body: dict[str, Any], *, version: str) -> dict[str, Any]:
        """As the store, up to the limit."""
        if self.limit and len(json.dumps(body)) > self.limit:
            raise ObjectTooLarge(f"more than {self.limit} bytes")
        return super().update(key, body, version=version)


def test_a_change_has_room_before_its_owners(world: Api) -> None:
    """An Image that is nearly too large can still be marked."""
    image = {"kind": "Image", "apiVersion": VERSION, "dockerImageReference": f"quay.io/a/b@{DIGEST}"}
    found = world.post("images", {**image, "metadata": {"name": DIGEST, "annotations": {"a": "b"}}})
    world.store.__class__ = _Small
    _Small.limit = len(json.dumps(found)) + 60
    marked = world.patch(
        f"images/{DIGEST}", {"metadata": {"annotations": {DENY_ANNOTATION: "true"}}}, User_Agent="x" * 99
    )
    assert marked["metadata"]["annotations"][DENY_ANNOTATION] == "true"
    assert managers(marked) == []
    body = {**image, "metadata": {"name": DIGEST, "annotations": {"c": "d" * 500}}}
    assert "more than" in apply(world, f"images/{DIGEST}", body, 413)["message"]


class TestHostile:
    @pytest.mark.parametrize("body", [many_tags, many_annotations, many_finalizers])
    def test_large_configurations(self, world: Api, body: Callable[[], bytes]) -> None:
        begin = time.monotonic()
        assert f"more than {PARTS_MAX} values" in apply(world, f"{STREAMS}/s", body(), 413)["message"]
        assert time.monotonic() - begin < BOUND_S

    def test_owners_of_more_bytes_than_allowed(self, world: Api) -> None:
        labels = {f"{index}-{'x' * 50}": "" for index in range(SIZE_MAX // 55)}
        refused = apply(world, f"{STREAMS}/s", stream(metadata={"labels": labels}), 413)
        assert f"more than {SIZE_MAX} bytes" in refused["message"]
        assert managers(world.post(STREAMS, stream(metadata={"labels": labels}))) == []

    @pytest.mark.parametrize(
        "body",
        [
            b"[" * 1_000_000,
            b'{"spec":' * 100_000 + b"1" + b"}" * 100_000,
            b"kind: ImageStream\nspec: " + b"{a: " * 5_000 + b"}" * 5_000,
            b"a: &a [x,x,x,x,x,x,x,x,x,x]\n"
            + b"".join(b"%c: &%c [%s]\n" % (c, c, b",".join([b"*%c" % (c - 1)] * 10)) for c in range(98, 107)),
            b"\xff\xfe",
            b"a: !!python/object/apply:os.system [id]",
            b"{",
            b"\x00",
        ],
        ids=["brackets", "deep-json", "deep-yaml", "aliases", "not-utf-8", "tag", "cut-off", "nul"],
    )
    def test_bodies_that_cannot_be_read(self, world: Api, body: bytes) -> None:
        begin = time.monotonic()
        apply(world, f"{STREAMS}/s", body, 400)
        assert time.monotonic() - begin < BOUND_S

    @pytest.mark.parametrize(
        "fields",
        [
            {"k:{": {}},
            {"k:" + '{"a":' * 2_000 + "1" + "}" * 2_000: {}},
            {"k:[]": {}},
            {"v:1e999": {}},
            {"i:x": {}},
            {"i:" + "9" * 5_000: {}},
            {"": {}},
            {"f:a": 5},
            {"f:a": []},
            {"zz": {}},
        ],
    )
    def test_forged_entries_that_cannot_be_read_are_ignored(self, world: Api, fields: dict[str, Any]) -> None:
        before = apply(world, f"{STREAMS}/s", stream(metadata={"labels": {"a": "b"}}), 201)["metadata"]["managedFields"]
        forged = [owner(fields, manager="forged")]
        assert (
            world.patch(f"{STREAMS}/s", {"metadata": {"managedFields": forged}})["metadata"]["managedFields"] == before
        )

    @pytest.mark.parametrize(
        "entry",
        [
            {**owner({}), "operation": "Delete"},
            {**owner({}), "apiVersion": ""},
            {**owner({}), "fieldsType": "FieldsV2"},
            {"manager": "x"},
        ],
    )
    def test_malformed_entries_are_ignored(self, world: Api, entry: dict[str, Any]) -> None:
        before = apply(world, f"{STREAMS}/s", stream(metadata={"labels": {"a": "b"}}), 201)["metadata"]["managedFields"]
        found = world.patch(f"{STREAMS}/s", {"metadata": {"managedFields": [entry]}})
        assert found["metadata"]["managedFields"] == before

    @pytest.mark.parametrize(
        "entries",
        [
            [owner({"f:a": {}}, "Apply", f"m{index}") for index in range(9_000)],
            [owner({f"f:a{index}": {f"f:b{inner}": {} for inner in range(100)} for index in range(900)})],
        ],
        ids=["managers", "fields"],
    )
    def test_forged_entries_of_any_number(self, world: Api, entries: list[dict[str, Any]]) -> None:
        apply(world, f"{STREAMS}/s", stream(metadata={"labels": {"a": "b"}}), 201)
        begin = time.monotonic()
        found = world.patch(f"{STREAMS}/s", {"metadata": {"managedFields": entries}})
        assert len(json.dumps(found["metadata"].get("managedFields"))) <= SIZE_MAX
        assert time.monotonic() - begin < BOUND_S

    def test_stored_entries_that_cannot_be_read(self, world: Api) -> None:
        broken = stream(metadata={"namespace": "test", "managedFields": [{"manager": "x", "operation": "Nope"}]})
        world.store.create(ObjectKey("image.openshift.io", "imagestreams", "test", "s"), {**broken, "spec": {}})
        assert "failed to decode managed fields" in apply(world, f"{STREAMS}/s", stream(), 500)["message"]
        assert managers(world.patch(f"{STREAMS}/s", {"metadata": {"labels": {"a": "b"}}})) == []
        apply(world, f"{STREAMS}/s", stream())
