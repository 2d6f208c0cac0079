"""Deletes: what options that cannot be meant do (nothing), collections, finalizers, dependents, namespaces."""

from __future__ import annotations

from typing import Any

import pytest

from imagegate.core.image_api.resources import RESOURCES
from imagegate.core.image_streams.terms import DELETED
from imagegate.service.image_api.collector import Collector
from tests.support.image_api import Api

STREAMS = "namespaces/test/imagestreams"
MAPS = "/api/v1/namespaces/test/configmaps"
TIME = "2018-06-01T10:00:00Z"


@pytest.fixture
def stream(api: Api) -> Api:
    """A stream ``app`` with a tag ``v1``."""
    tag = {"name": "v1", "from": {"kind": "DockerImage", "name": "quay.io/a/b:1"}, "reference": True}
    api.post(STREAMS, {"metadata": {"name": "app"}, "spec": {"tags": [tag]}})
    return api


def collect(api: Api) -> None:
    """One round of what goes on beside the requests."""
    Collector(api.store, api.api.kept, lambda group, name: api.store.find(group, name, DELETED)).run_round()


PATHS = [f"{STREAMS}/app", "namespaces/test/imagestreamtags/app:v1", "namespaces/test/imagetags/app:v1", STREAMS]
BAD: list[tuple[Any, int, str]] = [
    (b"{bad", 500, "couldn't get version/kind; json parse error: invalid character 'b'"),
    (b"[]", 500, "json: cannot unmarshal array"),
    (b'"DeleteOptions"', 500, "json: cannot unmarshal string"),
    ({"kind": "Foo"}, 500, 'no kind "Foo" is registered for version "meta.k8s.io/v1"'),
    ({"kind": "Status", "apiVersion": "v1"}, 500, "converting (v1.Status) to (v1.DeleteOptions): unknown conversion"),
    ({"kind": "Status", "apiVersion": "apps/v9"}, 500, 'no kind "Status" is registered for version "apps/v9"'),
    ({"kind": "DeleteOptions", "apiVersion": "a/b/c"}, 500, "unexpected GroupVersion string: a/b/c"),
    ({"kind": 7}, 500, 'no kind "7" is registered'),
    ({"propagationPolicy": "Bad"}, 422, 'propagationPolicy: Unsupported value: "Bad": supported values: "Foreground"'),
    ({"propagationPolicy": "orphan"}, 422, 'Unsupported value: "orphan"'),
    (
        {"propagationPolicy": 1},
        500,
        "json: cannot unmarshal number into Go struct field DeleteOptions.propagationPolicy of type v1.DeletionP",
    ),
    ({"propagationPolicy": ""}, 422, 'propagationPolicy: Unsupported value: ""'),
    ({"propagationPolicy": "Orphan", "orphanDependents": True}, 422, "cannot be both set"),
    ({"propagationPolicy": "Background", "orphanDependents": False}, 422, "cannot be both set"),
    (
        {"orphanDependents": "yes"},
        500,
        "json: cannot unmarshal string into Go struct field DeleteOptions.orphanDependents of type bool",
    ),
    (
        {"gracePeriodSeconds": "1"},
        500,
        "json: cannot unmarshal string into Go struct field DeleteOptions.gracePeriodSeconds of type int64",
    ),
    (
        {"gracePeriodSeconds": True},
        500,
        "json: cannot unmarshal bool into Go struct field DeleteOptions.gracePeriodSeconds of type int64",
    ),
    (
        {"dryRun": "All"},
        500,
        "json: cannot unmarshal string into Go struct field DeleteOptions.dryRun of type []string",
    ),
    ({"dryRun": [1]}, 500, "json: cannot unmarshal number into Go struct field DeleteOptions.dryRun of type string"),
    ({"dryRun": ["Some"]}, 422, 'dryRun: Unsupported value: ["Some"]: supported values: "All"'),
    (
        {"preconditions": []},
        500,
        "json: cannot unmarshal array into Go struct field DeleteOptions.preconditions of type v1.Preconditions",
    ),
    ({"preconditions": {"uid": 1}}, 500, "preconditions.uid of type types.UID"),
    ({"preconditions": {"uid": "other"}}, 409, "UID"),
    ({"preconditions": {"uid": ""}}, 409, "UID"),
]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("body, code, message", BAD, ids=str)
def test_options_that_cannot_be_meant_delete_nothing(
    stream: Api, path: str, body: Any, code: int, message: str
) -> None:
    before = stream.get(f"{STREAMS}/app")
    answer = stream.delete(path, code, body)
    assert message in answer["message"]
    assert stream.get(f"{STREAMS}/app") == before


