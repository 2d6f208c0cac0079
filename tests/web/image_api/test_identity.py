"""Who calls the image API, and what somebody who is not the administrator may do."""

from __future__ import annotations

from typing import Any

import pytest

from imagegate.service.image_api.host_cluster import PullSecretsOf
from tests.support.image_api import BASE, Api, make_api
from tests.web.image_api.conftest import DEVELOPER, with_project

DIGEST = "sha256:" + "a" * 64
IMAGE = {"metadata": {"name": DIGEST}, "dockerImageReference": f"quay.io/a/b@{DIGEST}"}
STREAMS = "namespaces/test/imagestreams"
EVERYWHERE = (f"{BASE}/{STREAMS}", "/api", "/apis", "/apis/image.openshift.io", BASE, "/api/v1", "/openapi/v2",
              "/openapi/v3", "/openapi/v3/apis/image.openshift.io/v1")  # fmt: skip


def image(digest: str = DIGEST, **annotations: str) -> dict[str, Any]:
    return {**IMAGE, "metadata": {"name": digest, "annotations": annotations}}


class TestProxies:
    @pytest.mark.parametrize("path", EVERYWHERE)
    @pytest.mark.parametrize(
        "header, shown",
        [
            ("X-Remote-User", "X-Remote-User"),
            ("X-Remote-Group", "X-Remote-Group"),
            ("X-Remote-Uid", "X-Remote-Uid"),
            ("X-Remote-Extra-Scopes", "X-Remote-Extra-Scopes"),
            ("X-Forwarded-For", "X-Forwarded-For"),
            ("X-Forwarded-Host", "X-Forwarded-Host"),
            ("X-Forwarded-Proto", "X-Forwarded-Proto"),
            ("Forwarded", "Forwarded"),
            ("X-Real-IP", "X-Real-Ip"),
            ("Via", "Via"),
            ("x-remote-user", "X-Remote-User"),
            ("X_Remote_User", "X-Remote-User"),
            ("X-Remote_User", "X-Remote-User"),
        ],
    )
    def test_whoever_speaks_for_somebody_else_is_refused(self, api: Api, path: str, header: str, shown: str) -> None:
        assert api.client.get(path).status_code == 200
        refused = api.client.get(path, environ_base={f"HTTP_{header.upper().replace('-', '_')}": "dev"})
        assert refused.status_code == 403
        assert refused.json is not None
        assert f"the header {shown}" in refused.json["message"]
        assert "request-header authentication" in refused.json["message"]
        assert "kubectl --server" in refused.json["message"]

    def test_a_server_may_leave_names_as_they_came(self, api: Api) -> None:
        for key in ("HTTP_x_remote_user", "HTTP_X-Remote-User", "http_X_REMOTE_USER"):
            assert api.client.get("/apis", environ_base={key: ""}).status_code == 403, key
        assert api.client.get("/apis", environ_base={"HTTP_X_REQUEST_ID": "1"}).status_code == 200


