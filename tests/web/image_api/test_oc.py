"""Requests exactly as ``oc`` sends them (docs/spec/import-gate.md 8), and what it prints them from."""

from __future__ import annotations

from typing import Any

import pytest

from imagegate.service.image_api.imports import IMPORTS_AT_ONCE
from tests.support.image_api import INTEGRATED, Api
from tests.support.image_objects import DIGEST_1, event, image, stream
from tests.support.registry import Registry

B = "namespaces/test"
ORIGIN = f"quay.io/a/b@{DIGEST_1}"
TABLE = (
    "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json"
)


def import_image(source: str, name: str, *, do: bool = True, **more: dict[str, Any]) -> dict[str, Any]:
    """Body of ``oc import-image``: docs/spec/import-gate.md 8.1."""
    entry = {
        "from": {"kind": "DockerImage", "name": source},
        "to": {"name": "latest"},
        "importPolicy": {"importMode": "Legacy"},
        "referencePolicy": {"type": "Source"},
    }
    return {
        "kind": "ImageStreamImport",
        "apiVersion": "image.openshift.io/v1",
        "metadata": {"name": name, "namespace": "test", "creationTimestamp": None},
        "spec": {"import": do, "images": [{**entry, **more}]},
        "status": {},
    }


def tag_body(name: str, source: str, *, kind: str = "DockerImage", insecure: bool = False) -> dict[str, Any]:
    """Body of ``oc tag``: docs/spec/import-gate.md 8.2."""
    tag = name.partition(":")[2]
    policy = {"insecure": True, "importMode": "Legacy"} if insecure else {"importMode": "Legacy"}
    return {
        "kind": "ImageStreamTag",
        "apiVersion": "image.openshift.io/v1",
        "metadata": {"name": name, "namespace": "test", "creationTimestamp": None},
        "tag": {
            "name": tag,
            "annotations": None,
            "from": {"kind": kind, "name": source},
            "generation": 0,
            "importPolicy": policy,
            "referencePolicy": {"type": "Source"},
        },
        "generation": 0,
        "lookupPolicy": {"local": False},
        "image": {"metadata": {"creationTimestamp": None}, "dockerImageMetadata": None},
    }


