"""Images in the inline Dockerfile of a build, and the one that deploys a deployment config."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from imagegate.core.admission.decision import Decision, DenialCode
from imagegate.core.admission.request import Phase
from imagegate.core.admission.workload import InvalidObject, build_images, deployer_images
from imagegate.core.image_policy.behaviour import Behaviour, openshift_4
from tests.support.image_policy_setup import PolicySetup, request_for

BUILDS = "[{group: build.openshift.io, resource: builds}, {group: build.openshift.io, resource: buildconfigs}]"
HUB = f"""
kind: ImagePolicyConfig
apiVersion: v1
executionRules:
- {{name: hub, matchRegistries: [docker.io], onResources: {BUILDS}}}
"""
REJECTING = f"""
kind: ImagePolicyConfig
apiVersion: v1
executionRules:
- {{name: no-evil, reject: true, matchRegistries: [evil.com], onResources: {BUILDS}}}
"""
ANYTHING = f"""
kind: ImagePolicyConfig
apiVersion: v1
executionRules:
- {{name: anything, onResources: {BUILDS}}}
"""
REQUIRED = f"""
kind: ImagePolicyConfig
apiVersion: v1
resolveImages: Required
executionRules:
- {{name: anything, onResources: {BUILDS}}}
"""
KINDS = ("Build", "BuildConfig")


def build(dockerfile: str, kind: str = "Build", /, **strategy: Any) -> dict[str, Any]:
    """A build with an inline Dockerfile and the docker strategy."""
    return {
        "kind": kind,
        "apiVersion": "build.openshift.io/v1",
        "metadata": {"name": "b"},
        "spec": {
            "source": {"type": "Dockerfile", "dockerfile": dockerfile},
            "strategy": {"type": "Docker", "dockerStrategy": strategy},
        },
    }


def texts(policy: str, document: dict[str, Any], old: dict[str, Any] | None = None, **more: Any) -> list[str]:
    """The denials of both passes, which must agree."""
    scene = PolicySetup(policy, more.pop("behaviour", Behaviour()), **more)
    operation = "CREATE" if old is None else "UPDATE"
    decisions = [scene.decide(request_for(document, operation=operation, old=old, phase=phase)) for phase in Phase]
    assert decisions[0].denials == decisions[1].denials
    assert decisions[0].rewrites == ()
    return [f"{denial.at}: {denial.because}" for denial in decisions[0].denials]


def forbidden(image: str, where: str) -> str:
    registry = image.partition("/")[0]
    return (
        "spec.source.dockerfile: this image is prohibited by policy: no rule allows it (resource builds.build."
        f'openshift.io, registry "{registry}") ({where})'
    )


def test_every_image_of_a_dockerfile_is_judged() -> None:
    text = "FROM docker.io/a AS x\nFROM evil.com/x:1\nCOPY --from=evil.com/y:1 a b\nCOPY --from=x a b\n"
    assert texts(HUB, build(text)) == [
        forbidden("evil.com/x:1", "line 2: FROM"),
        forbidden("evil.com/y:1", "line 3: COPY --from"),
    ]
    assert texts(HUB, build(text.replace("evil.com", "docker.io"))) == []


@pytest.mark.parametrize("kind", KINDS)
def test_reject_rules_see_them_too(kind: str) -> None:
    assert texts(REJECTING, build("FROM evil.com/x:1", kind)) == [
        'spec.source.dockerfile: this image is prohibited by policy: rejected by rule "no-evil" (line 1: FROM)'
    ]
    assert texts(REJECTING, build("FROM good.com/x:1", kind)) == []


@pytest.mark.parametrize("kind", KINDS)
def test_the_original_does_not_see_them(kind: str) -> None:
    assert texts(HUB, build("FROM evil.com/x:1", kind), behaviour=openshift_4()) == []


@pytest.mark.parametrize("policy, denied", [(HUB, True), (REJECTING, True), (REQUIRED, True), (ANYTHING, False)])
def test_what_cannot_be_known_is_denied_where_it_matters(policy: str, *, denied: bool) -> None:
    expected = (
        "spec.source.dockerfile: this image is prohibited by policy: the image cannot be known before the "
        "build: ARG BASE has no default, and the build gives it no value (line 2: FROM)"
    )
    assert texts(policy, build("ARG BASE\nFROM ${BASE}\n")) == ([expected] if denied else [])


def test_unknown_is_told_apart_from_forbidden() -> None:
    decision = PolicySetup(HUB, Behaviour()).decide(request_for(build("FROM $A")))
    assert [denial.code for denial in decision.denials] == [DenialCode.UNRESOLVED]


def test_build_arguments_count() -> None:
    text = "ARG BASE=docker.io/a\nFROM ${BASE}\n"
    assert texts(HUB, build(text)) == []
    given = [{"name": "BASE", "value": "evil.com/x:1"}]
    assert texts(HUB, build(text, buildArgs=given)) == [forbidden("evil.com/x:1", "line 2: FROM")]
    secret = [{"name": "BASE", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]
    assert "is taken from elsewhere (valueFrom)" in texts(HUB, build(text, buildArgs=secret))[0]


def test_the_strategys_image_takes_the_place_of_the_last_from() -> None:
    """``oc new-build --dockerfile`` writes both."""
    start = {"kind": "DockerImage", "name": "docker.io/a:1"}
    one = build("FROM evil.com/x:1")
    one["spec"]["strategy"]["dockerStrategy"]["from"] = start
    assert texts(HUB, one) == []
    two = copy.deepcopy(one)
    two["spec"]["source"]["dockerfile"] += "\nFROM evil.com/y:1"
    assert texts(HUB, two) == [forbidden("evil.com/x:1", "line 1: FROM")]
    one["spec"]["strategy"]["dockerStrategy"]["from"] = {"kind": "DockerImage"}
    assert forbidden("evil.com/x:1", "line 1: FROM") in texts(HUB, one)


def test_image_sources_take_the_place_of_what_they_name() -> None:
    document = build("FROM evil.com/x:1\nCOPY --from=evil.com/y a b\n")
    source = {"from": {"kind": "DockerImage", "name": "docker.io/a:1"}, "as": ["evil.com/x:1", "evil.com/y"]}
    document["spec"]["source"]["images"] = [source]
    assert texts(HUB, document) == []
    del source["from"]["name"]  # type: ignore[attr-defined]
    assert len(texts(HUB, document)) == 3


def test_another_strategy_reads_the_dockerfile_its_own_way() -> None:
    document = build("# syntax=evil.com/x:1\nFROM docker.io/a")
    document["spec"]["strategy"] = {"customStrategy": {"from": {"kind": "DockerImage", "name": "docker.io/builder"}}}
    assert texts(HUB, document) == [forbidden("evil.com/x:1", "line 1: # syntax")]


def test_stream_names_in_a_dockerfile_are_what_a_builder_pulls() -> None:
    """``FROM app`` is no image stream to a builder, whatever stream has that name."""
    digest = "sha256:" + "1" * 64
    event = {"dockerImageReference": f"docker.io/a/b@{digest}", "image": digest, "generation": 1}
    stream = {
        "kind": "ImageStream",
        "metadata": {"name": "app", "namespace": "default"},
        "spec": {"lookupPolicy": {"local": True}},
        "status": {"tags": [{"tag": "latest", "items": [event]}]},
    }
    image = {"kind": "Image", "metadata": {"name": digest}, "dockerImageReference": f"docker.io/a/b@{digest}"}
    found = texts(HUB, build("FROM app"), objects=[stream, image])
    assert len(found) == 1
    assert "is not rewritten" in found[0]


def test_an_update_that_names_no_other_image_passes() -> None:
    old = build("# 1\nFROM evil.com/x:1\nRUN a\n", "BuildConfig")
    moved = build("FROM evil.com/x:1\nRUN b\n", "BuildConfig")
    assert texts(HUB, moved, old) == []
    added = build("FROM evil.com/x:1\nCOPY --from=evil.com/y:1 a b\n", "BuildConfig")
    assert len(texts(HUB, added, old)) == 1


def test_what_is_unknown_is_the_same_only_where_nothing_has_changed() -> None:
    old = build("FROM a AS b\nENV X=good\nCOPY --from=$X a b\n", "BuildConfig")
    labelled = copy.deepcopy(old)
    labelled["metadata"]["labels"] = {"a": "b"}
    assert texts(REJECTING, labelled, old) == []
    assert len(texts(REJECTING, build("FROM a AS b\nENV X=evil\nCOPY --from=$X a b\n", "BuildConfig"), old)) == 1


@pytest.mark.parametrize(
    "source, strategy",
    [
        ({"dockerfile": ["FROM a"]}, {}),
        ({"dockerfile": "FROM a"}, {"buildArgs": {"a": "b"}}),
        ({"dockerfile": "FROM a"}, {"buildArgs": [{"name": 1}]}),
        ({"dockerfile": "FROM a", "images": [{"as": "x", "from": {}}]}, {}),
    ],
)
def test_malformed_builds_are_refused(source: dict[str, Any], strategy: dict[str, Any]) -> None:
    spec = {"source": source, "strategy": {"dockerStrategy": strategy}}
    with pytest.raises(InvalidObject):
        list(build_images(spec))


CONFIGS = "[{group: apps.openshift.io, resource: deploymentconfigs}]"
TEAM = f"""
kind: ImagePolicyConfig
apiVersion: v1
resolveImages: AttemptRewrite
executionRules:
- {{name: hub, matchRegistries: [docker.io], onResources: {CONFIGS}}}
resolutionRules:
- {{targetResource: {{group: apps.openshift.io, resource: deploymentconfigs}}, policy: AttemptRewrite}}
"""
D1 = "sha256:" + "1" * 64


def config(deployer: Any, labels: dict[str, str] | None = None) -> dict[str, Any]:
    return {
        "kind": "DeploymentConfig",
        "apiVersion": "apps.openshift.io/v1",
        "metadata": {"name": "d", "labels": labels or {}},
        "spec": {
            "strategy": {"type": "Custom", "customParams": {"image": deployer}},
            "template": {"spec": {"containers": [{"name": "", "image": "docker.io/a/b:1"}]}},
        },
    }


class TestDeployers:
    def test_a_forbidden_one_is_denied(self) -> None:
        scene = PolicySetup(TEAM, Behaviour())
        for phase in Phase:
            decision = scene.decide(request_for(config("evil.com/x:1"), phase=phase))
            assert [denial.at for denial in decision.denials] == ["spec.strategy.customParams.image"]
        assert scene.decide(request_for(config("docker.io/x:1"))).allowed
        assert scene.decide(request_for(config(""))).allowed

    def test_the_original_does_not_see_it(self) -> None:
        assert PolicySetup(TEAM, openshift_4()).decide(request_for(config("evil.com/x:1"))).allowed

    def test_it_is_pinned(self) -> None:
        event = {"dockerImageReference": f"docker.io/a/b@{D1}", "image": D1, "generation": 1}
        stream = {
            "kind": "ImageStream",
            "metadata": {"name": "app", "namespace": "default"},
            "spec": {},
            "status": {"tags": [{"tag": "latest", "items": [event]}]},
        }
        image = {"kind": "Image", "metadata": {"name": D1}, "dockerImageReference": f"docker.io/a/b@{D1}"}
        scene = PolicySetup(TEAM, Behaviour(integrated_registries=("r.svc:5000",)), [stream, image])
        _, left, validated = scene.both_passes(request_for(config("r.svc:5000/default/app")))
        assert left is not None
        assert validated is not None
        assert validated.allowed
        assert left["spec"]["strategy"]["customParams"]["image"] == f"docker.io/a/b@{D1}"

    def test_an_older_one_may_stay(self) -> None:
        scene = PolicySetup(TEAM, Behaviour())
        old = config("evil.com/x:1")
        new = config("evil.com/x:1", {"a": "b"})
        assert scene.decide(request_for(new, operation="UPDATE", old=old)) == Decision(plugin="image-policy")
        # the image of a container without a name is no earlier deployer
        assert not scene.decide(request_for(config("evil.com/y:1"), operation="UPDATE", old=old)).allowed

    def test_a_malformed_one_is_refused(self) -> None:
        with pytest.raises(InvalidObject):
            list(deployer_images(config(["evil.com/x:1"])))
