"""``buildconfigs/NAME/instantiate``: Builds are made, and admitted."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.image_api import Api

BASE = "/apis/build.openshift.io/v1/namespaces/test"
CONFIG = f"{BASE}/buildconfigs/x"
ALLOWED = "docker.io/library/busybox:1"
REQUEST = {"metadata": {"name": "x"}}


def configured(api: Api, image: str = ALLOWED, **fields: Any) -> dict[str, Any]:
    strategy = {
        "dockerStrategy": {"from": {"kind": "DockerImage", "name": image}, "env": [{"name": "A", "value": "1"}]}
    }
    spec = {"strategy": strategy, "source": {"git": {"uri": "https://git.example.com/a.git"}}, **fields}
    body = {"metadata": {"name": "x", "labels": {"team": "a"}}, "spec": spec}
    found: dict[str, Any] = api.post(f"{BASE}/buildconfigs", body)
    return found


def instantiated(api: Api, body: dict[str, Any] | None = None, code: int = 201, query: str = "") -> Any:
    return api.post(f"{CONFIG}/instantiate{query}", {**REQUEST, **(body or {})}, code)


def test_builds_are_numbered(api: Api) -> None:
    config = configured(api)
    first, second = instantiated(api), instantiated(api)
    assert [each["metadata"]["name"] for each in (first, second)] == ["x-1", "x-2"]
    assert first["metadata"]["labels"] == {
        "team": "a",
        "buildconfig": "x",
        "openshift.io/build-config.name": "x",
        "openshift.io/build.start-policy": "Serial",
    }
    assert first["metadata"]["annotations"] == {
        "openshift.io/build-config.name": "x",
        "openshift.io/build.number": "1",
    }
    (owner,) = first["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"], owner["controller"]) == ("BuildConfig", config["metadata"]["uid"], True)
    assert first["spec"]["triggeredBy"] == [{"message": "Manually triggered"}]
    assert first["spec"]["serviceAccount"] == "builder"
    assert first["status"]["phase"] == "New"
    assert api.get(CONFIG)["status"]["lastVersion"] == 2
    assert api.get(f"{BASE}/builds/x-2")["spec"]["strategy"] == config["spec"]["strategy"]


def test_a_dry_run_writes_nothing(api: Api) -> None:
    configured(api)
    assert instantiated(api, query="?dryRun=All")["metadata"]["name"] == "x-1"
    assert api.get(CONFIG)["status"]["lastVersion"] == 0
    api.get(f"{BASE}/builds/x-1", 404)


def test_options(api: Api) -> None:
    configured(api)
    options = {"buildArgs": [{"name": "V", "value": "2"}], "noCache": True}
    variables = [{"name": "A", "value": "2"}, {"name": "B", "value": "3"}]
    built = instantiated(api, {"env": variables, "dockerStrategyOptions": options, "binary": {"asFile": "Dockerfile"}})
    strategy = built["spec"]["strategy"]["dockerStrategy"]
    assert (strategy["env"], strategy["buildArgs"], strategy["noCache"]) == (variables, options["buildArgs"], True)
    assert built["spec"]["source"]["binary"] == {"asFile": "Dockerfile"}
    assert "git" not in built["spec"]["source"]
    marked = instantiated(api, {"metadata": {"name": "x", "labels": {"own": "1", "team": "b"}}, "lastVersion": 1})
    assert (marked["metadata"]["labels"]["own"], marked["metadata"]["labels"]["team"]) == ("1", "a")


@pytest.mark.parametrize(
    "body, code, why",
    [
        ({"lastVersion": 7}, 400, "the LastVersion(0) on build config test/x does not match the build request"),
        ({"sourceStrategyOptions": {"incremental": True}}, 400, "not a Source build"),
        ({"triggeredByImage": {"kind": "DockerImage", "name": "a"}}, 400, "triggers, which a dry cluster has not"),
        ({"metadata": {"name": "y"}}, 400, "does not match the name on the URL"),
        ({"kind": "Build", "apiVersion": "build.openshift.io/v1"}, 400, "cannot be handled as a BuildRequest"),
        ({"env": "none"}, 400, "cannot unmarshal string"),
    ],
)
def test_what_is_refused(api: Api, body: dict[str, Any], code: int, why: str) -> None:
    configured(api)
    assert why in instantiated(api, body, code)["message"]
    assert api.get(CONFIG)["status"]["lastVersion"] == 0


def test_none_that_is_paused_or_missing(api: Api) -> None:
    instantiated(api, code=404)
    configured(api)
    api.patch(CONFIG, {"metadata": {"annotations": {"openshift.io/build-config.paused": "True"}}})
    assert "BuildConfig is paused" in instantiated(api, code=400)["message"]


def test_it_needs_a_right_of_its_own(api: Api) -> None:
    configured(api)
    refused = api._checked(api.ask("POST", f"{CONFIG}/instantiate", REQUEST, user="developer"), 403)
    assert 'cannot create resource "buildconfigs/instantiate"' in refused["message"]


def test_a_build_is_admitted_like_any_other(api: Api) -> None:
    configured(api, "other.example.com/a:1")
    direct = {"metadata": {"name": "direct"}, "spec": api.get(CONFIG)["spec"]}
    refused = api.post(f"{BASE}/builds", direct, 422)
    assert "this image is prohibited by policy" in refused["message"]
    assert instantiated(api, code=422)["message"].replace("x-1", "direct") == refused["message"]
    assert api.get(f"{BASE}/builds")["items"] == []