class TestImportImage:
    def test_confirm_of_a_missing_stream(self, importing: Api, pushed: str) -> None:
        """The example of docs/spec/import-gate.md 6.2.4."""
        source = "openshift/image-policy-check:latest"
        missing = importing.get(f"{B}/imagestreams/image-policy-check", 404)
        assert missing["message"] == 'imagestreams.image.openshift.io "image-policy-check" not found'
        assert missing["details"] == {
            "name": "image-policy-check",
            "group": "image.openshift.io",
            "kind": "imagestreams",
        }
        answer = importing.post(f"{B}/imagestreamimports", import_image(source, "image-policy-check"))
        assert answer["kind"] == "ImageStreamImport"
        (shown,) = answer["status"]["images"]
        assert shown["status"] == {"metadata": {}, "status": "Success"}
        assert shown["image"]["dockerImageReference"] == f"openshift/image-policy-check@{pushed}"
        written = importing.get(f"{B}/imagestreams/image-policy-check")
        assert answer["status"]["import"]["metadata"]["resourceVersion"] == written["metadata"]["resourceVersion"]
        assert written["metadata"]["annotations"] == {
            "openshift.io/image.dockerRepositoryCheck": "2018-06-01T10:00:00Z"
        }
        assert written["metadata"]["generation"] == 1
        assert written["spec"] == {
            "lookupPolicy": {"local": False},
            "tags": [
                {
                    "name": "latest",
                    "annotations": None,
                    "from": {"kind": "DockerImage", "name": source},
                    "generation": 1,
                    "importPolicy": {"importMode": "Legacy"},
                    "referencePolicy": {"type": "Source"},
                }
            ],
        }
        event = {
            "created": "2018-06-01T10:00:00Z",
            "dockerImageReference": f"openshift/image-policy-check@{pushed}",
            "generation": 1,
            "image": pushed,
        }
        assert written["status"] == {
            "dockerImageRepository": f"{INTEGRATED}/test/image-policy-check",
            "tags": [{"tag": "latest", "items": [event]}],
        }
        tag = importing.get(f"{B}/imagestreamtags/image-policy-check:latest")
        assert tag["image"]["metadata"]["name"] == pushed
        assert importing.get(f"images/{pushed}")["dockerImageMetadataVersion"] == "1.0"

    def test_again_with_nothing_changed_writes_nothing(self, importing: Api, pushed: str) -> None:
        body = import_image("openshift/image-policy-check:latest", "app")
        first = importing.post(f"{B}/imagestreamimports", body)["status"]["import"]["metadata"]["resourceVersion"]
        versioned = {**body, "metadata": {**body["metadata"], "resourceVersion": first}}
        again = importing.post(f"{B}/imagestreamimports", versioned)["status"]["import"]["metadata"]["resourceVersion"]
        assert again == first

    def test_more_imports_than_the_server_has_room_for(self, importing: Api, pushed: str) -> None:
        body = import_image("openshift/image-policy-check:latest", "app")
        free = importing.api.imports._free
        for _ in range(IMPORTS_AT_ONCE):
            assert free.acquire(blocking=False)
        refused = importing.ask("POST", f"{B}/imagestreamimports", body)
        assert refused.status_code == 429
        assert refused.headers["Retry-After"] == "2"
        free.release(IMPORTS_AT_ONCE)
        for _ in range(IMPORTS_AT_ONCE + 1):
            importing.post(f"{B}/imagestreamimports", body)

    def test_a_stream_that_was_changed_meanwhile(self, importing: Api, pushed: str) -> None:
        body = import_image("openshift/image-policy-check:latest", "app")
        first = importing.post(f"{B}/imagestreamimports", body)["status"]["import"]["metadata"]["resourceVersion"]
        importing.patch(f"{B}/imagestreams/app", {"metadata": {"labels": {"a": "b"}}})
        second = importing.get(f"{B}/imagestreams/app")["metadata"]["resourceVersion"]
        versioned = {**body, "metadata": {**body["metadata"], "resourceVersion": first}}
        refused = importing.post(f"{B}/imagestreamimports", versioned, 409)
        assert refused["message"] == (
            'Operation cannot be fulfilled on imagestream.image.openshift.io "app": '
            f'the image stream was updated from "{first}" to "{second}"'
        )

    def test_all_tags_of_a_repository(self, importing: Api, registry_tls: Registry) -> None:
        for tag in ("1.0", "1.1", "latest"):
            registry_tls.push_sample("tiny-docker", f"team/all:{tag}")
        body = import_image("unused", "all")
        repository = {"from": {"kind": "DockerImage", "name": "team/all"}, "importPolicy": {"importMode": "Legacy"}}
        body["spec"] = {"import": True, "repository": {**repository, "referencePolicy": {"type": "Source"}}}
        answer = importing.post(f"{B}/imagestreamimports", body)
        assert [entry["tag"] for entry in answer["status"]["repository"]["images"]] == ["latest", "1.1", "1.0"]
        written = importing.get(f"{B}/imagestreams/all")
        assert [tag["tag"] for tag in written["status"]["tags"]] == ["1.0", "1.1", "latest"]

    def test_dry_run_of_oc_only_looks(self, importing: Api, pushed: str) -> None:
        body = import_image("openshift/image-policy-check:latest", "app", do=False)
        answer = importing.post(f"{B}/imagestreamimports", body)
        assert answer["status"]["images"][0]["image"]["metadata"]["name"] == pushed
        assert "import" not in answer["status"]
        importing.get(f"{B}/imagestreams/app", 404)
        importing.get(f"images/{pushed}", 404)

    def test_dry_run_of_the_server_writes_nothing_either(self, importing: Api, pushed: str) -> None:
        body = import_image("openshift/image-policy-check:latest", "app")
        answer = importing.post(f"{B}/imagestreamimports?dryRun=All", body)
        assert answer["spec"]["import"] is True
        importing.get(f"{B}/imagestreams/app", 404)

    def test_an_image_that_is_not_there(self, importing: Api, pushed: str) -> None:
        answer = importing.post(f"{B}/imagestreamimports", import_image("openshift/image-policy-check:none", "app"))
        status = answer["status"]["images"][0]["status"]
        assert (status["reason"], status["code"]) == ("NotFound", 404)
        assert (
            'dockerimage.image.openshift.io "docker.io/openshift/image-policy-check:none" not found'
            in status["message"]
        )
        written = importing.get(f"{B}/imagestreams/app")
        assert written["spec"]["tags"][0]["from"]["name"] == "openshift/image-policy-check:none"
        (condition,) = written["status"]["tags"][0]["conditions"]
        assert (condition["type"], condition["status"], condition["reason"]) == ("ImportSuccess", "False", "NotFound")

    def test_insecure_scheduled_local(self, importing: Api, pushed: str) -> None:
        more: dict[str, Any] = {
            "importPolicy": {"insecure": True, "scheduled": True, "importMode": "Legacy"},
            "referencePolicy": {"type": "Local"},
        }
        importing.post(f"{B}/imagestreamimports", import_image("openshift/image-policy-check:latest", "app", **more))
        (tag,) = importing.get(f"{B}/imagestreams/app")["spec"]["tags"]
        assert tag["importPolicy"] == {"insecure": True, "scheduled": True, "importMode": "Legacy"}
        assert tag["referencePolicy"] == {"type": "Local"}
        shown = importing.get(f"{B}/imagestreamtags/app:latest")
        assert shown["image"]["dockerImageReference"] == f"{INTEGRATED}/test/app@{pushed}"

    def test_the_gate_refuses_an_ordinary_user(self, gated: Api) -> None:
        body = import_image("local.registry.corp/bar", "bar")
        refused = gated.post(f"{B}/imagestreamimports", body, 422, user="developer")
        listed = '"local.registry.corp:5000", "*.mydomain.com:80", "registry.access.redhat.com:443"'
        assert refused["message"] == (
            'ImageStreamImport.image.openshift.io "bar" is invalid: spec.images[0].from.name: Forbidden: '
            'importing images from registry "local.registry.corp:443" is forbidden: '
            f'registry "local.registry.corp:443" not allowed by whitelist: {listed}'
        )

    def test_the_gate_stops_an_administrator_before_fetching(self, gated: Api) -> None:
        """docs/spec/import-gate.md 10 row 7: the texts of the stream, without a registry that could be asked."""
        refused = gated.post(f"{B}/imagestreamimports", import_image("local.registry.corp/bar", "bar"), 422)
        assert refused["details"]["kind"] == "ImageStream"
        assert [cause["field"] for cause in refused["details"]["causes"]] == [
            "spec.tags[latest].from.name",
            "status.tags[latest].items[0].dockerImageReference",
        ]