@pytest.mark.parametrize("path", PATHS)
def test_options_of_any_version(stream: Api, path: str) -> None:
    stream.delete(path, body={"kind": "DeleteOptions", "apiVersion": "apps/v9", "dryRun": ["All"]})


@pytest.mark.parametrize("path", PATHS)
def test_a_version_that_must_be_met(stream: Api, path: str) -> None:
    """Of tags only the uid is: as in the original, since their version is that of the whole stream."""
    is_tag = ":" in path
    answer = stream.delete(path, 200 if is_tag else 409, {"preconditions": {"resourceVersion": "1"}})
    assert is_tag or "the ResourceVersion in the precondition (1)" in answer["message"]


@pytest.mark.parametrize(
    "query, code",
    [
        ("propagationPolicy=Bad", 422),
        ("gracePeriodSeconds=soon", 400),
        ("propagationPolicy=", 422),
        ("orphanDependents=true&propagationPolicy=Orphan", 422),
        ("uid=other", 409),
        ("dryRun=Some", 422),
        ("dryRun=", 422),
        ("labelSelector=a%20b", 400),
    ],
)
def test_parameters_that_cannot_be_meant_delete_nothing(stream: Api, query: str, code: int) -> None:
    path = STREAMS if query.startswith("label") else f"{STREAMS}/app"
    stream.delete(f"{path}?{query}", code)
    stream.get(f"{STREAMS}/app")


@pytest.mark.parametrize("media_type", ["text/plain", "application/xml", "application/vnd.kubernetes.protobuf"])
def test_a_body_of_another_type_deletes_nothing(stream: Api, media_type: str) -> None:
    answer = stream.ask("DELETE", f"{STREAMS}/app", b"k8s\x00junk", Content_Type=media_type)
    assert answer.status_code == 415
    stream.get(f"{STREAMS}/app")


@pytest.mark.parametrize(
    "body",
    [
        None,
        {},
        {"kind": "DeleteOptions", "apiVersion": "v1"},
        {"kind": "DeleteOptions", "apiVersion": "meta.k8s.io/v1"},
        {"kind": "DeleteOptions", "apiVersion": "image.openshift.io/v1"},
        {"gracePeriodSeconds": 30, "propagationPolicy": "Background", "unknown": 1},
        {"orphanDependents": False, "dryRun": [], "preconditions": None},
        {"orphanDependents": None},
        {"gracePeriodSeconds": -1},
    ],
)
def test_options_that_make_sense(stream: Api, body: Any) -> None:
    answer = stream.delete(f"{STREAMS}/app", body=body)
    assert answer["status"] == "Success"
    stream.get(f"{STREAMS}/app", 404)