class TestImpersonation:
    @pytest.mark.parametrize("header", ["Group", "Uid", "Extra-Scopes", "Anything"])
    @pytest.mark.parametrize("user", [None, ""])
    def test_nothing_but_a_user_is_impersonated(self, api: Api, header: str, user: str | None) -> None:
        named = {} if user is None else {"Impersonate-User": user}
        refused = api.client.get("/apis", headers={f"Impersonate-{header}": "devs", **named})
        assert (refused.status_code, refused.headers["X-Content-Type-Options"]) == (400, "nosniff")
        assert refused.json is not None
        assert refused.json["message"].endswith("without impersonating a user name")
        together = {f"Impersonate-{header}": "devs", "Impersonate-User": "dev"}
        assert api.client.get("/apis", headers=together).status_code == 200

    def test_groups_as_kubernetes_adds_them(self, api: Api, tmp_path: Any) -> None:
        def rules(group: str) -> str:
            return (
                f'kind: AccessRules\nrules:\n- groups: ["{group}"]\n  verbs: [get, list]\n  apiGroups: ["*"]\n'
                '  resources: ["*"]\n'
            )

        def may(group: str, *headers: tuple[str, str]) -> bool:
            world = make_api(tmp_path / f"{abs(hash((group, headers)))}.db", access=rules(group))
            return world.client.get(f"{BASE}/images", headers=list(headers)).status_code == 200

        dev, a, b = ("Impersonate-User", "dev"), ("Impersonate-Group", "a"), ("Impersonate-Group", "b")
        account = ("Impersonate-User", "system:serviceaccount:team:robot")
        assert may("b", dev, a, b)
        assert not may("b", dev, a)
        assert may("system:authenticated", dev, a)
        assert not may("system:authenticated", ("Impersonate-User", "system:anonymous"))
        assert may("system:unauthenticated", ("Impersonate-User", "system:anonymous"))
        assert may("system:serviceaccounts:team", account)
        assert not may("system:serviceaccounts:other", account)
        assert not may("system:serviceaccounts:team", account, a)

    def test_masters_are_administrators(self, api: Api) -> None:
        headers = {"Impersonate-User": "boss", "Impersonate-Group": "system:masters"}
        assert api.client.get(f"{BASE}/images", headers=headers).status_code == 200
        headers["Impersonate-Group"] = "system:mastersx"
        assert api.client.get(f"{BASE}/images", headers=headers).status_code == 403


class TestPages:
    @pytest.mark.parametrize("path", EVERYWHERE)
    @pytest.mark.parametrize(
        "origin",
        [
            "http://localhost:8081",
            "http://127.0.0.1",
            "http://127.0.0.1:80",
            "https://localhost:8080",
            "http://127.0.0.1:8080",
            "http://[::1]:8080",
            "http://user@localhost:8080",
            "http://localhost:8080/x",
            "http://localhost:8080, http://localhost:8080",
            "http://localhost:99999",
            "chrome-extension://localhost:8080",
            "http://evil.example",
            "null",
            "",
        ],
    )
    def test_pages_of_other_origins(self, api: Api, path: str, origin: str) -> None:
        asked = {"base_url": "http://localhost:8080"}
        assert api.client.get(path, headers={"Origin": origin}, **asked).status_code == 403
        assert api.client.get(path, headers={"Origin": "http://localhost:8080"}, **asked).status_code == 200

    def test_default_ports_need_not_be_written(self, api: Api) -> None:
        for origin in ("http://localhost", "http://localhost:80", "http://LOCALHOST"):
            assert api.client.get("/apis", headers={"Origin": origin}, base_url="http://localhost").status_code == 200
        given = {"Origin": "http://localhost"}
        assert api.client.get("/apis", headers=given, base_url="http://localhost:80").status_code == 200
        assert api.client.get("/apis", headers=given, base_url="https://localhost").status_code == 403

    @pytest.mark.parametrize(
        "site, code",
        [("cross-site", 403), ("same-site", 403), ("", 403), ("new-value", 403), ("same-origin", 200), ("none", 200)],
    )
    @pytest.mark.parametrize("query", ["", "?watch=1&timeoutSeconds=1"])
    def test_what_the_browser_says_of_the_page(self, api: Api, site: str, code: int, query: str) -> None:
        answer = api.client.get(f"{BASE}/images{query}", headers={"Sec-Fetch-Site": site})
        assert answer.status_code == code

    @pytest.mark.parametrize(
        "origin, code",
        [
            ({}, 201),
            ({"Origin": "https://evil.example"}, 403),
            ({"Origin": "null"}, 403),
            ({"Sec-Fetch-Site": "cross-site"}, 403),
            ({"Sec-Fetch-Site": "same-site"}, 403),
        ],
    )
    def test_a_body_without_a_media_type(self, api: Api, origin: dict[str, str], code: int) -> None:
        """It is JSON, as in an API server; a page, which may send one unasked, cannot hide that it is one."""
        body = b'{"metadata":{"name":"%s"},"dockerImageReference":"a/b"}' % DIGEST.encode()
        answer = api.client.post(f"{BASE}/images", data=body, headers=origin)
        assert answer.status_code == code, answer.get_data(as_text=True)

    @pytest.mark.parametrize(
        "kind",
        ["text/plain", "text/plain;charset=UTF-8", "application/x-www-form-urlencoded", "multipart/form-data", ","],
    )
    @pytest.mark.parametrize("agent", ["kubectl/v1.20.2 (linux/amd64)", ""])
    def test_media_types_that_a_page_may_send_unasked(self, api: Api, kind: str, agent: str) -> None:
        for method, path in (("POST", "images"), ("PUT", f"images/{DIGEST}"), ("DELETE", f"images/{DIGEST}")):
            answer = api.ask(method, path, b'{"metadata":{"name":"x"}}', Content_Type=kind, User_Agent=agent)
            assert answer.status_code == 415, (method, answer.get_data(as_text=True))


