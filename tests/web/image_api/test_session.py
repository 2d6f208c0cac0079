"""The first commands of a session: who am I, what may I do, which projects are there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.image_api import Api, make_api, served
from tests.support.kubectl import Kubectl

RULES = """
kind: AccessRules
rules:
- users: [dev]
  verbs: [get, list, create]
  apiGroups: [image.openshift.io]
  resources: [imagestreams, imagestreams/layers]
  namespaces: [test]
- groups: [founders]
  verbs: [create]
  apiGroups: [project.openshift.io]
  resources: [projectrequests]
- users: [dev]
  verbs: [get]
  apiGroups: [project.openshift.io]
  resources: [projects]
  namespaces: [test]
  resourceNames: [test]
"""
REVIEWS = "/apis/authorization.k8s.io/v1"
WHO = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
PROJECTS = "/apis/project.openshift.io/v1/projects"
REQUESTS = "/apis/project.openshift.io/v1/projectrequests"


@pytest.fixture
def api(tmp_path: Path) -> Api:
    found = make_api(tmp_path / "images.db", access=RULES)
    found.post("/api/v1/namespaces", {"metadata": {"name": "test"}})
    return found


def may(api: Api, user: str, verb: str, resource: str, namespace: str = "", name: str = "", sub: str = "") -> Any:
    attributes = {"verb": verb, "group": "image.openshift.io", "resource": resource, "namespace": namespace}
    spec = {"resourceAttributes": {**attributes, "name": name, "subresource": sub}}
    return api.post(f"{REVIEWS}/selfsubjectaccessreviews", {"spec": spec}, user=user)["status"]


class TestWhoAmI:
    def test_the_administrator_and_an_impersonated_user(self, api: Api) -> None:
        body = {"kind": "SelfSubjectReview", "apiVersion": "authentication.k8s.io/v1", "metadata": {}}
        info = api.post(WHO, body)["status"]["userInfo"]
        assert info == {"username": "system:admin", "groups": ["system:masters", "system:authenticated"]}
        as_dev = {"Impersonate-Group": "team", "Impersonate-Uid": "7"}
        info = api._checked(api.ask("POST", WHO, body, user="dev", **as_dev), 201)["status"]["userInfo"]
        assert info == {"username": "dev", "uid": "7", "groups": ["team", "system:authenticated"]}

    def test_the_caller_as_a_user_of_openshift(self, api: Api) -> None:
        found = api.get("/apis/user.openshift.io/v1/users/~")
        assert found["metadata"]["name"] == "system:admin"
        assert found["groups"] == ["system:masters"]
        assert found["identities"] is None
        assert api.get("/apis/user.openshift.io/v1/users/system:admin", 404)["message"] == (
            'users.user.openshift.io "system:admin" not found'
        )

    def test_nobody_in_particular_is_not_told(self, api: Api) -> None:
        refused = api.post(WHO, {}, 403, user="system:anonymous")
        assert 'User "system:anonymous" cannot create resource "selfsubjectreviews"' in refused["message"]

    def test_another_kind_is_refused(self, api: Api) -> None:
        assert 'no kind "Pod" is registered' in api.post(WHO, {"kind": "Pod"}, 400)["message"]


class TestWhatMayIDo:
    def test_as_the_rules_say(self, api: Api) -> None:
        assert may(api, "", "delete", "images") == {"allowed": True, "reason": "administrator"}
        assert may(api, "dev", "get", "imagestreams", "test") == {
            "allowed": True,
            "reason": "allowed by access.yaml rules[0]",
        }
        assert may(api, "dev", "get", "imagestreams", "test", sub="layers")["allowed"] is True
        assert may(api, "dev", "get", "imagestreams", "test", sub="secrets")["allowed"] is False
        assert may(api, "dev", "get", "imagestreams", "other")["allowed"] is False
        assert may(api, "dev", "get", "imagestreams")["allowed"] is False
        assert may(api, "dev", "*", "*", "test")["allowed"] is False

    def test_every_answer_is_what_the_request_itself_gets(self, api: Api) -> None:
        for user, namespace in (("dev", "test"), ("dev", "default"), ("other", "test")):
            allowed = may(api, user, "list", "imagestreams", namespace)["allowed"]
            code = api.ask("GET", f"namespaces/{namespace}/imagestreams", user=user).status_code
            assert code == (200 if allowed else 403)

    def test_reviews_of_other_users_need_a_right(self, api: Api) -> None:
        spec = {"resourceAttributes": {"verb": "get", "group": "image.openshift.io", "resource": "imagestreams"}}
        here = {**spec["resourceAttributes"], "namespace": "test"}
        asked = {"spec": {"user": "dev", "resourceAttributes": here}}
        local = f"{REVIEWS}/namespaces/test/localsubjectaccessreviews"
        assert api.post(f"{REVIEWS}/subjectaccessreviews", asked)["status"]["allowed"] is True
        assert api.post(local, asked)["status"]["allowed"] is True
        api.post(f"{REVIEWS}/subjectaccessreviews", asked, 403, user="dev")
        api.post(local, asked, 403, user="dev")
        assert api.post(local, {"spec": {**spec, "user": "dev"}}, 400)["message"] == (
            "spec.resourceAttributes.namespace must match namespace: test"
        )
        group = {"spec": {"groups": ["system:masters"], "resourceAttributes": here}}
        assert api.post(f"{REVIEWS}/subjectaccessreviews", group)["status"]["allowed"] is True

    @pytest.mark.parametrize(
        "resource, spec, message",
        [
            ("selfsubjectaccessreviews", {}, "exactly one of nonResourceAttributes or resourceAttributes"),
            ("subjectaccessreviews", {"resourceAttributes": {}}, "at least one of user or group must be specified"),
            (
                "selfsubjectaccessreviews",
                {"resourceAttributes": {}, "nonResourceAttributes": {}},
                "cannot be specified in combination with resourceAttributes",
            ),
            (
                "namespaces/test/localsubjectaccessreviews",
                {"user": "dev", "nonResourceAttributes": {"path": "/"}},
                "disallowed on this kind of request",
            ),
        ],
    )
    def test_reviews_that_ask_for_nothing(self, api: Api, resource: str, spec: Any, message: str) -> None:
        assert message in api.post(f"{REVIEWS}/{resource}", {"spec": spec}, 422)["message"]

    def test_fields_of_other_types_are_refused(self, api: Api) -> None:
        spec: Any
        for spec in ([], {"resourceAttributes": []}, {"resourceAttributes": {"verb": 1}}):
            api.post(f"{REVIEWS}/selfsubjectaccessreviews", {"spec": spec}, 400)
        for spec in ({"user": "a", "groups": "b"}, {"user": "a", "extra": {"k": "v"}}):
            asked = {"spec": {**spec, "resourceAttributes": {}}}
            api.post(f"{REVIEWS}/subjectaccessreviews", asked, 400)

    def test_all_rights_of_a_namespace(self, api: Api) -> None:
        path = f"{REVIEWS}/selfsubjectrulesreviews"
        status = api.post(path, {"spec": {"namespace": "test"}}, user="dev")["status"]
        assert status["incomplete"] is False
        assert {
            "verbs": ["create", "get", "list"],
            "apiGroups": ["image.openshift.io"],
            "resources": ["imagestreams", "imagestreams/layers"],
        } in status["resourceRules"]
        elsewhere = api.post(path, {"spec": {"namespace": "default"}}, user="dev")["status"]["resourceRules"]
        assert all("imagestreams" not in rule["resources"] for rule in elsewhere)
        everything = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}
        assert everything in api.post(path, {"spec": {"namespace": "test"}})["status"]["resourceRules"]
        assert api.post(path, {"spec": {}}, 400)["message"] == "no namespace on request"


class TestProjects:
    def test_a_request_makes_a_namespace_with_its_accounts(self, api: Api) -> None:
        assert api.get(REQUESTS)["status"] == "Success"
        body = {"metadata": {"name": "mine"}, "displayName": "Mine", "description": "of mine"}
        made = api.post(REQUESTS, body)
        assert (made["kind"], made["apiVersion"]) == ("Project", "project.openshift.io/v1")
        assert made["metadata"]["annotations"] == {
            "openshift.io/description": "of mine",
            "openshift.io/display-name": "Mine",
            "openshift.io/requester": "system:admin",
        }
        assert api.get("/api/v1/namespaces/mine")["metadata"]["uid"] == made["metadata"]["uid"]
        accounts = api.get("/api/v1/namespaces/mine/serviceaccounts")["items"]
        assert [each["metadata"]["name"] for each in accounts] == ["builder", "default", "deployer"]
        assert api.post(REQUESTS, body, 409)["message"] == 'project.project.openshift.io "mine" already exists'

    def test_dry_run_makes_nothing(self, api: Api) -> None:
        api.post(f"{REQUESTS}?dryRun=All", {"metadata": {"name": "mine"}})
        api.get(f"{PROJECTS}/mine", 404)
        assert api.get("/api/v1/namespaces/mine/serviceaccounts")["items"] == []

    @pytest.mark.parametrize("name", ["openshift", "kube", "openshift-x", "kube-system"])
    def test_names_of_the_platform(self, api: Api, name: str) -> None:
        assert "cannot request a project" in api.post(REQUESTS, {"metadata": {"name": name}}, 403)["message"]

    def test_who_may_request_one(self, api: Api) -> None:
        assert api.ask("GET", REQUESTS, user="dev").json == {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": "You may not request a new project via this API.",
            "reason": "Forbidden",
            "details": {"group": "project.openshift.io", "kind": "projectrequest"},
            "code": 403,
        }
        api.post(REQUESTS, {"metadata": {"name": "theirs"}}, 403, user="dev")
        founder = {"Impersonate-Group": "founders"}
        assert api._checked(api.ask("GET", REQUESTS, user="jo", **founder), 200)["status"] == "Success"
        made = api._checked(api.ask("POST", REQUESTS, {"metadata": {"name": "theirs"}}, user="jo", **founder), 201)
        assert made["metadata"]["annotations"]["openshift.io/requester"] == "jo"

    def test_users_see_the_projects_that_they_may_get(self, api: Api) -> None:
        def names(user: str) -> list[str]:
            return [
                each["metadata"]["name"] for each in api._checked(api.ask("GET", PROJECTS, user=user), 200)["items"]
            ]

        assert names("") == ["default", "openshift", "test"]
        assert names("dev") == ["test"]
        assert names("other") == []
        assert api.ask("GET", f"{PROJECTS}/test", user="dev").status_code == 200
        assert api.ask("GET", f"{PROJECTS}/default", user="dev").status_code == 403
        assert api.ask("DELETE", f"{PROJECTS}/test", user="dev").status_code == 403
        assert api.ask("GET", f"{PROJECTS}?watch=1", user="dev").status_code == 403

    def test_a_project_is_its_namespace(self, api: Api) -> None:
        patched = api.patch(f"{PROJECTS}/test", {"metadata": {"labels": {"a": "b"}}})
        assert patched["kind"] == "Project"
        stored = api.get("/api/v1/namespaces/test")
        assert stored["kind"] == "Namespace"
        assert stored["metadata"]["labels"] == {"a": "b", "kubernetes.io/metadata.name": "test"}
        api.post("/api/v1/namespaces/test/configmaps", {"metadata": {"name": "inside"}})
        api.delete(f"{PROJECTS}/test")
        api.get("/api/v1/namespaces/test", 404)
        api.get("/api/v1/namespaces/test/configmaps/inside", 404)
        assert api.get("/api/v1/namespaces/test/serviceaccounts")["items"] == []
        assert api.get(f"{PROJECTS}/test", 404)["message"] == 'projects.project.openshift.io "test" not found'
        for name in ("default", "openshift"):
            assert "may not be deleted" in api.delete(f"{PROJECTS}/{name}", 403)["message"]

    def test_a_watch_shows_projects(self, api: Api) -> None:
        query = "watch=1&resourceVersion=0&timeoutSeconds=1"
        text = api.ask("GET", f"{PROJECTS}?{query}").get_data(as_text=True)
        assert text.count('"kind":"Project"') == 3
        assert "Namespace" not in text


def test_namespaces_of_an_older_store_get_their_accounts(api: Api) -> None:
    for name in ("builder", "default", "deployer"):
        api.delete(f"/api/v1/namespaces/test/serviceaccounts/{name}")
    api.api.ensure_namespaces()
    assert len(api.get("/api/v1/namespaces/test/serviceaccounts")["items"]) == 3


def test_a_pull_secret_is_linked_to_an_account(api: Api) -> None:
    """``oc secrets link default pull --for=pull``: an update of the account as a whole."""
    path = "/api/v1/namespaces/test/serviceaccounts/default"
    account = api.get(path)
    linked = api.put(path, {**account, "imagePullSecrets": [{"name": "pull"}]})
    assert linked["imagePullSecrets"] == [{"name": "pull"}]


def test_kubectl(api: Api, tmp_path: Path) -> None:
    with served(api.app) as url:
        kubectl = Kubectl(tmp_path)
        kubectl.use(url, namespace="test")
        whoami = kubectl.json("auth", "whoami")
        assert whoami["status"]["userInfo"]["username"] == "system:admin"
        assert kubectl("auth", "can-i", "create", "imagestreams").stdout == "yes\n"
        refused = kubectl("auth", "can-i", "delete", "imagestreams", "--as=dev", check=False)
        assert (refused.stdout, refused.returncode) == ("no\n", 1)
        listed = kubectl("auth", "can-i", "--list", "--as=dev").stdout
        assert "imagestreams.image.openshift.io" in listed
        assert kubectl("get", "projects", "-o", "name").stdout.splitlines()[0] == "project.project.openshift.io/default"


class TestWithoutRules:
    """An empty ``accessRules`` gives nothing to anybody but administrators."""

    @pytest.fixture
    def api(self, tmp_path: Path) -> Api:
        return make_api(tmp_path / "images.db")

    @pytest.mark.parametrize(
        "method, path",
        [
            ("GET", "namespaces/default/imagestreams"),
            ("GET", "images"),
            ("POST", "namespaces/default/imagestreams"),
            ("POST", "namespaces/default/imagestreamimports"),
            ("PATCH", "images/sha256:x"),
            ("GET", "/api/v1/namespaces/default/secrets"),
            ("DELETE", "/api/v1/namespaces/default/pods"),
            ("POST", REQUESTS),
        ],
    )
    def test_nobody_else_has_rights(self, api: Api, method: str, path: str) -> None:
        assert api.ask(method, path, None if method == "GET" else {}, user="dev").status_code == 403
        groups = {"Impersonate-Group": "system:masters"}
        assert api.ask(method, path, None if method == "GET" else {}, user="dev", **groups).status_code != 403

    def test_everybody_may_ask_who_he_is(self, api: Api) -> None:
        api.post(WHO, {}, user="dev")
        assert may(api, "dev", "get", "imagestreams", "default")["allowed"] is False
        assert api._checked(api.ask("GET", PROJECTS, user="dev"), 200)["items"] == []


def test_the_right_to_tags_is_none_to_mark_images(api: Api) -> None:
    """A deny annotation on an Image is set and removed by those who may change Images."""
    mark = {"metadata": {"annotations": {"images.openshift.io/deny-execution": "true"}}}
    refused = api.ask("PATCH", "images/sha256:x", mark, user="dev", **{"Content-Type": "application/merge-patch+json"})
    assert refused.status_code == 403
    assert refused.json is not None
    assert 'cannot patch resource "images"' in refused.json["message"]


class TestWhoCan:
    """``oc adm policy who-can``."""

    GROUP = "/apis/authorization.openshift.io/v1"

    def ask(self, api: Api, place: str, fields: dict[str, Any], code: int = 201) -> Any:
        body = {"resourceAPIGroup": "image.openshift.io", "resource": "imagestreams", "verb": "get", **fields}
        local = f"/namespaces/{place}/localresourceaccessreviews" if place else "/resourceaccessreviews"
        return api.post(f"{self.GROUP}{local}", body, code)

    @pytest.mark.parametrize(
        "namespace, fields, users, groups",
        [
            ("test", {}, ["dev"], ["system:masters"]),
            ("test", {"verb": "delete"}, [], ["system:masters"]),
            ("test", {"resource": "imagestreams/layers"}, ["dev"], ["system:masters"]),
            ("test", {"resource": "imagestreams/secrets"}, [], ["system:masters"]),
            ("other", {}, [], ["system:masters"]),
            ("", {}, [], ["system:masters"]),
            ("", {"namespace": "test"}, ["dev"], ["system:masters"]),
            (
                "",
                {"resourceAPIGroup": "project.openshift.io", "resource": "projectrequests", "verb": "create"},
                [],
                ["founders", "system:masters"],
            ),
            (
                "",
                {"resourceAPIGroup": "project.openshift.io", "resource": "projects", "verb": "list"},
                [],
                ["system:authenticated", "system:masters"],
            ),
            (
                "test",
                {"resourceAPIGroup": "project.openshift.io", "resource": "projects", "resourceName": "test"},
                ["dev"],
                ["system:masters"],
            ),
        ],
    )
    def test_users_and_groups(
        self, api: Api, namespace: str, fields: dict[str, str], users: list[str], groups: list[str]
    ) -> None:
        assert self.ask(api, namespace, fields) == {
            "kind": "ResourceAccessReviewResponse",
            "apiVersion": "authorization.openshift.io/v1",
            "namespace": namespace or fields.get("namespace", ""),
            "users": users,
            "groups": groups,
            "evalutionError": "",
        }

    @pytest.mark.parametrize(
        "fields, message",
        [
            ({"verb": ""}, "verb and resource are required"),
            ({"resource": None}, "verb and resource are required"),
            ({"isNonResourceURL": True}, "paths cannot be asked for"),
            ({"verb": 7}, "LocalResourceAccessReview.verb of type string"),
            ({"resource": ["imagestreams"]}, "LocalResourceAccessReview.resource of type string"),
            ({"namespace": "other"}, "namespace must match namespace: test"),
            ({"kind": "Pod"}, "cannot be handled as a LocalResourceAccessReview"),
        ],
    )
    def test_what_cannot_be_asked(self, api: Api, fields: dict[str, Any], message: str) -> None:
        assert message in self.ask(api, "test", fields, 400)["message"]

    def test_it_needs_a_right(self, api: Api) -> None:
        path = f"{self.GROUP}/namespaces/test/localresourceaccessreviews"
        assert api.ask("POST", path, {"verb": "get", "resource": "pods"}, user="dev").status_code == 403

    def test_without_rules(self, tmp_path: Path) -> None:
        found = self.ask(make_api(tmp_path / "other.db"), "", {})
        assert (found["users"], found["groups"]) == ([], ["system:masters"])
