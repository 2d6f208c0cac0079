"""Verbs, errors and options that all resources share, and what is special to each."""

from __future__ import annotations

import json
from typing import Any

import pytest

from imagegate.core.image_streams.stream import RegistryHosts
from imagegate.service.policies.policy_set import Mode
from imagegate.web.streams import IN_THREADS_MAX
from tests.support.image_api import BASE, INTEGRATED, Api, make_api
from tests.support.image_objects import DIGEST_1, DIGEST_2, event, image, spec_tag
from tests.web.image_api.conftest import with_project
from tests.web.image_api.test_oc import put_stream

B = "namespaces/test"
STREAMS = f"{B}/imagestreams"


def new_stream(name: str = "app", **metadata: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, **metadata}}


class TestErrors:
    @pytest.mark.parametrize(
        "method, path, code, message",
        [
            ("GET", "nothing", 404, "the server could not find the requested resource"),
            ("GET", f"{B}/imagestreams/app/none", 404, "the server could not find the requested resource"),
            ("GET", f"{B}/images", 404, "the server could not find the requested resource"),
            ("GET", f"{B}/imagestreamimports", 405, "the server does not allow this method on the requested resource"),
            ("POST", f"{B}/imagestreamimages", 404, "the server could not find the requested resource"),
            ("PUT", f"{B}/imagestreams", 405, "the server does not allow this method on the requested resource"),
            ("GET", f"{B}/imagestreamtags?watch=true", 405, "watch is not supported on resources of kind"),
            ("GET", f"{B}/imagestreams/none", 404, 'imagestreams.image.openshift.io "none" not found'),
            ("GET", f"{B}/imagestreams/none/layers", 404, 'imagestreams.image.openshift.io "none" not found'),
            ("GET", f"{B}/imagestreamtags/app", 400, "ImageStreamTags must be retrieved with <name>:<tag>"),
            ("GET", f"{B}/imagetags/app", 400, "ImageTags must be retrieved with <name>:<tag>"),
            ("GET", f"{B}/imagestreamimages/app", 400, "ImageStreamImages must be retrieved with <name>@<id>"),
            ("GET", f"{B}/imagestreamtags/app:v1", 404, 'imagestreamtags.image.openshift.io "app" not found'),
            ("DELETE", f"{B}/imagestreams/none", 404, 'imagestreams.image.openshift.io "none" not found'),
            ("DELETE", f"{B}/imagetags/none:t", 404, 'imagetags.image.openshift.io "none" not found'),
            ("GET", f"{STREAMS}?labelSelector=a(", 400, "unable to parse requirement"),
            ("GET", f"{STREAMS}?fieldSelector=spec.x=1", 400, '"spec.x" is not a known field selector'),
            ("GET", f"{STREAMS}?continue=xyz", 400, "continue key is not valid"),
            ("GET", f"{STREAMS}?limit=x", 400, "strconv.ParseInt"),
        ],
    )
    def test_status(self, api: Api, method: str, path: str, code: int, message: str) -> None:
        answer = api.ask(method, path)
        assert answer.status_code == code
        assert answer.json is not None
        assert answer.json["kind"] == "Status"
        assert answer.json["code"] == code
        assert message in answer.json["message"]

    @pytest.mark.parametrize(
        "body, kind, code, message",
        [
            (b"{", "application/json", 400, "the object provided is unrecognized"),
            (b"[]", "application/json", 400, "json: cannot unmarshal array"),
            (b"{}", "application/vnd.kubernetes.protobuf", 415, "does not begin as"),
            (b"{}", "text/plain", 415, "unknown format"),
            (b"[]", "", 400, "json: cannot unmarshal array"),
            (b'{"metadata":7}', "application/json", 400, "metadata"),
            (
                b'{"metadata":{"name":"x"},"spec":{"tags":{}}}',
                "application/json",
                400,
                "of type []v1.TagReference",
            ),
            (b'{"metadata":{"name":"x"},"kind":"Pod"}', "application/json", 400, 'no kind "Pod" is registered'),
            (b'{"metadata":{"name":"x","namespace":"y"}}', "application/json", 400, "does not match the namespace"),
            (b'{"metadata":{}}', "application/json", 422, "metadata.name: Required value"),
            (b'{"metadata":{"name":"A"}}', "application/json", 422, 'metadata.name: Invalid value: "A"'),
            (b'{"a":' + b"[" * 100_000, "application/json", 400, "nested deeper than"),
            (b'{"metadata":{"name":"\xff"}}', "application/json", 400, "unrecognized"),
        ],
    )
    def test_bodies(self, api: Api, body: bytes, kind: str, code: int, message: str) -> None:
        answer = api.ask("POST", STREAMS, body, Content_Type=kind)
        assert answer.status_code == code, answer.get_data(as_text=True)
        assert answer.json is not None
        assert message in answer.json["message"]

    def test_yaml_is_accepted(self, api: Api) -> None:
        answer = api.ask("POST", STREAMS, b"metadata:\n  name: app\n", Content_Type="application/yaml")
        assert answer.status_code == 201

    def test_other_encodings_are_not_given(self, api: Api) -> None:
        assert api.get(STREAMS, 406, Accept="text/html")["reason"] == "NotAcceptable"

    def test_a_missing_namespace(self, api: Api) -> None:
        refused = api.post("namespaces/nowhere/imagestreams", new_stream(), 404)
        assert refused["message"] == 'namespaces "nowhere" not found'

    def test_other_machines_and_web_pages_may_not_call(self, api: Api) -> None:
        assert api.client.get(f"{BASE}/{STREAMS}", environ_base={"REMOTE_ADDR": "192.0.2.1"}).status_code == 403
        assert api.client.get(f"{BASE}/{STREAMS}", base_url="http://evil.example").status_code == 403
        assert api.client.get(f"{BASE}/{STREAMS}", base_url="http://127.0.0.1:8080").status_code == 200
        assert api.client.get(f"{BASE}/{STREAMS}", base_url="http://[::1]:8080").status_code == 200
        assert api.ask("GET", STREAMS, Origin="http://evil.example").status_code == 403
        assert api.ask("GET", STREAMS, Origin="null").status_code == 403