@pytest.mark.parametrize("path", PATHS)
def test_preconditions_that_are_met(stream: Api, path: str) -> None:
    metadata = stream.get(f"{STREAMS}/app")["metadata"]
    conditions = {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}
    stream.delete(path, body={"preconditions": conditions})
    assert not stream.get("namespaces/test/imagestreamtags")["items"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("where", ["body", "query"])
def test_dry_runs_delete_nothing(stream: Api, path: str, where: str) -> None:
    before = stream.get(f"{STREAMS}/app")
    if where == "body":
        stream.delete(path, body={"dryRun": ["All"]})
    else:
        stream.delete(f"{path}?dryRun=All", body={})
    assert stream.get(f"{STREAMS}/app") == before


class TestCollections:
    @pytest.mark.parametrize("resource", [each for each in RESOURCES if each.namespaced], ids=lambda each: each.name)
    def test_never_those_of_all_namespaces(self, stream: Api, resource: Any) -> None:
        base = f"/apis/{resource.api_version}" if resource.group else f"/api/{resource.version}"
        is_path = set(resource.verbs) & {"create", "list", "deletecollection"}
        stream.delete(f"{base}/{resource.name}", 405 if is_path else 404)
        stream.get(f"{STREAMS}/app")

    def test_never_the_namespaces(self, stream: Api) -> None:
        stream.delete("/api/v1/namespaces", 405)
        stream.get("/api/v1/namespaces/test")

    def test_of_a_namespace_as_far_as_selected(self, stream: Api) -> None:
        for name in "abc":
            labels = {"k": "x"} if name != "c" else {}
            stream.post(STREAMS, {"metadata": {"name": name, "labels": labels}})
        stream.post("/api/v1/namespaces", {"metadata": {"name": "other"}})
        stream.post("namespaces/other/imagestreams", {"metadata": {"name": "a", "labels": {"k": "x"}}})
        shown = stream.delete(f"{STREAMS}?labelSelector=k%3Dx")
        assert [item["metadata"]["name"] for item in shown["items"]] == ["a", "b"]
        assert [item["metadata"]["name"] for item in stream.get(STREAMS)["items"]] == ["app", "c"]
        stream.get("namespaces/other/imagestreams/a")

    def test_limit_is_a_limit(self, stream: Api) -> None:
        stream.post(STREAMS, {"metadata": {"name": "b"}})
        stream.delete(f"{STREAMS}?limit=1")
        assert [item["metadata"]["name"] for item in stream.get(STREAMS)["items"]] == ["b"]

    def test_what_is_held_stays(self, stream: Api) -> None:
        stream.post(STREAMS, {"metadata": {"name": "held", "finalizers": ["example.com/x"]}})
        stream.delete(STREAMS)
        left = stream.get(STREAMS)["items"]
        assert [item["metadata"].get("deletionTimestamp") for item in left] == [TIME]

    def test_images_have_no_namespace(self, api: Api) -> None:
        name = "sha256:" + "1" * 64
        api.post("images", {"metadata": {"name": name}, "dockerImageReference": f"quay.io/a/b@{name}"})
        api.delete("images")
        api.get(f"images/{name}", 404)


class TestFinalizers:
    @pytest.fixture
    def held(self, stream: Api) -> Api:
        stream.patch(f"{STREAMS}/app", {"metadata": {"finalizers": ["example.com/x", "example.com/y"]}})
        shown = stream.delete(f"{STREAMS}/app")
        assert shown["kind"] == "ImageStream"
        return stream

    def test_the_object_stays(self, held: Api) -> None:
        found = held.get(f"{STREAMS}/app")
        assert found["metadata"]["deletionTimestamp"] == TIME
        assert found["metadata"]["deletionGracePeriodSeconds"] == 0
        assert found["metadata"]["generation"] == 2
        assert found["spec"]["tags"][0]["name"] == "v1"
        assert held.delete(f"{STREAMS}/app")["metadata"] == found["metadata"], "again: nothing new"

    def test_its_name_is_taken(self, held: Api) -> None:
        answer = held.post(STREAMS, {"metadata": {"name": "app"}}, 409)
        what = 'object is being deleted: imagestreams.image.openshift.io "app" already exists'
        assert answer["message"] == what
        held.delete(STREAMS)
        held.get(f"{STREAMS}/app")

    def test_it_goes_with_the_last_of_them(self, held: Api) -> None:
        left = held.patch(f"{STREAMS}/app", {"metadata": {"finalizers": ["example.com/y"]}})
        assert left["metadata"]["finalizers"] == ["example.com/y"]
        held.get(f"{STREAMS}/app")
        held.patch(f"{STREAMS}/app?dryRun=All", {"metadata": {"finalizers": None}})
        held.get(f"{STREAMS}/app")
        gone = held.patch(f"{STREAMS}/app", {"metadata": {"finalizers": None}})
        assert gone["metadata"]["deletionTimestamp"] == TIME
        held.get(f"{STREAMS}/app", 404)
        held.post(STREAMS, {"metadata": {"name": "app"}})

    def test_none_can_be_added(self, held: Api) -> None:
        answer = held.patch(f"{STREAMS}/app", {"metadata": {"finalizers": ["example.com/x", "example.com/z"]}}, 422)
        why = "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted"
        assert f'{why}, found new finalizers []string{{"example.com/z"}}' in answer["message"]

    def test_deletion_cannot_be_taken_back(self, held: Api) -> None:
        for metadata in ({"deletionTimestamp": None}, {"deletionTimestamp": "2030-01-01T00:00:00Z"}):
            held.patch(f"{STREAMS}/app", {"metadata": metadata})
            assert held.get(f"{STREAMS}/app")["metadata"]["deletionTimestamp"] == TIME
        body = held.get(f"{STREAMS}/app")
        del body["metadata"]["deletionTimestamp"]
        assert held.put(f"{STREAMS}/app", body)["metadata"]["deletionTimestamp"] == TIME

    def test_deletion_cannot_be_forged(self, stream: Api) -> None:
        forged = {"deletionTimestamp": TIME, "deletionGracePeriodSeconds": 0}
        stream.patch(f"{STREAMS}/app", {"metadata": forged}, 422)
        made = stream.post(STREAMS, {"metadata": {"name": "new", **forged}})
        assert not forged.keys() & made["metadata"].keys()
        stream.get(f"{STREAMS}/app")

    def test_workloads_and_images_are_held_too(self, api: Api) -> None:
        api.post(MAPS, {"metadata": {"name": "m", "finalizers": ["example.com/x"]}})
        name = "sha256:" + "1" * 64
        image = {"metadata": {"name": name, "finalizers": ["example.com/x"]}, "dockerImageReference": "quay.io/a/b"}
        api.post("images", image)
        for path in (f"{MAPS}/m", f"images/{name}"):
            api.delete(path)
            assert api.get(path)["metadata"]["deletionTimestamp"]
            api.patch(path, {"metadata": {"finalizers": None}})
            api.get(path, 404)

    def test_a_policy_word_of_a_later_delete(self, stream: Api) -> None:
        stream.delete(f"{STREAMS}/app", body={"propagationPolicy": "Foreground"})
        stream.delete(f"{STREAMS}/app", body={"propagationPolicy": "Background"})
        stream.get(f"{STREAMS}/app", 404)


class TestDependents:
    """A config map ``owner`` with dependents; what a cluster's garbage collector does is done beside the requests."""

    @pytest.fixture
    def owned(self, api: Api) -> Api:
        uid = api.post(MAPS, {"metadata": {"name": "owner"}})["metadata"]["uid"]
        owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid}
        other = {**owner, "name": "other", "uid": "other"}
        blocking = {**owner, "blockOwnerDeletion": True}
        api.post(STREAMS, {"metadata": {"name": "blocking", "ownerReferences": [blocking]}})
        api.post(MAPS, {"metadata": {"name": "loose", "ownerReferences": [other, owner]}})
        api.post(MAPS, {"metadata": {"name": "stranger", "ownerReferences": [other]}})
        return api

    def test_orphans(self, owned: Api) -> None:
        shown = owned.delete(f"{MAPS}/owner", body={"propagationPolicy": "Orphan"})
        assert shown["metadata"]["finalizers"] == ["orphan"]
        owned.get(f"{MAPS}/owner")
        collect(owned)
        owned.get(f"{MAPS}/owner", 404)
        assert "ownerReferences" not in owned.get(f"{STREAMS}/blocking")["metadata"]
        for name in ("loose", "stranger"):
            assert [each["uid"] for each in owned.get(f"{MAPS}/{name}")["metadata"]["ownerReferences"]] == ["other"]

    def test_orphans_by_the_old_word(self, owned: Api) -> None:
        shown = owned.delete(f"{MAPS}/owner?orphanDependents=true")
        assert shown["metadata"]["finalizers"] == ["orphan"]

    def test_foreground(self, owned: Api) -> None:
        owned.patch(f"{STREAMS}/blocking", {"metadata": {"finalizers": ["example.com/x"]}})
        shown = owned.delete(f"{MAPS}/owner", body={"propagationPolicy": "Foreground"})
        assert shown["metadata"]["finalizers"] == ["foregroundDeletion"]
        for _ in range(3):
            collect(owned)
        assert owned.get(f"{MAPS}/owner")["metadata"]["deletionTimestamp"], "it waits for what blocks it"
        owned.get(f"{MAPS}/loose", 404)
        assert owned.get(f"{STREAMS}/blocking")["metadata"]["deletionTimestamp"]
        owned.patch(
            f"{STREAMS}/blocking",
            {"metadata": {"$deleteFromPrimitiveList/finalizers": ["example.com/x"]}},
            kind="strategic-merge-patch",
        )
        for _ in range(3):
            collect(owned)
        owned.get(f"{STREAMS}/blocking", 404)
        owned.get(f"{MAPS}/owner", 404)
        owned.get(f"{MAPS}/stranger")

    def test_background_is_the_usual_way(self, owned: Api) -> None:
        owned.delete(f"{MAPS}/owner")
        owned.get(f"{MAPS}/owner", 404)
        collect(owned)
        owned.get(f"{MAPS}/loose")


