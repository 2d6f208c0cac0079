"""The image policy in profile documented: the walk-through, worked cases, and every safer choice that is on."""

from __future__ import annotations

from typing import Any

import pytest

from imagegate.core.admission.decision import Decision
from imagegate.core.admission.request import AdmissionRequest, Phase
from imagegate.core.admission.workload import BUILDS, WORKLOADS, Extent, build_images, dig, pod_images
from imagegate.core.image_policy.behaviour import Behaviour, ControllerOwned, NamespaceOverride
from tests.support.image_policy_setup import PolicySetup, request_for, review_of
from tests.support.vectors import vectors

CHOICES = {"controller_owned": ControllerOwned, "namespace_override": NamespaceOverride}
SETS = ("trusted_controllers", "exempt_namespaces", "exempt_service_accounts")


def behaviour(given: dict[str, Any]) -> Behaviour:
    """The documented profile with the case's settings."""
    settings = dict(given.get("settings", {}))
    for name, kind in CHOICES.items():
        if name in settings:
            settings[name] = kind(settings[name])
    for name in SETS:
        if name in settings:
            settings[name] = frozenset(settings[name])
    return Behaviour(integrated_registries=tuple(given.get("integrated", ())), **settings)


def world(given: dict[str, Any]) -> PolicySetup:
    """The policy and the objects of a case."""
    return PolicySetup(
        given["policy"],
        behaviour(given),
        given.get("objects", []),
        frozenset((user, namespace) for user, namespace in given.get("mayUse", ())),
        frozenset(given.get("failing", ())),
    )


def pod(images: str | list[str], **metadata: Any) -> dict[str, Any]:
    """A pod with these images in containers c0, c1, ..."""
    names = [images] if isinstance(images, str) else images
    containers = [{"name": f"c{index}", "image": name} for index, name in enumerate(names)]
    return {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {"name": "p", **metadata},
        "spec": {"containers": containers},
    }


def request(given: dict[str, Any]) -> AdmissionRequest:
    """The request of a case."""
    document = given["object"] if "object" in given else pod(given["pod"], **given.get("metadata", {}))
    old = given.get("old")
    return request_for(
        document,
        operation="UPDATE" if old is not None else "CREATE",
        old=pod(old) if isinstance(old, (str, list)) else old,
        user=given.get("user", "alice"),
        sub_resource=given.get("subResource", ""),
    )


def images(document: dict[str, Any], asked: AdmissionRequest) -> list[str]:
    """Every image of the object, in order."""
    if asked.kind in BUILDS:
        return [use.name for use in build_images(document["spec"])]
    spec = dig(document, WORKLOADS[asked.kind].pod_spec)
    return [use.name for use in pod_images(spec or {}, "", Extent())]


def texts(decision: Decision) -> list[str]:
    """Every denial as ``FIELD: TEXT``."""
    return [f"{denial.at}: {denial.because}" for denial in decision.denials]


@pytest.mark.parametrize("given, expect", vectors("image_policy"))
def test_vector(given: dict[str, Any], expect: dict[str, Any]) -> None:
    asked = request(given)
    scene = world(given)
    mutated, left, validated = scene.both_passes(asked)
    if "denied" in expect:
        assert texts(mutated) == expect["denied"]
        assert mutated.status is not None
        assert mutated.status.code == expect.get("code", 422)
        # what the mutating pass denies, the validating pass denies in the same words
        assert texts(scene.decide(request_for_validation(asked))) == expect["denied"]
        return
    assert mutated.allowed, texts(mutated)
    assert left is not None
    assert images(left, asked) == expect["images"]
    assert validated is not None
    assert validated.allowed, texts(validated)
    assert list(mutated.warnings) == expect.get("warnings", [])
    assert mutated.annotations == expect.get("annotations", {})


def request_for_validation(asked: AdmissionRequest) -> AdmissionRequest:
    """The same request in the validating pass, as if nothing had mutated it."""
    return review_of(asked, dict(asked.object or {}), Phase.VALIDATE)
