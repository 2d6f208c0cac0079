"""What only shows when writers meet, or when things are not as they should be."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from imagegate.core.admission.access_review import Access
from imagegate.core.admission.lookup import Found, Unknown
from imagegate.core.admission.request import User
from imagegate.core.image_api.resources import STREAM_TAGS, STREAMS
from imagegate.core.kube.status import StatusError
from imagegate.ports.image_store import ObjectChanged, ObjectKey, ObjectMissing
from imagegate.service.image_api.cluster import subdomain_errors
from imagegate.service.image_api.host_cluster import PullSecretsOf, StoredCluster
from imagegate.service.image_api.local import local_access
from imagegate.service.image_api.request import ApiRequest, DeleteOptions, ListOptions
from imagegate.service.image_api.stored import StoredObjects
from imagegate.service.image_api.tags import TagObjects
from tests.support.image_api import Api, make_api
from tests.support.image_objects import DIGEST_1, image, spec_tag
from tests.web.image_api.conftest import with_project

CALL = ApiRequest(User("u"), "test")


@pytest.fixture
def api(tmp_path: Path) -> Api:
    return with_project(make_api(tmp_path / "images.db", now=lambda: datetime(2018, 6, 1, 10, tzinfo=UTC)))


def streams(api: Api) -> StoredObjects:
    found = api.api.endpoints[STREAMS]
    assert isinstance(found, StoredObjects)
    return found


def tags(api: Api) -> TagObjects:
    found = api.api.endpoints[STREAM_TAGS]
    assert isinstance(found, TagObjects)
    return found


def refusal(do: Callable[[], object]) -> tuple[int, str]:
    with pytest.raises(StatusError) as error:
        do()
    return error.value.status.code, error.value.status.reason


def always(error: Exception) -> Callable[..., Any]:
    def fails(*arguments: Any, **options: Any) -> Any:
        raise error

    return fails


def test_a_tag_that_keeps_conflicting(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    api.post("namespaces/test/imagestreams", {"metadata": {"name": "app"}})
    monkeypatch.setattr(api.store, "update", always(ObjectChanged("changed")))
    body = {"metadata": {"name": "app:v1"}, "tag": spec_tag("v1", "quay.io/a/b")}
    assert refusal(lambda: tags(api).create(CALL, body)) == (500, "ServerTimeout")
    assert refusal(lambda: tags(api).update(CALL, "app:v1", lambda _: body)) == (500, "ServerTimeout")
    version = api.get("namespaces/test/imagestreams/app")["metadata"]["resourceVersion"]
    versioned = {**body, "metadata": {"name": "app:v1", "resourceVersion": version}}
    assert refusal(lambda: tags(api).update(CALL, "app:v1", lambda _: versioned)) == (409, "Conflict")


def test_a_tag_whose_removal_keeps_conflicting(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    api.put("namespaces/test/imagestreamtags/app:v1", {"tag": spec_tag("v1", "quay.io/a/b")}, 201)
    monkeypatch.setattr(api.store, "update", always(ObjectChanged("changed")))
    assert refusal(lambda: tags(api).delete(CALL, "app:v1", DeleteOptions())) == (500, "ServerTimeout")
    monkeypatch.setattr(api.store, "update", always(ObjectMissing("gone")))
    assert refusal(lambda: tags(api).delete(CALL, "app:v1", DeleteOptions())) == (404, "NotFound")
    assert refusal(lambda: tags(api).delete(CALL, "app:v1", DeleteOptions(uid="other"))) == (409, "Conflict")


def test_a_stream_made_by_another_at_the_same_time(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tag's stream appears between looking and creating: then the tag goes into it."""
    real = api.api.objects.stream
    seen: list[bool] = []

    def late(namespace: str, name: str) -> Any:
        if not seen:
            seen.append(True)
            api.post("namespaces/test/imagestreams", {"metadata": {"name": "app", "labels": {"by": "another"}}})
            return None
        return real(namespace, name)

    monkeypatch.setattr(api.api.objects, "stream", late)
    made = tags(api).create(CALL, {"metadata": {"name": "app:v1"}, "tag": spec_tag("v1", "quay.io/a/b")})
    assert made["metadata"]["labels"] == {"by": "another"}