class TestTag:
    def test_a_new_tag_makes_the_stream(self, gated: Api) -> None:
        body = tag_body("app:v1", "reg.mydomain.com/app:v1", insecure=True)
        answer = gated.ask("PUT", f"{B}/imagestreamtags/app:v1", body)
        assert answer.status_code == 201
        assert answer.json is not None
        assert answer.json["tag"]["generation"] == 1
        assert answer.json["image"]["metadata"] == {}
        written = gated.get(f"{B}/imagestreams/app")
        assert written["spec"]["tags"][0]["from"] == {"kind": "DockerImage", "name": "reg.mydomain.com/app:v1"}
        assert "tags" not in written["status"]

    def test_again_is_an_update_that_asks_for_an_import(self, gated: Api) -> None:
        body = tag_body("app:v1", "reg.mydomain.com/app:v1", insecure=True)
        gated.put(f"{B}/imagestreamtags/app:v1", body, 201)
        again = gated.put(f"{B}/imagestreamtags/app:v1", body, 200)
        assert again["tag"]["generation"] == 2

    @pytest.mark.parametrize(
        "source, insecure, registry",
        [
            ("reg.mydomain.com/app:v1", False, "reg.mydomain.com"),
            ("mydomain.com/x", True, "mydomain.com"),
            ("reg.mydomain.com:5000/x", True, "reg.mydomain.com:5000"),
            ("local.registry.corp/bar", False, "local.registry.corp"),
            ("busybox", False, "docker.io:443"),
            ("busybox", True, "docker.io"),
            ("docker.io/busybox", False, "docker.io"),
        ],
    )
    def test_the_gate_refuses(self, gated: Api, source: str, insecure: bool, registry: str) -> None:
        """docs/spec/import-gate.md 9 cases 2, 8, 10, 12, 13, 14."""
        refused = gated.put(f"{B}/imagestreamtags/app:v1", tag_body("app:v1", source, insecure=insecure), 422)
        assert refused["message"].startswith(
            'ImageStreamTag.image.openshift.io "app:v1" is invalid: tag.from.name: Forbidden: '
            f'registry "{registry}" not allowed by whitelist: '
        )
        assert refused["details"]["causes"][0]["reason"] == "FieldValueForbidden"
        gated.get(f"{B}/imagestreams/app", 404)

    def test_copy_of_another_projects_tag(self, api: Api) -> None:
        api.post("/api/v1/namespaces", {"metadata": {"name": "other"}})
        put_stream(api, "other", "src", {"1": [event(DIGEST_1, f"{INTEGRATED}/other/src@{DIGEST_1}", 1)]})
        body = tag_body("app:v1", f"src@{DIGEST_1}", kind="ImageStreamImage")
        body["tag"]["from"]["namespace"] = "other"
        del body["tag"]["generation"]
        shown = api.put(f"{B}/imagestreamtags/app:v1", body, 201)
        assert shown["image"]["metadata"]["name"] == DIGEST_1
        assert shown["image"]["dockerImageReference"] == f"{INTEGRATED}/test/app@{DIGEST_1}"

    def test_alias_follows_its_source(self, api: Api) -> None:
        put_stream(api, "test", "app", {"latest": [event(DIGEST_1, ORIGIN, 1)]})
        shown = api.put(
            f"{B}/imagestreamtags/app:stable", tag_body("app:stable", "app:latest", kind="ImageStreamTag"), 201
        )
        assert shown["image"]["dockerImageReference"] == ORIGIN

    def test_fall_backs_when_put_is_not_possible(self, api: Api) -> None:
        """POST of the tag, then GET and PUT or POST of the stream."""
        made = api.post(f"{B}/imagestreamtags", tag_body("app:v1", "quay.io/a/b:1"))
        assert made["metadata"]["name"] == "app:v1"
        taken = api.post(f"{B}/imagestreamtags", tag_body("app:v1", "quay.io/a/b:1"), 409)
        assert taken["message"] == 'imagestreamtag.image.openshift.io "app:v1" already exists'
        found = api.get(f"{B}/imagestreams/app")
        found["spec"]["tags"].append({"name": "v2", "from": {"kind": "DockerImage", "name": "quay.io/a/b:2"}})
        assert len(api.put(f"{B}/imagestreams/app", found)["spec"]["tags"]) == 2
        api.post(f"{B}/imagestreams", {"metadata": {"name": "other"}, "spec": {"tags": found["spec"]["tags"]}})

    def test_delete(self, api: Api) -> None:
        put_stream(api, "test", "app", {"v1": [event(DIGEST_1, ORIGIN, 1)]})
        assert api.delete(f"{B}/imagestreamtags/app:v1")["status"] == "Success"
        found = api.get(f"{B}/imagestreams/app")
        assert "tags" not in found["status"]
        gone = api.delete(f"{B}/imagestreamtags/app:v1", 404)
        assert gone["message"] == 'imagestreamtags.image.openshift.io "app:v1" not found'
        api.get(f"images/{DIGEST_1}")