ROWS = [
    ("GET", "/api/v1/namespaces/test/secrets", "secrets", "list", "secrets", "", "test"),
    ("GET", "/api/v1/namespaces/test/secrets?watch=1", "secrets", "watch", "secrets", "", "test"),
    ("GET", "/api/v1/secrets", "secrets", "list", "secrets", "", ""),
    ("GET", "/api/v1/namespaces/test/secrets/x", 'secrets "x"', "get", "secrets", "", "test"),
    ("GET", "/api/v1/namespaces/test", 'namespaces "test"', "get", "namespaces", "", "test"),
    ("PATCH", "/api/v1/namespaces/test", 'namespaces "test"', "patch", "namespaces", "", "test"),
    ("DELETE", "/api/v1/namespaces/test", 'namespaces "test"', "delete", "namespaces", "", "test"),
    ("POST", "/api/v1/namespaces", "namespaces", "create", "namespaces", "", ""),
    ("POST", "/api/v1/namespaces/test/pods?dryRun=All", "pods", "create", "pods", "", "test"),
    ("DELETE", "/apis/apps/v1/namespaces/test/deployments", "deployments.apps", "deletecollection", "deployments",
     "apps", "test"),
    ("GET", "images", "images.I", "list", "images", "I", ""),
    ("GET", f"images/{DIGEST}", f'images.I "{DIGEST}"', "get", "images", "I", ""),
    ("PATCH", f"images/{DIGEST}", f'images.I "{DIGEST}"', "patch", "images", "I", ""),
    ("PUT", f"images/{DIGEST}", f'images.I "{DIGEST}"', "update", "images", "I", ""),
    ("DELETE", f"images/{DIGEST}?dryRun=All", f'images.I "{DIGEST}"', "delete", "images", "I", ""),
    ("DELETE", "images", "images.I", "deletecollection", "images", "I", ""),
    ("POST", "images", "images.I", "create", "images", "I", ""),
    ("POST", "imagesignatures", "imagesignatures.I", "create", "imagesignatures", "I", ""),
    ("GET", f"{STREAMS}/app/secrets", 'imagestreams.I "app"', "get", "imagestreams/secrets", "I", "test"),
    ("GET", f"{STREAMS}/app/layers", 'imagestreams.I "app"', "get", "imagestreams/layers", "I", "test"),
    ("PUT", f"{STREAMS}/app/status", 'imagestreams.I "app"', "update", "imagestreams/status", "I", "test"),
    ("GET", "namespaces/test/imagestreamtags/app:a", 'imagestreamtags.I "app:a"', "get", "imagestreamtags", "I",
     "test"),
    ("DELETE", "namespaces/test/imagetags/app:a", 'imagetags.I "app:a"', "delete", "imagetags", "I", "test"),
    ("GET", "namespaces/test/imagestreamimages/app@a", 'imagestreamimages.I "app@a"', "get", "imagestreamimages", "I",
     "test"),
    ("POST", "namespaces/test/imagestreamimports", "imagestreamimports.I", "create", "imagestreamimports", "I", "test"),
    ("POST", "namespaces/test/imagestreammappings", "imagestreammappings.I", "create", "imagestreammappings", "I",
     "test"),
]  # fmt: skip
WITH_OTHER_RULES = """
kind: AccessRules
rules:
- {users: [other], groups: [others], verbs: ["*"], apiGroups: ["*"], resources: ["*"]}
- {users: [dev], verbs: [bind], apiGroups: ["*"], resources: ["*"]}
- {users: [dev], verbs: ["*"], apiGroups: [rbac.authorization.k8s.io], resources: ["*"]}
- {users: [dev], verbs: ["*"], apiGroups: ["*"], resources: ["*"], namespaces: [elsewhere]}
"""


