"""How much of one request is looked at: the work of a review is bounded, whatever is sent."""

from __future__ import annotations

import time
from typing import Any

import pytest

from imagegate.core.admission.decision import DenialCode
from imagegate.core.admission.plugin import KnownAnswers
from imagegate.core.admission.request import Phase
from imagegate.core.admission.workload import (
    DOCKERFILE_MAX_CHARACTERS,
    IMAGES_MAX,
    NAME_MAX_CHARACTERS,
    Extent,
    InvalidObject,
    pod_images,
)
from imagegate.core.always_pull import AlwaysPullPlugin
from imagegate.core.enforcement.workload import read_workload
from imagegate.core.image_policy.behaviour import Behaviour, openshift_4
from tests.support.image_policy_setup import NOW, PolicySetup, request_for

POLICY = """
kind: ImagePolicyConfig
apiVersion: v1
resolveImages: DoNotAttempt
executionRules:
- {name: no-evil, reject: true, matchRegistries: [evil.example], onResources: [{resource: pods}, {resource: builds}]}
"""
TOO_MANY = f"more than {IMAGES_MAX:,} images to look at in one request"


def pod(*groups: tuple[str, int]) -> dict[str, Any]:
    """A pod with so many entries in each list."""
    spec: dict[str, Any] = {}
    for group, count in groups:
        image = {"image": {"reference": "a:1"}} if group == "volumes" else {"image": "a:1"}
        spec[group] = [{"name": f"{group[0]}{n}", **image} for n in range(count)]
    return {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "p"}, "spec": spec}


MANY = [
    [("containers", IMAGES_MAX + 1)],
    [("initContainers", IMAGES_MAX), ("containers", 1)],
    [("containers", 1), ("volumes", IMAGES_MAX)],
]


@pytest.mark.parametrize("phase", list(Phase))
@pytest.mark.parametrize("behaviour", [Behaviour(), openshift_4()], ids=["documented", "openshift-4"])
@pytest.mark.parametrize("groups", MANY[:2])
def test_too_many_images_are_denied(groups: list[tuple[str, int]], behaviour: Behaviour, phase: Phase) -> None:
    decision = PolicySetup(POLICY, behaviour).decide(request_for(pod(*groups), phase=phase))
    assert [(denial.code, denial.because) for denial in decision.denials] == [(DenialCode.INVALID_OBJECT, TOO_MANY)]
    assert PolicySetup(POLICY, behaviour).decide(request_for(pod(("containers", IMAGES_MAX)), phase=phase)).allowed


@pytest.mark.parametrize("groups", MANY)
def test_always_pull_and_image_enforcement_have_the_same_limit(groups: list[tuple[str, int]]) -> None:
    asked = request_for(pod(*groups))
    decision = AlwaysPullPlugin().decide(asked, KnownAnswers(), now=NOW)
    assert [denial.because for denial in decision.denials] == [TOO_MANY]
    with pytest.raises(InvalidObject, match="more than 10,000"):
        read_workload(asked)
    assert len(read_workload(request_for(pod(("containers", IMAGES_MAX)))).uses) == IMAGES_MAX


def test_images_that_stay_do_not_count() -> None:
    """What is stored already can be labelled and deleted, however large it is."""
    large = pod(("containers", IMAGES_MAX + 1))
    for phase in Phase:
        asked = request_for(large, operation="UPDATE", old=large, phase=phase)
        assert PolicySetup(POLICY, Behaviour()).decide(asked).allowed
        assert AlwaysPullPlugin().decide(asked, KnownAnswers(), now=NOW).allowed
        assert read_workload(asked).unchanged


def test_many_ephemeral_containers_are_not_compared_one_by_one() -> None:
    """That took seconds, and four times as long for twice as many."""
    old, new = pod(("ephemeralContainers", IMAGES_MAX)), pod(("ephemeralContainers", IMAGES_MAX))
    for container in new["spec"]["ephemeralContainers"]:
        container["image"] = "b:1"
    started = time.process_time()
    workload = read_workload(request_for(new, operation="UPDATE", old=old, sub_resource="ephemeralcontainers"))
    assert time.process_time() - started < 3
    assert len(workload.uses) == IMAGES_MAX