def test_an_object_that_vanishes(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    api.post("namespaces/test/imagestreams", {"metadata": {"name": "app"}})
    monkeypatch.setattr(api.store, "update", always(ObjectMissing("gone")))
    monkeypatch.setattr(api.store, "delete", always(ObjectMissing("gone")))
    label = {"metadata": {"labels": {"a": "b"}}}
    api.patch("namespaces/test/imagestreams/app", label, 404)
    api.delete("namespaces/test/imagestreams/app", 404)


def test_a_patch_that_keeps_conflicting(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    api.post("namespaces/test/imagestreams", {"metadata": {"name": "app"}})
    monkeypatch.setattr(api.store, "update", always(ObjectChanged("changed")))
    api.patch("namespaces/test/imagestreams/app", {"metadata": {"labels": {"a": "b"}}}, 409)
    found = api.get("namespaces/test/imagestreams/app")
    api.put("namespaces/test/imagestreams/app", {**found, "spec": {"lookupPolicy": {"local": True}}}, 409)


def test_another_uid(api: Api) -> None:
    made = api.post("namespaces/test/imagestreams", {"metadata": {"name": "app"}})
    other = {**made, "metadata": {**made["metadata"], "uid": "other"}}
    refused = api.put("namespaces/test/imagestreams/app", other, 409)
    assert "Precondition failed: UID in precondition: other" in refused["message"]


def test_a_list_that_shrinks_while_it_is_deleted(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "ab":
        api.post("namespaces/test/imagestreams", {"metadata": {"name": name}})
    real = streams(api).list_objects

    def stale(call: ApiRequest, options: ListOptions) -> Any:
        found = real(call, options)
        api.store.delete(ObjectKey("image.openshift.io", "imagestreams", "test", "a"))
        return found

    monkeypatch.setattr(streams(api), "list_objects", stale)
    assert len(api.delete("namespaces/test/imagestreams")["items"]) == 2
    monkeypatch.undo()
    assert api.get("namespaces/test/imagestreams")["items"] == []


@pytest.mark.parametrize(
    "body, code, message",
    [
        (
            {"metadata": {"name": "plain"}, "type": "atomic", "content": "YQ=="},
            422,
            "<imageName>@<signatureName>",
        ),
        ({"metadata": {"name": f"{DIGEST_1}@x"}}, 422, "type: Required value"),
        ({"metadata": {}, "type": "atomic", "content": "YQ=="}, 422, "metadata.name: Required value"),
        (
            {"metadata": {"name": "none@x"}, "type": "atomic", "content": "YQ=="},
            404,
            "images.image.openshift.io",
        ),
    ],
)
def test_signatures_that_are_refused(api: Api, body: dict[str, Any], code: int, message: str) -> None:
    api.post("images", image(DIGEST_1))
    assert message in api.post("imagesignatures", body, code)["message"]


def test_a_signature_needs_a_name_of_its_own(api: Api) -> None:
    api.post("images", image(DIGEST_1))
    signature = {"metadata": {"name": f"{DIGEST_1}@"}, "type": "atomic", "content": "YQ=="}
    refused = api.post("imagesignatures", signature, 422)
    assert "name must be of format <imageName>@<signatureName>" in refused["message"]
    api.delete("imagesignatures/noseparator", 400)


def test_pull_secrets_that_cannot_be_read_are_left_out(api: Api) -> None:
    path = "/api/v1/namespaces/test/secrets"
    good = {".dockerconfigjson": "eyJhdXRocyI6eyJxdWF5LmlvIjp7InVzZXJuYW1lIjoiYSIsInBhc3N3b3JkIjoiYiJ9fX0="}
    kind = "kubernetes.io/dockerconfigjson"
    api.post(path, {"metadata": {"name": "good"}, "type": kind, "data": good})
    older = {"metadata": {"name": "bad", "namespace": "test"}, "type": kind, "data": {".dockerconfigjson": "IQ=="}}
    api.store.create(ObjectKey("", "secrets", "test", "bad"), older)
    answer = PullSecretsOf(StoredCluster(api.store)).pull_secrets("test", deadline_s=1)
    assert isinstance(answer, Found)
    assert [secret.name for secret in answer.value] == ["good"]
    with api.store.database.transaction() as connection:
        connection.execute("DROP TABLE terms")
        connection.execute("DROP TABLE objects")
    assert isinstance(PullSecretsOf(StoredCluster(api.store)).pull_secrets("test", deadline_s=1), Unknown)


def test_imports_without_a_registry_client(api: Api) -> None:
    entry = {"from": {"kind": "DockerImage", "name": "quay.io/a/b"}}
    body = {"metadata": {"name": "app"}, "spec": {"import": True, "images": [entry]}}
    assert "no registry client" in api.post("namespaces/test/imagestreamimports", body, 503)["message"]


@pytest.mark.parametrize(
    "groups, verb, resource, allowed",
    [
        (("system:masters",), "create", "images", True),
        ((), "create", "images", False),
        ((), "create", "imagestreammapping", False),
        ((), "get", "imagestreams", False),
    ],
)
def test_rights_on_a_machine_of_ones_own(groups: tuple[str, ...], verb: str, resource: str, allowed: bool) -> None:
    answer = local_access(Access(User("u", "", groups), verb, "image.openshift.io", resource))
    assert isinstance(answer, Found)
    assert answer.value.allowed is allowed


@pytest.mark.parametrize("name, wrong", [("a", 0), ("a.b-c", 0), ("A", 1), ("-a", 1), ("a" * 254, 1), ("", 1)])
def test_names_of_cluster_objects(name: str, wrong: int) -> None:
    assert len(subdomain_errors(name)) == wrong
    assert subdomain_errors("a-", True) == []