class TestRights:
    @pytest.mark.parametrize("access", ["", WITH_OTHER_RULES])
    @pytest.mark.parametrize("method, path, subject, verb, resource, group, namespace", ROWS)
    def test_nobody_but_the_administrator_has_rights_that_no_rule_gives(
        self, tmp_path: Any, access: str, method: str, path: str, subject: str, verb: str, resource: str, group: str,
        namespace: str,
    ) -> None:  # fmt: skip
        world = with_project(make_api(tmp_path / "images.db", access=access))
        group = "image.openshift.io" if group == "I" else group
        where = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
        answer = world.ask(method, path, b"not even looked at", user="dev")
        assert answer.status_code == 403
        assert answer.json is not None
        assert answer.json["message"] == (
            f'{subject.replace(".I", ".image.openshift.io")} is forbidden: User "dev" cannot {verb} resource '
            f'"{resource}" in API group "{group}" {where}'
        )
        assert answer.json["details"]["kind"] == resource.partition("/")[0]
        assert answer.json["reason"] == "Forbidden"
        assert world.ask(method, path, b"not even looked at").status_code != 403

    def test_each_right_is_one_of_its_own(self, tmp_path: Any) -> None:
        access = """
kind: AccessRules
rules:
- {users: [dev], verbs: [get], apiGroups: [""], resources: [secrets], namespaces: [test], resourceNames: [mine]}
- {users: [dev], verbs: [list, watch], apiGroups: [""], resources: [configmaps], resourceNames: [mine]}
- {users: [dev], verbs: [get], apiGroups: [""], resources: [namespaces], namespaces: [test]}
- {users: [dev], verbs: [get, list, patch], apiGroups: [image.openshift.io], resources: [imagestreams, imagestreamtags]}
"""
        world = with_project(make_api(tmp_path / "images.db", access=access))
        core = "/api/v1/namespaces/test"
        for name in ("mine", "yours"):
            world.post(f"{core}/secrets", {"metadata": {"name": name}})
            world.post(f"{core}/configmaps", {"metadata": {"name": name}})
        world.post(STREAMS, {"metadata": {"name": "app"}})

        def code(method: str, path: str, body: Any = None, **more: str) -> int:
            return world.ask(method, path, body, user="dev", **more).status_code

        assert code("GET", f"{core}/secrets/mine") == 200
        assert code("GET", f"{core}/secrets/yours") == 403
        assert code("GET", f"{core}/secrets") == 403
        assert code("DELETE", f"{core}/secrets/mine") == 403
        assert code("GET", core) == 200
        assert code("GET", "/api/v1/namespaces/default") == 403
        listed = world.ask("GET", f"{core}/configmaps?fieldSelector=metadata.name%3Dmine", user="dev")
        assert listed.json is not None
        assert [item["metadata"]["name"] for item in listed.json["items"]] == ["mine"]
        for selector in (
            "metadata.name!%3Dmine",
            "metadata.name%3Dyours",
            "metadata.name%3Dmine,metadata.name%3Dyours",
        ):
            assert code("GET", f"{core}/configmaps?fieldSelector={selector}") == 403
        labels = {"metadata": {"labels": {"a": "b"}}}
        merge = {"Content_Type": "application/merge-patch+json"}
        assert code("PATCH", f"{STREAMS}/app", labels, **merge) == 200
        assert code("PATCH", f"{STREAMS}/app/status", {"status": {}}, **merge) == 403
        assert code("GET", f"{STREAMS}/app/layers") == 403

    def test_an_update_that_makes_a_tag_needs_both_rights(self, tmp_path: Any) -> None:
        access = (
            "kind: AccessRules\nrules:\n- {users: [dev, maker], verbs: [get, update, patch], apiGroups: "
            "[image.openshift.io], resources: [imagestreamtags, imagetags]}\n"
            "- {users: [maker], verbs: [create], apiGroups: [image.openshift.io], resources: [imagestreamtags]}\n"
        )
        world = with_project(make_api(tmp_path / "images.db", access=access))
        tag = {"metadata": {"name": "app:v1"}, "tag": {"from": {"kind": "DockerImage", "name": "quay.io/a/b:1"}}}
        path = "namespaces/test/imagestreamtags/app:v1"
        refused = world.put(path, tag, 403, user="dev")
        assert 'User "dev" cannot create resource "imagestreamtags"' in refused["message"]
        world.put(path, tag, 201, user="maker")
        world.put(path, {**tag, "metadata": {"name": "app:v1", "annotations": {"a": "b"}}}, 200, user="dev")

    def test_a_mark_is_not_taken_off_without_the_right_to_change_images(self, api: Api) -> None:
        api.post("images", image(**{"images.openshift.io/deny-execution": "true"}))
        path, off = f"images/{DIGEST}", {"metadata": {"annotations": {"images.openshift.io/deny-execution": None}}}
        api.patch(path, off, 403, user="developer")
        kept = api.get(path)
        assert kept["metadata"]["annotations"] == {"images.openshift.io/deny-execution": "true"}
        api.put(path, {**kept, "metadata": {**kept["metadata"], "annotations": {}}}, 403, user="developer")
        assert "annotations" not in api.patch(path, off)["metadata"]

    def test_streams_of_other_projects(self, tmp_path: Any) -> None:
        """The text is that of docs/spec/import-gate.md 3.2, with the empty reason of rules that do not say why."""
        world = with_project(make_api(tmp_path / "images.db", access=DEVELOPER))
        world.post("/api/v1/namespaces", {"metadata": {"name": "secret"}})
        world.post("images", image())
        world.post("namespaces/secret/imagestreams", {"metadata": {"name": "app"}})
        mapping = {"metadata": {"name": "app"}, "image": image(), "tag": "latest"}
        world.post("namespaces/secret/imagestreammappings", mapping)
        source = {"kind": "ImageStreamTag", "namespace": "secret", "name": "app:latest"}
        body = {"metadata": {"name": "stolen:latest"}, "tag": {"from": source}}
        refused = world.post("namespaces/test/imagestreamtags", body, 422, user="developer")
        assert 'spec.tags[latest].from: Forbidden: secret/app: "" ""' in refused["message"]
        world.post("namespaces/test/imagestreamtags", body)

    @pytest.mark.parametrize("user, uses", [("", True), ("developer", True), ("blind", False)])
    def test_pull_secrets_are_used_by_those_who_may_read_them(
        self, importing: Api, pushed: str, monkeypatch: pytest.MonkeyPatch, user: str, uses: bool
    ) -> None:
        asked: list[str] = []
        pull_secrets = PullSecretsOf.pull_secrets

        def noting(self: PullSecretsOf, namespace: str, *, deadline_s: float) -> Any:
            asked.append(namespace)
            return pull_secrets(self, namespace, deadline_s=deadline_s)

        monkeypatch.setattr(PullSecretsOf, "pull_secrets", noting)
        source = {"kind": "DockerImage", "name": "openshift/image-policy-check:latest"}
        body = {"metadata": {"name": "app"}, "spec": {"import": True, "images": [{"from": source}]}}
        answer = importing.ask("POST", "namespaces/test/imagestreamimports", body, user=user)
        assert answer.json is not None
        assert answer.json["status"]["images"][0]["image"]["metadata"]["name"] == pushed
        assert asked == (["test"] if uses else [])
        assert "Warning" not in answer.headers  # nothing was missed