def put_stream(api: Api, namespace: str, name: str, tags: dict[str, list[dict[str, Any]]]) -> None:
    """A stream with this history, and the Images in it."""
    for digest in {item["image"] for items in tags.values() for item in items}:
        api.ask("POST", "images", image(digest))
    api.post(f"namespaces/{namespace}/imagestreams", {"metadata": {"name": name}})
    found = api.get(f"namespaces/{namespace}/imagestreams/{name}")
    found["status"]["tags"] = stream(tags=tags)["status"]["tags"]
    api.put(f"namespaces/{namespace}/imagestreams/{name}/status", found)


class TestGetAndAnnotate:
    def test_get_as_json_and_as_table(self, api: Api) -> None:
        put_stream(api, "test", "app", {"v1": [event(DIGEST_1, ORIGIN, 1)]})
        assert api.get(f"{B}/imagestreamtags/app:v1")["kind"] == "ImageStreamTag"
        one = api.get(f"{B}/imagestreamtags/app:v1", Accept=TABLE)
        assert [row["cells"][:3] for row in one["rows"]] == [["app:v1", ORIGIN, "Less than a second ago"]]
        listed = api.get(f"{B}/imagestreamtags?limit=500", Accept=TABLE)
        assert [column["name"] for column in listed["columnDefinitions"]] == [
            "Name",
            "Image Reference",
            "Updated",
            "Image Name",
        ]
        assert listed["rows"][0]["object"]["metadata"]["name"] == "app:v1"

    def test_annotate_an_image(self, api: Api) -> None:
        put_stream(api, "test", "app", {"v1": [event(DIGEST_1, ORIGIN, 1)]})
        path = f"images/{DIGEST_1}?fieldManager=kubectl-annotate"
        body = {"metadata": {"annotations": {"images.openshift.io/deny-execution": "true"}}}
        answer = api.patch(path, body)
        assert answer["metadata"]["annotations"] == {"images.openshift.io/deny-execution": "true"}
        tag = api.get(f"{B}/imagestreamtags/app:v1")
        assert tag["image"]["metadata"]["annotations"] == {"images.openshift.io/deny-execution": "true"}
        assert "annotations" not in tag["metadata"]

    def test_annotate_a_tag_masks_only_the_view(self, api: Api) -> None:
        api.put(f"{B}/imagestreamtags/app:v1", tag_body("app:v1", "quay.io/a/b:1"), 201)
        api.patch(f"{B}/imagestreamtags/app:v1", {"metadata": {"annotations": {"a": "tag"}}})
        assert api.get(f"{B}/imagestreams/app")["spec"]["tags"][0]["annotations"] == {"a": "tag"}

    def test_annotate_a_stream_as_insecure(self, gated: Api) -> None:
        gated.post(f"{B}/imagestreams", {"metadata": {"name": "app"}})
        body = {"metadata": {"annotations": {"openshift.io/image.insecureRepository": "true"}}}
        gated.patch(f"{B}/imagestreams/app", body)
        source = {"name": "v1", "from": {"kind": "DockerImage", "name": "reg.mydomain.com/app:v1"}}
        gated.patch(f"{B}/imagestreams/app", {"spec": {"tags": [source]}})
        gated.patch(f"{B}/imagestreams/app", {"metadata": {"annotations": None}})

    def test_set_image_lookup(self, api: Api) -> None:
        put_stream(api, "test", "app", {"v1": [event(DIGEST_1, ORIGIN, 1)]})
        api.patch(f"{B}/imagestreams/app", {"spec": {"lookupPolicy": {"local": True}}})
        assert api.get(f"{B}/imagestreamtags/app:v1")["lookupPolicy"] == {"local": True}
