"""The right to mark Images: no other right to Images, streams or imports replaces it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import TestResponse

from imagegate.core.admission.lookup import Unknown
from imagegate.core.admission.request import User
from imagegate.core.image_policy.marks import DENY_ANNOTATION, Marks
from imagegate.core.image_streams.terms import DELETED
from imagegate.core.kube.status import StatusError
from imagegate.service.image_api.collector import Collector
from imagegate.service.image_api.images import ImageRules
from imagegate.service.image_api.request import ApiRequest
from imagegate.service.image_api.streams import ImageObjects
from imagegate.web.image_api import protobuf
from tests.support.image_api import Api, make_api
from tests.web.image_api.conftest import with_project

DIGEST = "sha256:" + "a" * 64
PATH = f"images/{DIGEST}"
MAPPINGS = "namespaces/test/imagestreammappings"
OWN = "example.com/quarantine"
TIER = "example.com/tier"
RULES = """
kind: AccessRules
rules:
- users: [editor, marker]
  verbs: [create, get, list, update, patch, delete, deletecollection]
  apiGroups: [image.openshift.io]
  resources: [images, imagestreams, imagestreammappings, imagesignatures]
- users: [marker]
  verbs: [mark]
  apiGroups: [image.openshift.io]
  resources: [images]
- users: [editor]
  verbs: ["*"]
  apiGroups: [""]
  resources: ["*"]