class TestNamespaces:
    NAMESPACE = "/api/v1/namespaces/test"

    def test_with_everything_in_it(self, stream: Api) -> None:
        stream.delete(self.NAMESPACE)
        stream.get(self.NAMESPACE, 404)
        stream.get(f"{STREAMS}/app", 404)

    @pytest.mark.parametrize("body, code", [({"preconditions": {"uid": "x"}}, 409), ({"dryRun": ["All"]}, 200)])
    def test_nothing_goes_before_the_options_are_checked(self, stream: Api, body: Any, code: int) -> None:
        stream.delete(self.NAMESPACE, code, body)
        stream.get(f"{STREAMS}/app")
        assert "deletionTimestamp" not in stream.get(self.NAMESPACE)["metadata"]

    def test_it_waits_for_what_is_held_in_it(self, stream: Api) -> None:
        stream.patch(f"{STREAMS}/app", {"metadata": {"finalizers": ["example.com/x"]}})
        stream.post(STREAMS, {"metadata": {"name": "free"}})
        shown = stream.delete(self.NAMESPACE)
        assert shown["status"]["phase"] == "Terminating"
        stream.get(f"{STREAMS}/free", 404)
        assert stream.get(f"{STREAMS}/app")["metadata"]["deletionTimestamp"]
        refused = stream.post(STREAMS, {"metadata": {"name": "new"}}, 403)
        assert "because it is being terminated" in refused["message"]
        collect(stream)
        stream.get(self.NAMESPACE)
        stream.patch(f"{STREAMS}/app", {"metadata": {"finalizers": None}})
        collect(stream)
        stream.get(self.NAMESPACE, 404)

    def test_default_stays(self, stream: Api) -> None:
        stream.delete("/api/v1/namespaces/default", 403)
        stream.delete("/api/v1/namespaces/default", 403, {"propagationPolicy": "Orphan"})