class TestStored:
    def test_create_get_update_delete(self, api: Api) -> None:
        made = api.post(STREAMS, new_stream(labels={"a": "b"}))
        assert made["kind"] == "ImageStream"
        assert made["metadata"]["generation"] == 1
        assert api.get(f"{STREAMS}/app") == made
        assert api.post(STREAMS, new_stream(), 409)["reason"] == "AlreadyExists"
        changed = api.put(f"{STREAMS}/app", {**made, "spec": {"lookupPolicy": {"local": True}}})
        assert changed["metadata"]["generation"] == 2
        stale = api.put(f"{STREAMS}/app", made, 409)
        assert stale["message"] == (
            'Operation cannot be fulfilled on imagestreams.image.openshift.io "app": the object has been modified; '
            "please apply your changes to the latest version and try again"
        )
        unversioned = {**made, "metadata": {"name": "app"}}
        refused = api.put(f"{STREAMS}/app", unversioned, 422)
        assert "metadata.resourceVersion: Invalid value: 0: must be specified for an update" in refused["message"]
        other_name = api.put(f"{STREAMS}/app", {**changed, "metadata": {**changed["metadata"], "name": "x"}}, 400)
        assert "does not match the name on the URL" in other_name["message"]
        gone = api.delete(f"{STREAMS}/app")
        assert gone["details"] == {
            "name": "app",
            "group": "image.openshift.io",
            "kind": "imagestreams",
            "uid": made["metadata"]["uid"],
        }
        api.get(f"{STREAMS}/app", 404)

    def test_generated_names_differ(self, api: Api) -> None:
        names = {api.post(STREAMS, {"metadata": {"generateName": "app"}})["metadata"]["name"] for _ in range(5)}
        assert len(names) == 5
        assert all(name.startswith("app") and len(name) == 8 for name in names)

    def test_delete_preconditions(self, api: Api) -> None:
        api.post(STREAMS, new_stream())
        api.delete(f"{STREAMS}/app", 409, {"preconditions": {"uid": "other"}})
        api.delete(f"{STREAMS}/app", 200, {"dryRun": ["All"]})
        api.get(f"{STREAMS}/app")
        api.delete(f"{STREAMS}/app?dryRun=All")
        api.get(f"{STREAMS}/app")

    def test_dry_run_checks_and_keeps_nothing(self, gated: Api) -> None:
        gated.post(f"{STREAMS}?dryRun=All", new_stream())
        gated.get(f"{STREAMS}/app", 404)
        bad = {"metadata": {"name": "app"}, "spec": {"tags": [spec_tag("t", "quay.io/a/b")]}}
        gated.post(f"{STREAMS}?dryRun=All", bad, 422)
        gated.post(f"{STREAMS}?dryRun=Some", new_stream(), 422)
        gated.post(STREAMS, new_stream())
        shown = gated.patch(f"{STREAMS}/app?dryRun=All", {"metadata": {"labels": {"a": "b"}}})
        assert shown["metadata"]["labels"] == {"a": "b"}
        assert "labels" not in gated.get(f"{STREAMS}/app")["metadata"]
        gated.put(
            f"{B}/imagestreamtags/app:v1?dryRun=All", {"tag": spec_tag("v1", "registry.access.redhat.com/x")}, 201
        )
        assert "tags" not in gated.get(f"{STREAMS}/app")["spec"]

    def test_selectors(self, api: Api) -> None:
        for name, labels in (("a", {"x": "1"}), ("b", {"x": "2"}), ("c", {})):
            api.post(STREAMS, new_stream(name, labels=labels))

        def named(query: str) -> list[str]:
            return [item["metadata"]["name"] for item in api.get(f"{STREAMS}?{query}")["items"]]

        assert named("labelSelector=x") == ["a", "b"]
        assert named("labelSelector=!x") == ["c"]
        assert named("labelSelector=x=1") == ["a"]
        assert named("labelSelector=x!=1") == ["b", "c"]
        assert named("labelSelector=x in (1,2),x notin (2)") == ["a"]
        assert named("fieldSelector=metadata.name=b") == ["b"]
        assert named("fieldSelector=metadata.name!=b") == ["a", "c"]

    def test_limit_and_continue(self, api: Api) -> None:
        for number in range(5):
            api.post(STREAMS, new_stream(f"s{number}"))
        first = api.get(f"{STREAMS}?limit=2")
        api.post(STREAMS, new_stream("z"))
        second = api.get(f"{STREAMS}?limit=2&continue={first['metadata']['continue']}")
        third = api.get(f"{STREAMS}?limit=2&continue={second['metadata']['continue']}")
        names = [item["metadata"]["name"] for page in (first, second, third) for item in page["items"]]
        assert names == ["s0", "s1", "s2", "s3", "s4", "z"]
        assert first["metadata"]["resourceVersion"] == third["metadata"]["resourceVersion"]
        assert "continue" not in third["metadata"]

    def test_limit_of_tags(self, api: Api) -> None:
        """It counts streams, and there is no token for the rest: as in the original."""
        history = [event(DIGEST_1, f"quay.io/a/b@{DIGEST_1}")]
        for name in ("app", "other"):
            put_stream(api, "test", name, {"a": history, "b": history})
        first = api.get(f"{B}/imagestreamtags?limit=1")
        assert [item["metadata"]["name"] for item in first["items"]] == ["app:a", "app:b"]
        assert first["metadata"] == {}
        assert len(api.get("imagestreamtags")["items"]) == 4

    def test_delete_collection(self, api: Api) -> None:
        for name, labels in (("a", {"x": "1"}), ("b", {})):
            api.post(STREAMS, new_stream(name, labels=labels))
        assert len(api.delete(f"{STREAMS}?labelSelector=x")["items"]) == 1
        assert [item["metadata"]["name"] for item in api.get(STREAMS)["items"]] == ["b"]

    def test_a_change_that_changes_nothing_is_not_written(self, api: Api) -> None:
        made = api.post(STREAMS, new_stream(labels={"a": "b"}))
        same = api.patch(f"{STREAMS}/app", {"metadata": {"labels": {"a": "b"}}})
        assert same["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]


class TestPatches:
    def test_three_kinds(self, api: Api) -> None:
        api.post(STREAMS, new_stream(labels={"a": "b", "c": "d"}))
        path = f"{STREAMS}/app"
        assert api.patch(path, {"metadata": {"labels": {"a": None}}})["metadata"]["labels"] == {"c": "d"}
        operations = [{"op": "replace", "path": "/metadata/labels/c", "value": "e"}]
        assert api.patch(path, operations, kind="json-patch")["metadata"]["labels"] == {"c": "e"}
        strategic = {"metadata": {"labels": {"f": "g"}}, "spec": {"tags": [spec_tag("t", "quay.io/a/b")]}}
        assert api.patch(path, strategic, kind="strategic-merge-patch")["metadata"]["labels"] == {"c": "e", "f": "g"}

    @pytest.mark.parametrize(
        "kind, body, code, message",
        [
            ("json-patch", [{"op": "test", "path": "/metadata/name", "value": "x"}], 422, "rejected our request"),
            ("json-patch", [{"op": "remove", "path": "/metadata/none"}], 422, "rejected our request"),
            (
                "json-patch",
                {"op": "remove"},
                400,
                "cannot unmarshal object into Go value",
            ),
            ("merge-patch", [1], 400, "json: cannot unmarshal array"),
            ("merge-patch", {"metadata": None}, 400, "(app based on URL) was undeterminable: name must be provided"),
            ("merge-patch", b"null", 400, "Invalid JSON Patch"),
            ("merge-patch", "x", 400, "error decoding patch: json: cannot unmarshal string"),
            ("strategic-merge-patch", [], 400, "json: cannot unmarshal array into Go value of type map"),
            ("merge-patch", {"metadata": {"resourceVersion": "1"}}, 409, "the object has been modified"),
            ("merge-patch", {"metadata": {"name": "other"}}, 400, "does not match the name on the URL"),
            ("merge-patch", {"spec": {"lookupPolicy": {"local": "yes"}}}, 422, "of type bool"),
            ("other", {}, 415, "415: Unsupported Media Type"),
        ],
    )
    def test_what_cannot_be_applied(self, api: Api, kind: str, body: Any, code: int, message: str) -> None:
        api.post(STREAMS, new_stream())
        assert message in api.patch(f"{STREAMS}/app", body, code, kind=kind)["message"]

    def test_a_users_patch_of_status_through_the_stream_does_nothing(self, api: Api) -> None:
        api.post(STREAMS, new_stream())
        forged = {"status": {"tags": [{"tag": "t", "items": [event(DIGEST_1, "quay.io/a/b")]}]}}
        assert "tags" not in api.patch(f"{STREAMS}/app", forged)["status"]
        assert len(api.patch(f"{STREAMS}/app/status", forged)["status"]["tags"]) == 1


class TestFieldValidation:
    def test_unknown_fields(self, api: Api) -> None:
        body = {**new_stream(), "spec": {"lookupPolcy": {}, "tags": [{**spec_tag("t", "x"), "form": 1}]}}
        refused = api.post(f"{STREAMS}?fieldValidation=Strict", body, 400)
        assert refused["message"].endswith(
            'strict decoding error: unknown field "spec.lookupPolcy", unknown field "spec.tags[0].form"'
        )
        answer = api.ask("POST", STREAMS, body)
        assert answer.status_code == 201
        assert answer.headers.getlist("Warning") == [
            '299 - "unknown field \\"spec.lookupPolcy\\""',
            '299 - "unknown field \\"spec.tags[0].form\\""',
        ]
        assert not api.ask(
            "POST", f"{STREAMS}?fieldValidation=Ignore", {**body, "metadata": {"name": "b"}}
        ).headers.get("Warning")


class TestGate:
    def test_a_stream_with_a_reference_tag_has_two_causes(self, gated: Api) -> None:
        """docs/spec/import-gate.md 5, the manual's example."""
        body = {
            "metadata": {"name": "bar"},
            "spec": {"tags": [spec_tag("latest", "local.registry.corp/bar", reference=True)]},
        }
        refused = gated.post(STREAMS, body, 422)
        said = (
            'Forbidden: registry "local.registry.corp" not allowed by whitelist: "local.registry.corp:5000", '
            '"*.mydomain.com:80", "registry.access.redhat.com:443"'
        )
        assert refused["details"]["causes"] == [
            {"reason": "FieldValueForbidden", "message": said, "field": "spec.tags[latest].from.name"},
            {
                "reason": "FieldValueForbidden",
                "message": said,
                "field": "status.tags[latest].items[0].dockerImageReference",
            },
        ]

    def test_a_reference_tag_of_an_allowed_registry_has_its_event(self, gated: Api) -> None:
        source = "registry.access.redhat.com/ubi8"
        made = gated.post(
            STREAMS, {"metadata": {"name": "bar"}, "spec": {"tags": [spec_tag("t", source, reference=True)]}}
        )
        (item,) = made["status"]["tags"][0]["items"]
        assert item == {"created": "2018-06-01T10:00:00Z", "dockerImageReference": source, "image": "", "generation": 1}

    def test_a_repository_stays_allowed(self, gated: Api, tmp_path: Any) -> None:
        """docs/spec/import-gate.md 9 case 19."""
        open_api = make_api(tmp_path / "images.db")
        open_api.post(STREAMS, {"metadata": {"name": "app"}, "spec": {"tags": [spec_tag("1", "quay.io/a/b:1")]}})
        two = [spec_tag("1", "quay.io/a/b:1"), spec_tag("2", "quay.io/a/b:2")]
        gated.patch(f"{STREAMS}/app", {"spec": {"tags": two}})
        gated.patch(f"{STREAMS}/app", {"spec": {"tags": [*two, spec_tag("3", "quay.io/a/c:2")]}}, 422)
        tag = {"tag": spec_tag("4", "quay.io/a/b:4")}
        assert gated.put(f"{B}/imagestreamtags/app:4", tag, 422)["details"]["kind"] == "ImageStreamTag"

    def test_status_updates_are_compared_literally(self, gated: Api) -> None:
        """docs/spec/import-gate.md 9 case 22."""
        gated.post(STREAMS, new_stream())
        events = [event(DIGEST_1, f"quay.io/a/b@{DIGEST_1}")]
        refused = gated.patch(f"{STREAMS}/app/status", {"status": {"tags": [{"tag": "t", "items": events}]}}, 422)
        assert refused["details"]["causes"][0]["field"] == "status.tags[t].items[0].dockerImageReference"

    def test_another_project_needs_permission(self, gated: Api) -> None:
        tag = spec_tag("t", "none:1", kind="ImageStreamTag")
        refused = gated.post(STREAMS, {"metadata": {"name": "bar"}, "spec": {"tags": [tag]}}, 422)
        assert refused["details"]["causes"][0]["field"] == "[]"
        assert 'spec.tags[t].from.name: Not found: "none:1"' in refused["message"]

    def test_mode_warn_admits_with_a_warning(self, tmp_path: Any) -> None:
        api = with_project(make_api(tmp_path / "w.db", rules=[("quay.io", False)], mode=Mode.WARN))
        answer = api.ask("POST", STREAMS, {"metadata": {"name": "a"}, "spec": {"tags": [spec_tag("t", "busybox")]}})
        assert answer.status_code == 201
        (warning,) = answer.headers.getlist("Warning")
        assert "import-gate would deny: spec.tags[t].from.name: Forbidden" in warning
        api.post(STREAMS, {"metadata": {"name": "b"}, "spec": {"tags": [spec_tag("t", "A")]}}, 422)


class TestTags:
    def test_put_rules(self, api: Api) -> None:
        path = f"{B}/imagestreamtags/app:v1"
        missing = api.put(path, {"tag": None}, 400)
        assert missing["message"] == "imagestreamtag v1 is not a spec tag in imagestream test/app, cannot be updated"
        versioned = {"metadata": {"resourceVersion": "1"}, "tag": spec_tag("v1", "quay.io/a/b")}
        assert api.put(path, versioned, 404)["message"] == 'imagestreamtags.image.openshift.io "app:v1" not found'
        made = api.put(path, {"tag": spec_tag("v1", "quay.io/a/b")}, 201)
        version = made["metadata"]["resourceVersion"]
        stale = api.put(path, versioned, 409)
        assert stale["message"] == (
            'Operation cannot be fulfilled on imagestreamtags.image.openshift.io "app:v1": '
            f"another caller has updated the resource version to {version}"
        )
        body = {"metadata": {"resourceVersion": version, "annotations": {"a": "b"}}, "tag": None}
        assert api.put(path, body)["tag"]["annotations"] == {"a": "b"}
        relabelled = {"metadata": {"labels": {"x": "y"}}, "tag": spec_tag("v1", "quay.io/a/b")}
        assert "may not update fields other than metadata.annotations" in api.put(path, relabelled, 422)["message"]

    def test_post_rules(self, api: Api) -> None:
        path = f"{B}/imagestreamtags"
        refused = api.post(path, {"metadata": {"name": "app"}, "tag": None}, 500)
        assert refused["message"] == '"app" must be of the form <stream_name>:<tag>'
        assert api.post(path, {"metadata": {"name": "app:v1"}, "tag": None})["tag"] is None
        assert "tags" not in api.get(f"{STREAMS}/app")["spec"]
        named = {"metadata": {"name": "app:v1"}, "tag": {"from": {"kind": "DockerImage", "name": "quay.io/a/b"}}}
        assert api.post(path, named)["tag"]["name"] == "v1"

    def test_image_tags(self, api: Api) -> None:
        path = f"{B}/imagetags"
        made = api.post(path, {"metadata": {"name": "app:v1"}, "spec": spec_tag("", "quay.io/a/b")})
        assert made["spec"]["name"] == "v1"
        assert made["status"] is None
        assert api.post(path, {"metadata": {"name": "app:v1"}, "spec": spec_tag("v1", "x")}, 409)["message"] == (
            'imagetags.image.openshift.io "app:v1" already exists'
        )
        absent = api.post(path, {"metadata": {"name": "app:v2"}}, 422)
        assert "spec: Required value: spec is a required field during creation" in absent["message"]
        changed = api.put(f"{path}/app:v1", {**made, "spec": spec_tag("v1", "quay.io/a/c")})
        assert changed["spec"]["from"]["name"] == "quay.io/a/c"
        assert [item["metadata"]["name"] for item in api.get(path)["items"]] == ["app:v1"]
        api.put(f"{path}/app:v1", {**changed, "spec": None})
        assert api.get(f"{path}/app:v1", 404)["message"] == 'imagetags.image.openshift.io "app:v1" not found'

    def test_put_without_version_wins_against_others(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        api.put(f"{B}/imagestreamtags/app:v1", {"tag": spec_tag("v1", "quay.io/a/b:1")}, 201)
        update = api.store.update
        meddled: list[bool] = []

        def meddling(key: Any, body: Any, *, version: str) -> Any:
            if not meddled:
                meddled.append(True)
                found = api.store.get(key)
                assert found is not None
                found["metadata"]["labels"] = {"by": "another"}
                update(key, found, version=version)
            return update(key, body, version=version)

        monkeypatch.setattr(api.store, "update", meddling)
        shown = api.put(f"{B}/imagestreamtags/app:v1", {"tag": spec_tag("v1", "quay.io/a/b:2")})
        assert shown["metadata"]["labels"] == {"by": "another"}
        assert shown["tag"]["from"]["name"] == "quay.io/a/b:2"


class TestImages:
    def test_what_an_update_may_change(self, api: Api) -> None:
        made = api.post("images", image(DIGEST_1))
        forged = {**made, "dockerImageReference": "evil/x", "dockerImageLayers": [], "dockerImageMetadata": {}}
        forged["metadata"] = {**made["metadata"], "labels": {"a": "b"}}
        shown = api.put(f"images/{DIGEST_1}", forged)
        assert shown["metadata"]["labels"] == {"a": "b"}
        assert shown["dockerImageReference"] == "evil/x"
        for key in ("dockerImageLayers", "dockerImageMetadata"):
            assert shown[key] == made[key]

    def test_a_reference_is_required(self, api: Api) -> None:
        refused = api.post("images", {"metadata": {"name": DIGEST_1}}, 422)
        assert "dockerImageReference: Required value" in refused["message"]

    def test_stream_images_layers_and_secrets(self, api: Api) -> None:
        put_stream(api, "test", "app", {"t": [event(DIGEST_1, f"quay.io/a/b@{DIGEST_1}")]})
        assert api.get(f"{B}/imagestreamimages/app@{DIGEST_1}")["image"]["metadata"]["name"] == DIGEST_1
        assert api.get(f"{B}/imagestreamimages/app@sha256:1")["metadata"]["name"] == "app@sha256:1"
        assert DIGEST_1 in api.get(f"{STREAMS}/app/layers")["images"]
        for name, kind, marks in (
            ("pull", "kubernetes.io/dockerconfigjson", {}),
            ("old", "kubernetes.io/dockercfg", {}),
            ("hidden", "kubernetes.io/dockercfg", {"openshift.io/image.excludeSecret": "true"}),
            ("other", "Opaque", {}),
        ):
            metadata = {"name": name, "annotations": marks}
            data = {".dockerconfigjson": "e30=", ".dockercfg": "e30="}
            api.post("/api/v1/namespaces/test/secrets", {"metadata": metadata, "type": kind, "data": data})
        listed = api.get(f"{STREAMS}/whatever/secrets")
        assert listed["kind"] == "SecretList"
        assert [secret["metadata"]["name"] for secret in listed["items"]] == ["old", "pull"]

    def test_signatures(self, api: Api) -> None:
        api.post("images", image(DIGEST_1))
        name = f"{DIGEST_1}@first"
        body = {"metadata": {"name": name}, "type": "atomic", "content": "YQ=="}
        api.post("imagesignatures", body)
        assert api.post("imagesignatures", body, 409)["reason"] == "AlreadyExists"
        assert [found["metadata"]["name"] for found in api.get(f"images/{DIGEST_1}")["signatures"]] == [name]
        api.delete(f"imagesignatures/{name}")
        api.delete(f"imagesignatures/{name}", 404)


class TestMappings:
    def mapping(self, digest: str = DIGEST_1, reference: str = "", **metadata: Any) -> dict[str, Any]:
        pushed = {**image(digest), "dockerImageReference": reference}
        pushed["metadata"] = {"name": digest, **metadata}
        return {"metadata": {"name": "app"}, "image": pushed, "tag": "v1"}

    def test_a_push(self, gated: Api) -> None:
        """docs/spec/import-gate.md 9 case 23: the integrated registry is always allowed."""
        gated.post(STREAMS, new_stream())
        assert gated.post(f"{B}/imagestreammappings", self.mapping())["status"] == "Success"
        (item,) = gated.get(f"{STREAMS}/app")["status"]["tags"][0]["items"]
        assert item["dockerImageReference"] == f"{INTEGRATED}/test/app@{DIGEST_1}"
        assert item["generation"] == 1
        gated.get(f"images/{DIGEST_1}")

    def test_a_push_that_the_gate_refuses_leaves_no_image(self, gated: Api) -> None:
        """docs/spec/import-gate.md 10 row 11."""
        gated.post(STREAMS, new_stream())
        refused = gated.post(f"{B}/imagestreammappings", self.mapping(reference=f"quay.io/a/b@{DIGEST_1}"), 422)
        assert refused["details"]["kind"] == "ImageStream"
        gated.get(f"images/{DIGEST_1}", 404)

    def test_a_known_managed_image_is_made_local(self, api: Api) -> None:
        managed = {"openshift.io/image.managed": "true"}
        api.post("images", image(DIGEST_1, metadata={"annotations": managed}))
        api.post(STREAMS, new_stream())
        body = self.mapping(reference=f"{INTEGRATED}/other/app@{DIGEST_1}", annotations=managed)
        api.post(f"{B}/imagestreammappings", body)
        (item,) = api.get(f"{STREAMS}/app")["status"]["tags"][0]["items"]
        assert item["dockerImageReference"] == f"{INTEGRATED}/test/app@{DIGEST_1}"

    def test_tracking_tags_follow_a_push(self, api: Api) -> None:
        follower = spec_tag("stable", "v1", kind="ImageStreamTag")
        api.post(STREAMS, {"metadata": {"name": "app"}, "spec": {"tags": [follower]}})
        api.post(f"{B}/imagestreammappings", self.mapping())
        tags = {tag["tag"]: tag["items"][0]["image"] for tag in api.get(f"{STREAMS}/app")["status"]["tags"]}
        assert tags == {"v1": DIGEST_1, "stable": DIGEST_1}

    def test_what_is_missing(self, api: Api) -> None:
        missing = api.post(f"{B}/imagestreammappings", self.mapping(), 404)
        assert missing["message"] == 'imagestreammappings.image.openshift.io "app" not found'
        api.post(f"{B}/imagestreammappings", {"metadata": {"name": "app"}, "image": {}, "tag": ""}, 422)


class TestDryCluster:
    def test_a_pod_is_rewritten_to_the_digest(self, api: Api) -> None:
        put_stream(api, "test", "app", {"latest": [event(DIGEST_1, f"openshift/app@{DIGEST_1}")]})
        pod = self.pod(f"{INTEGRATED}/test/app:latest")
        answer = api.ask("POST", "/api/v1/namespaces/test/pods", pod)
        assert answer.status_code == 201
        assert answer.json is not None
        assert answer.json["spec"]["containers"][0]["image"] == f"openshift/app@{DIGEST_1}"
        assert answer.json["status"]["conditions"][0]["reason"] == "DryCluster"
        assert "dry cluster" in answer.headers["Warning"]

    def test_an_annotation_denies_the_next_pod(self, api: Api) -> None:
        put_stream(api, "test", "app", {"latest": [event(DIGEST_1, f"openshift/app@{DIGEST_1}")]})
        pods, pod = "/api/v1/namespaces/test/pods", self.pod(f"{INTEGRATED}/test/app:latest")
        api.post(pods, pod)
        api.patch(f"images/{DIGEST_1}", {"metadata": {"annotations": {"images.openshift.io/deny-execution": "true"}}})
        refused = api.post(pods, pod, 422)
        assert refused["message"] == (
            'Pod "" is invalid: spec.containers[0].image: Forbidden: this image is prohibited by policy: '
            'rejected by rule "execution-denied"'
        )
        api.patch(f"images/{DIGEST_1}", {"metadata": {"annotations": None}})
        api.post(pods, pod)
        assert len(api.get(pods)["items"]) == 2

    @staticmethod
    def pod(image: str) -> dict[str, Any]:
        return {"metadata": {"generateName": "test-pod"}, "spec": {"containers": [{"name": "first", "image": image}]}}

    def test_an_update_is_reviewed_too(self, api: Api) -> None:
        pods = "/api/v1/namespaces/test/pods"
        body = {**self.pod("docker.io/x"), "metadata": {"name": "p"}}
        api.post(pods, body)
        patch = {"spec": {"containers": [{"name": "first", "image": "different-registry/x"}]}}
        api.patch(f"{pods}/p", patch, 422, kind="strategic-merge-patch")
        assert api.get(f"{pods}/p")["spec"]["containers"][0]["image"] == "docker.io/x"
        good = {"spec": {"containers": [{"name": "second", "image": "docker.io/y"}]}}
        shown = api.patch(f"{pods}/p", good, kind="strategic-merge-patch")
        assert [container["name"] for container in shown["spec"]["containers"]] == [
            "second",
            "first",
        ]  # as in a cluster

    def test_names(self, api: Api) -> None:
        assert "RFC 1123" in api.post("/api/v1/namespaces", {"metadata": {"name": "A"}}, 422)["message"]
        body = {**self.pod("docker.io/x"), "metadata": {"name": "A"}}
        assert 'Pod "A" is invalid: metadata.name' in api.post("/api/v1/namespaces/test/pods", body, 422)["message"]

    def test_deleting_a_namespace_deletes_what_is_in_it(self, api: Api) -> None:
        api.post(STREAMS, new_stream())
        api.post("images", image(DIGEST_2))
        api.delete("/api/v1/namespaces/test")
        assert api.get("imagestreams")["items"] == []
        api.get(f"images/{DIGEST_2}")
        assert api.delete("/api/v1/namespaces/default", 403)["reason"] == "Forbidden"


class TestDiscovery:
    def test_plain(self, api: Api) -> None:
        assert api.get("/api")["versions"] == ["v1"]
        assert "image.openshift.io" in [group["name"] for group in api.get("/apis")["groups"]]
        assert api.get("/apis/image.openshift.io")["preferredVersion"]["groupVersion"] == "image.openshift.io/v1"
        listed = {entry["name"]: entry for entry in api.get("/apis/image.openshift.io/v1")["resources"]}
        assert listed["imagestreams"]["shortNames"] == ["is"]
        assert listed["imagestreamtags"]["verbs"] == ["create", "delete", "get", "list", "patch", "update"]
        assert set(listed) == {
            "images",
            "imagestreams",
            "imagestreams/status",
            "imagestreams/layers",
            "imagestreams/secrets",
            "imagestreamtags",
            "imagetags",
            "imagestreamimages",
            "imagestreamimports",
            "imagestreammappings",
            "imagesignatures",
        }

    def test_aggregated(self, api: Api) -> None:
        accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"
        answer = api.ask("GET", "/apis", Accept=accept)
        assert answer.headers["Content-Type"].startswith("application/json;g=apidiscovery.k8s.io;v=v2")
        assert answer.json is not None
        groups = {item["metadata"]["name"]: item for item in answer.json["items"]}
        names = [resource["resource"] for resource in groups["image.openshift.io"]["versions"][0]["resources"]]
        assert "imagestreams" in names
        core = api.get("/api", Accept=accept)
        assert core["items"][0]["versions"][0]["version"] == "v1"

    def test_openapi(self, api: Api) -> None:
        assert "com.github.openshift.api.image.v1.ImageStream" in api.get("/openapi/v2")["definitions"]
        index = api.get("/openapi/v3")["paths"]["apis/image.openshift.io/v1"]["serverRelativeURL"]
        document = api.get(index)
        references = set(find_references(document))
        assert references
        for reference in references:
            assert reference.removeprefix("#/components/schemas/") in document["components"]["schemas"]
        api.get("/openapi/v3/apis/none/v1", 404)

    def test_old_clients_get_protobuf(self, api: Api) -> None:
        answer = api.ask("GET", "/openapi/v2", Accept="application/com.github.proto-openapi.spec.v2@v1.0+protobuf")
        assert answer.get_data().startswith(b"\x0a\x032.0\x12")


def find_references(document: Any) -> list[str]:
    if isinstance(document, dict):
        own = [document["$ref"]] if isinstance(document.get("$ref"), str) else []
        return own + [found for value in document.values() for found in find_references(value)]
    return [found for value in document for found in find_references(value)] if isinstance(document, list) else []


class TestWatch:
    def lines(self, api: Api, path: str, **headers: str) -> list[dict[str, Any]]:
        answer = api.ask("GET", path, **headers)
        assert answer.status_code == 200, answer.get_data(as_text=True)
        return [json.loads(line) for line in answer.get_data().splitlines() if line]

    def test_from_a_version(self, api: Api) -> None:
        start = api.get(STREAMS)["metadata"]["resourceVersion"]
        api.post(STREAMS, new_stream("a", labels={"x": "1"}))
        api.patch(f"{STREAMS}/a", {"metadata": {"labels": {"x": "2"}}})
        api.post(STREAMS, new_stream("b"))
        api.delete(f"{STREAMS}/a")
        query = f"{STREAMS}?watch=1&timeoutSeconds=1&resourceVersion={start}"
        seen = [(line["type"], line["object"]["metadata"]["name"]) for line in self.lines(api, query)]
        assert seen == [("ADDED", "a"), ("MODIFIED", "a"), ("ADDED", "b"), ("DELETED", "a")]
        selected = self.lines(api, f"{query}&labelSelector=x=1")
        assert [line["type"] for line in selected] == ["ADDED", "DELETED"]
        entering = self.lines(api, f"{query}&labelSelector=x=2")
        assert [line["type"] for line in entering] == ["ADDED", "DELETED"]
        named = f"{query}&fieldSelector=metadata.name=b&allowWatchBookmarks=true"
        one = self.lines(api, named)
        assert [line["type"] for line in one] == ["ADDED"]

    def test_from_nothing_begins_with_all(self, api: Api) -> None:
        api.post(STREAMS, new_stream("a"))
        table = "application/json;as=Table;v=v1;g=meta.k8s.io"
        api.post(STREAMS, new_stream("b"))
        lines = self.lines(api, f"{STREAMS}?watch=1&timeoutSeconds=1", Accept=table)
        assert [line["object"]["rows"][0]["cells"][0] for line in lines] == ["a", "b"]
        assert [bool(line["object"]["columnDefinitions"]) for line in lines] == [True, False]

    def test_an_old_version_is_gone(self, api: Api) -> None:
        gone = api.get(f"{STREAMS}?watch=1&resourceVersion=99999", 410)
        assert gone["reason"] == "Expired"

    def test_too_many(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        path = f"{STREAMS}?watch=1&timeoutSeconds=1"
        opened = [api.client.get(f"{BASE}/{path}", buffered=False) for _ in range(IN_THREADS_MAX)]
        assert api.get(path, 429)["details"]["retryAfterSeconds"] == 5
        for answer in opened:
            answer.close()
        assert api.ask("GET", path).status_code == 200


def test_no_integrated_registry(tmp_path: Any) -> None:
    api = with_project(make_api(tmp_path / "n.db", hosts=RegistryHosts()))
    made = api.post(STREAMS, {"metadata": {"name": "a"}, "spec": {"dockerImageRepository": "quay.io/a/b"}})
    assert made["status"]["dockerImageRepository"] == "quay.io/a/b"


def test_a_store_that_fails_says_so(api: Api) -> None:
    with api.store.database.transaction() as connection:
        connection.execute("DROP TABLE terms")
        connection.execute("DROP TABLE objects")
    assert "the store cannot be used" in api.get(STREAMS, 507)["message"]