"""


@pytest.fixture
def world(tmp_path: Path) -> Api:
    marks = Marks(frozenset({DENY_ANNOTATION, OWN}), frozenset({TIER}))
    return with_project(make_api(tmp_path / "images.db", access=RULES, marks=lambda: marks))


def image(annotations: dict[str, str] | None = None, **metadata: Any) -> dict[str, Any]:
    return {
        "kind": "Image",
        "apiVersion": "image.openshift.io/v1",
        "metadata": {"name": DIGEST, "annotations": annotations or {}, **metadata},
        "dockerImageReference": f"quay.io/a/b@{DIGEST}",
    }


def marked(value: str = "true") -> dict[str, Any]:
    return image({DENY_ANNOTATION: value})


def changed(world: Api, body: dict[str, Any]) -> dict[str, Any]:
    """The stored Image with the metadata of ``body``."""
    stored = world.get(PATH)
    kept = {key: stored["metadata"][key] for key in ("uid", "resourceVersion", "creationTimestamp")}
    return {**body, "metadata": {**body["metadata"], **kept}}


def merged(world: Api, annotations: dict[str, str | None], user: str, **headers: str) -> TestResponse:
    body = {"metadata": {"annotations": annotations}}
    return world.ask("PATCH", PATH, body, user=user, Content_Type="application/merge-patch+json", **headers)


def refused(answer: TestResponse, *names: str) -> None:
    """The answer is a 403 that names the right and what it is needed for."""
    assert answer.status_code == 403, answer.get_data(as_text=True)
    assert answer.json is not None
    assert answer.json["message"] == (
        f'images.image.openshift.io "{DIGEST}" is forbidden: User "editor" cannot mark resource "images" in API group '
        f'"image.openshift.io" at the cluster scope: needed for {", ".join(names)}'
    )


DENIED = f"annotation {DENY_ANNOTATION}"


@pytest.mark.parametrize("value", ["true", "false", ""])
def test_a_new_image_with_a_mark(world: Api, value: str) -> None:
    refused(world.ask("POST", "images", marked(value), user="editor"), DENIED)
    world.get(PATH, 404)
    assert world.ask("POST", "images", marked(value), user="marker").status_code == 201


def test_a_new_image_without(world: Api) -> None:
    assert world.ask("POST", "images", image({"other": "a"}), user="editor").status_code == 201
    assert merged(world, {"other": "b"}, "editor").status_code == 200


@pytest.mark.parametrize("value", ["false", None])
def test_a_patch(world: Api, value: str | None) -> None:
    world.post("images", marked())
    refused(merged(world, {DENY_ANNOTATION: value}, "editor"), DENIED)
    assert world.get(PATH)["metadata"]["annotations"] == {DENY_ANNOTATION: "true"}
    assert merged(world, {DENY_ANNOTATION: "true", "other": "b"}, "editor").status_code == 200
    assert merged(world, {DENY_ANNOTATION: value}, "marker").status_code == 200


def test_the_right_to_mark_is_none_to_change(world: Api) -> None:
    world.post("images", image())
    assert merged(world, {DENY_ANNOTATION: "true"}, "nobody").status_code == 403
    assert merged(world, {DENY_ANNOTATION: "true"}, "marker").status_code == 200


@pytest.mark.parametrize("kind", ["json-patch", "strategic-merge-patch"])
def test_patches_of_every_kind(world: Api, kind: str) -> None:
    world.post("images", marked())
    place = DENY_ANNOTATION.replace("/", "~1")
    body: Any = [{"op": "remove", "path": f"/metadata/annotations/{place}"}]
    if kind != "json-patch":
        body = {"metadata": {"annotations": {"$patch": "replace", "other": "a"}}}
    refused(world.ask("PATCH", PATH, body, user="editor", Content_Type=f"application/{kind}+json"), DENIED)
    whole: Any = [{"op": "remove", "path": "/metadata/annotations"}]
    if kind == "json-patch":
        refused(world.ask("PATCH", PATH, whole, user="editor", Content_Type="application/json-patch+json"), DENIED)


def test_a_replacement(world: Api) -> None:
    world.post("images", marked())
    refused(world.ask("PUT", PATH, changed(world, image()), user="editor"), DENIED)
    refused(world.ask("PUT", PATH, changed(world, marked("false")), user="editor"), DENIED)
    assert world.ask("PUT", PATH, changed(world, marked()), user="editor").status_code == 200
    assert world.ask("PUT", PATH, changed(world, image()), user="marker").status_code == 200
    refused(world.ask("PUT", PATH, changed(world, marked()), user="editor"), DENIED)


def test_protobuf(world: Api) -> None:
    world.post("images", marked())
    body = protobuf.encode(changed(world, image()))
    assert body is not None
    refused(world.ask("PUT", PATH, body, user="editor", Content_Type=protobuf.MEDIA_TYPE), DENIED)
    assert world.get(PATH)["metadata"]["annotations"] == {DENY_ANNOTATION: "true"}


def test_yaml(world: Api) -> None:
    body = f"metadata: {{name: '{DIGEST}', annotations: {{{DENY_ANNOTATION}: 'true'}}}}\ndockerImageReference: a/b\n"
    refused(world.ask("POST", "images", body.encode(), user="editor", Content_Type="application/yaml"), DENIED)


@pytest.mark.parametrize("query", ["", "?dryRun=All"])
def test_deletion(world: Api, query: str) -> None:
    """Imported anew, the image would have no mark."""
    world.post("images", marked())
    refused(world.ask("DELETE", f"{PATH}{query}", user="editor"), DENIED)
    refused(world.ask("DELETE", f"images{query}", user="editor"), DENIED)
    world.get(PATH)
    answer = world.ask("DELETE", f"{PATH}{query}", user="marker")
    assert answer.status_code == 200
    assert f"has marks ({DENIED}): without its Image they are lost" in answer.headers["Warning"]


def test_deletion_of_an_image_without_marks(world: Api) -> None:
    world.post("images", image())
    answer = world.ask("DELETE", PATH, user="editor")
    assert (answer.status_code, answer.headers.get("Warning")) == (200, None)


@pytest.mark.parametrize("query", ["", "?dryRun=All"])
def test_a_pushed_image(world: Api, query: str) -> None:
    world.post("namespaces/test/imagestreams", {"metadata": {"name": "app"}})
    mapping = {"metadata": {"name": "app"}, "image": marked(), "tag": "latest"}
    if not query:
        refused(world.ask("POST", MAPPINGS, mapping, user="editor"), DENIED)
        world.get(PATH, 404)
        assert "tags" not in world.get("namespaces/test/imagestreams/app")["status"]
    assert world.ask("POST", f"{MAPPINGS}{query}", mapping, user="marker").status_code == 201


def test_a_push_of_a_marked_image_keeps_the_mark(world: Api) -> None:
    world.post("images", marked())
    world.post("namespaces/test/imagestreams", {"metadata": {"name": "app"}})
    mapping = {"metadata": {"name": "app"}, "image": image(), "tag": "latest"}
    assert world.ask("POST", MAPPINGS, mapping, user="editor").status_code == 201
    assert world.get(PATH)["metadata"]["annotations"] == {DENY_ANNOTATION: "true"}


def test_a_signature_on_a_marked_image(world: Api) -> None:
    world.post("images", marked())
    body = {"metadata": {"name": f"{DIGEST}@one"}, "type": "atomic", "content": "AAAA"}
    assert world.ask("POST", "imagesignatures", body, user="editor").status_code == 201
    assert world.ask("DELETE", f"imagesignatures/{DIGEST}@one", user="editor").status_code == 200


def test_what_rules_read_is_a_mark_too(world: Api) -> None:
    world.post("images", image({OWN: "yes"}, labels={TIER: "a", "other": "a"}))
    refused(merged(world, {OWN: None}, "editor"), f"annotation {OWN}")
    relabelled = image({OWN: "yes"}, labels={TIER: "b", "other": "a"})
    refused(world.ask("PUT", PATH, changed(world, relabelled), user="editor"), f"label {TIER}")
    both = image({DENY_ANNOTATION: "true", OWN: "yes"}, labels={"other": "a"})
    refused(world.ask("PUT", PATH, changed(world, both), user="editor"), DENIED, f"label {TIER}")
    harmless = image({OWN: "yes"}, labels={TIER: "a", "other": "b"})
    assert world.ask("PUT", PATH, changed(world, harmless), user="editor").status_code == 200


def test_everything_is_a_mark_while_rules_are_unknown(tmp_path: Path) -> None:
    world = make_api(tmp_path / "images.db", access=RULES, marks=lambda: Marks(every=True))
    world.post("images", image({"other": "a"}))
    refused(merged(world, {"other": "b"}, "editor"), "annotation other")


def owner(world: Api, **fields: Any) -> dict[str, Any]:
    """A new config map as an owner reference."""
    found = world.post("/api/v1/namespaces/test/configmaps", {"metadata": {"name": "owner"}})
    return {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": found["metadata"]["uid"], **fields}


def test_owners_of_a_marked_image(world: Api) -> None:
    """It would be deleted with its owner."""
    world.post("images", marked())
    owned = image({DENY_ANNOTATION: "true"}, ownerReferences=[owner(world)])
    refused(world.ask("PUT", PATH, changed(world, owned), user="editor"), "ownerReferences of a marked image")
    world.put(PATH, changed(world, image()))
    owned = image(ownerReferences=owned["metadata"]["ownerReferences"])
    assert world.ask("PUT", PATH, changed(world, owned), user="editor").status_code == 200


@pytest.mark.parametrize("annotations, code", [({DENY_ANNOTATION: "true"}, 200), ({}, 404)])
def test_the_collector_keeps_marked_images(world: Api, annotations: dict[str, str], code: int) -> None:
    world.post("/api/v1/namespaces/test/configmaps", {"metadata": {"name": "unrelated"}})
    namespace = world.get("/api/v1/namespaces/test")
    reference = {"apiVersion": "v1", "kind": "Namespace", "name": "test", "uid": namespace["metadata"]["uid"]}
    world.post("images", image(annotations, ownerReferences=[reference]))
    world.delete("/api/v1/namespaces/test", body={"propagationPolicy": "Foreground"})
    Collector(world.store, world.api.kept, lambda group, name: world.store.find(group, name, DELETED)).run_round()
    world.get(PATH, code)


@pytest.mark.parametrize("user, allowed", [("editor", False), ("marker", True)])
def test_who_may_mark_can_be_asked(world: Api, user: str, allowed: bool) -> None:
    asked = {"verb": "mark", "group": "image.openshift.io", "resource": "images"}
    review = {"spec": {"user": user, "resourceAttributes": asked}}
    found = world.post("/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
    assert found["status"]["allowed"] is allowed


def test_a_right_that_cannot_be_looked_up(world: Api) -> None:
    """Neither the mark nor its removal passes."""
    objects = ImageObjects(
        world.store,
        hosts=world.api.objects.hosts,
        gate=world.api.objects.gate,
        access=lambda _: Unknown("SubjectAccessReview: timed out"),
        now=lambda: datetime(2018, 6, 1, tzinfo=UTC),
    )
    rules, request = ImageRules(objects), ApiRequest(User("editor"))
    with_mark, without = image({DENY_ANNOTATION: "true"}, resourceVersion="1"), image(resourceVersion="1")
    changes: list[Callable[[], object]] = [
        lambda: rules.created(request, marked()),
        lambda: rules.updated(request, without, with_mark),
        lambda: rules.deleted(request, with_mark),
    ]
    for change in changes:
        with pytest.raises(StatusError) as refused:
            change()
        assert (refused.value.status.code, refused.value.status.retry_after_s) == (503, 1)
        assert "SubjectAccessReview: timed out" in refused.value.status.message
    rules.updated(request, with_mark, with_mark)