def test_volumes_without_images_do_not_count() -> None:
    large = pod(("containers", 1))
    large["spec"]["volumes"] = [{"name": f"v{n}"} for n in range(IMAGES_MAX + 1)]
    assert PolicySetup(POLICY, Behaviour()).decide(request_for(large)).allowed


def test_long_names_are_counted_altogether() -> None:
    """Each of them takes a while to be refused."""
    few, many = pod(("containers", 64)), pod(("containers", 65))
    for container in (*few["spec"]["containers"], *many["spec"]["containers"]):
        container["image"] = "a/" * (NAME_MAX_CHARACTERS // 2)
    scene = PolicySetup(POLICY, Behaviour())
    assert len(scene.decide(request_for(few)).denials) == 64
    assert [denial.because for denial in scene.decide(request_for(many)).denials] == [
        "names of images longer than 1,048,576 characters altogether"
    ]
    with pytest.raises(InvalidObject, match="altogether"):
        read_workload(request_for(many))
    assert scene.decide(request_for(many, operation="UPDATE", old=many)).allowed


@pytest.mark.parametrize("text", ["a", "a/", "a.", "a@sha256:", "evil.example/", "é"])
def test_no_more_than_the_beginning_of_a_name_is_read(text: str) -> None:
    """Longer than any reference can be: what is left is none either, so nothing is let in by cutting."""
    long = text * 1_000_000
    spec = {"containers": [{"name": "c", "image": long}], "volumes": [{"name": "v", "image": {"reference": long}}]}
    names = [use.name for use in pod_images(spec, "spec", Extent())]
    assert names == [long[:NAME_MAX_CHARACTERS]] * 2
    document = {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "p"}, "spec": spec}
    decision = PolicySetup(POLICY, Behaviour()).decide(request_for(document))
    assert {denial.code for denial in decision.denials} == {DenialCode.INVALID_IMAGE_NAME}


@pytest.mark.parametrize("space", [" ", "\n", "\u3000"])
def test_a_name_behind_much_space_is_not_blank(space: str) -> None:
    """A blank image passes, for something else to fill it in."""
    document = pod(("containers", 1))
    document["spec"]["containers"][0]["image"] = space * 1_000_000 + "good.example/x:1"
    decision = PolicySetup(POLICY, Behaviour()).decide(request_for(document))
    assert [denial.code for denial in decision.denials] == [DenialCode.INVALID_IMAGE_NAME]
    document["spec"]["containers"][0]["image"] = space * 1_000_000
    assert PolicySetup(POLICY, Behaviour()).decide(request_for(document)).allowed


def build(dockerfile: str) -> dict[str, Any]:
    spec = {"source": {"dockerfile": dockerfile}, "strategy": {"dockerStrategy": {}}}
    return {"kind": "Build", "apiVersion": "build.openshift.io/v1", "metadata": {"name": "b"}, "spec": spec}


def test_a_dockerfile_that_is_too_long_is_not_read() -> None:
    fits = "FROM a\n".ljust(DOCKERFILE_MAX_CHARACTERS, "\n")
    scene = PolicySetup(POLICY, Behaviour())
    assert scene.decide(request_for(build(fits))).allowed
    decision = scene.decide(request_for(build(fits + "\n")))
    (denial,) = decision.denials
    assert denial.because == (
        "this image is prohibited by policy: the image cannot be known before the build: a Dockerfile of more "
        "than 131,072 characters is not read (the whole)"
    )
    large = build(fits + "\n")
    assert scene.decide(request_for(large, operation="UPDATE", old=large)).allowed


def test_a_dockerfile_with_too_many_images_is_denied() -> None:
    text = "".join(f"FROM a{n}\n" for n in range(IMAGES_MAX + 1))
    assert len(text) < DOCKERFILE_MAX_CHARACTERS
    decision = PolicySetup(POLICY, Behaviour()).decide(request_for(build(text)))
    assert [denial.because for denial in decision.denials] == [TOO_MANY]
