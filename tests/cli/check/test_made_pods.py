"""``check`` judges the Pods that objects make: what the cluster will refuse is not green."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.commands import Command

GOOD, BAD = "docker.io/library/nginx:1", "quay.io/evil/tool:1"
PODS_ONLY = """
kind: ImagePolicyConfig
apiVersion: v1
executionRules:
- name: hub
  onResources: [{resource: pods}]
  matchRegistries: [docker.io]
resolutionRules: []
"""
POLICY = """
apiVersion: portieris.cloud.ibm.com/v1
kind: ClusterImagePolicy
metadata: {name: default}
spec: {repositories: [{name: "docker.io/*"}]}
"""


def holder(api_version: str, kind: str, image: str, *path: str) -> dict[str, Any]:
    """An object of a kind whose pod template is at ``path``."""
    value: dict[str, Any] = {"spec": {"containers": [{"name": "a", "image": image}]}}
    for name in reversed(path):
        value = {name: value}
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": "x"}, **value}


KINDS = [
    ("apps/v1", "Deployment", "spec", "template"),
    ("apps/v1", "ReplicaSet", "spec", "template"),
    ("apps/v1", "StatefulSet", "spec", "template"),
    ("apps/v1", "DaemonSet", "spec", "template"),
    ("batch/v1", "Job", "spec", "template"),
    ("batch/v1", "CronJob", "spec", "jobTemplate", "spec", "template"),
    ("v1", "ReplicationController", "spec", "template"),
    ("v1", "PodTemplate", "template"),
    ("apps.openshift.io/v1", "DeploymentConfig", "spec", "template"),
]


class Checks:
    """Writes policies and objects, and checks them."""

    def __init__(self, imagegate: Command, folder: Path) -> None:
        self._imagegate = imagegate
        self._folder = folder

    def __call__(self, option: str, policy: str, document: dict[str, Any], *options: str) -> tuple[int, dict[str, Any]]:
        """Exit code and the one result."""
        (self._folder / "policy.yaml").write_text(policy)
        (self._folder / "object.yaml").write_text(yaml.safe_dump(document))
        ran = self._imagegate(
            "check", option, self._folder / "policy.yaml", "-o", "json", *options, self._folder / "object.yaml"
        )
        (result,) = json.loads(ran.out)["results"]
        return ran.code, result


@pytest.fixture
def checks(imagegate: Command, tmp_path: Path) -> Checks:
    return Checks(imagegate, tmp_path)


@pytest.mark.parametrize("option, policy", [("--config", PODS_ONLY), ("--policies", POLICY)])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind[1])
def test_every_kind(checks: Checks, kind: tuple[str, ...], option: str, policy: str) -> None:
    code, result = checks(option, policy, holder(*kind[:2], BAD, *kind[2:]))
    assert (code, result["verdict"]) == (1, "denied")
    (problem,) = result["problems"]
    assert problem["at"] == ".".join([*kind[2:], "spec.containers[0].image"])
    assert problem["image"] == BAD
    assert checks(option, policy, holder(*kind[:2], GOOD, *kind[2:]))[0] == 0


def test_without_templates_only_the_object_counts(checks: Checks) -> None:
    document = holder(*KINDS[0][:2], BAD, *KINDS[0][2:])
    code, result = checks("--config", PODS_ONLY, document, "--no-templates")
    assert (code, result["verdict"]) == (0, "not covered")
    assert checks("--config", PODS_ONLY, document, "--templates")[0] == 1


def test_openshift_4_does_not_look_at_what_controllers_make(checks: Checks) -> None:
    policy = PODS_ONLY.replace("apiVersion: v1", "apiVersion: image.openshift.io/v1")
    document = holder(*KINDS[0][:2], BAD, *KINDS[0][2:])
    assert checks("--config", policy, document, "--profile", "openshift-4")[1]["verdict"] == "not covered"


def test_a_rule_that_only_warns_warns_of_the_pods(checks: Checks) -> None:
    policy = PODS_ONLY.replace("- name: hub", "- name: hub\n  reject: true\n  mode: warn")
    code, result = checks("--config", policy, holder(*KINDS[0][:2], GOOD, *KINDS[0][2:]))
    assert (code, result["verdict"]) == (0, "allowed")
    (warning,) = result["warnings"]
    assert "hub" in warning
    assert warning.endswith("(said of the Pod that this object makes)")
    assert checks("--config", policy, holder(*KINDS[0][:2], BAD, *KINDS[0][2:]))[1]["warnings"] == []


def test_one_image_is_denied_once(checks: Checks) -> None:
    both = PODS_ONLY.replace("[{resource: pods}]", "[{resource: pods}, {group: apps, resource: deployments}]")
    _, result = checks("--config", both, holder(*KINDS[0][:2], BAD, *KINDS[0][2:]))
    assert len(result["problems"]) == 1
    assert "decided as the Pod" not in result["problems"][0]["because"]


TRIGGER = {"type": "ImageChange", "imageChangeParams": {"containerNames": ["a"], "from": {"name": "app:latest"}}}


@pytest.mark.parametrize("image", ["", " "])
def test_a_blank_image_that_a_trigger_fills_in(checks: Checks, image: str) -> None:
    document = holder("apps.openshift.io/v1", "DeploymentConfig", image, "spec", "template")
    document["spec"]["triggers"] = [{"type": "ConfigChange"}, TRIGGER]
    assert checks("--config", PODS_ONLY, document)[0] == 0
    document["spec"]["template"]["spec"]["containers"].append({"name": "b", "image": BAD})
    assert checks("--config", PODS_ONLY, document)[0] == 1


@pytest.mark.parametrize("triggers", [None, "x", [None], [{}], [{"imageChangeParams": []}]])
def test_triggers_of_any_shape(checks: Checks, triggers: Any) -> None:
    document = holder("apps.openshift.io/v1", "DeploymentConfig", BAD, "spec", "template")
    document["spec"]["triggers"] = triggers
    assert checks("--config", PODS_ONLY, document)[0] == 1


@pytest.mark.parametrize("spec", [{}, {"template": None}, {"template": {"spec": None}}])
def test_an_object_without_a_template_makes_no_pods(checks: Checks, spec: dict[str, Any]) -> None:
    document = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x"}, "spec": spec}
    assert checks("--config", PODS_ONLY, document)[1]["verdict"] == "not covered"


def test_a_template_that_is_none_is_an_error(imagegate: Command, tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(PODS_ONLY)
    file = tmp_path / "object.yaml"
    file.write_text("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\nspec: {template: {spec: [1]}}\n")
    ran = imagegate("check", "--config", tmp_path / "policy.yaml", file)
    assert ran.code == 2
    assert f"imagegate: {file}:1: spec.template.spec: expected a pod spec" in ran.err


class TestWildcardResource:
    """``resource: "*"`` in rules reaches what can hold images."""

    POLICY = """
kind: ImagePolicyConfig
apiVersion: v1
executionRules:
- name: flagged
  reject: true
  onResources: [{resource: "*"}]
  matchImageAnnotations: [{key: a, value: b}]
  skipOnResolutionFailure: true
resolutionRules:
- targetResource: {resource: "*"}
  localNames: true
  policy: AttemptRewrite
"""

    @pytest.mark.parametrize("kind", ["ConfigMap", "Service", "Secret", "Namespace", "Event", "Widget"])
    def test_objects_that_hold_no_images(self, checks: Checks, kind: str) -> None:
        document = {"apiVersion": "v1", "kind": kind, "metadata": {"name": "x"}}
        assert checks("--config", self.POLICY, document)[1]["verdict"] == "not covered"

    def test_pods(self, checks: Checks) -> None:
        document = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "x"},
            "spec": {"containers": [{"name": "a", "image": GOOD}]},
        }
        assert checks("--config", self.POLICY, document)[1]["verdict"] == "allowed"


@pytest.mark.parametrize("option, policy", [("--config", PODS_ONLY), ("--policies", POLICY)])
def test_every_fault_of_an_object_is_named_at_its_line(checks: Checks, option: str, policy: str) -> None:
    containers = [{"name": "a", "image": GOOD}, "b", {"name": "c", "image": 3}]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": {"containers": containers}}
    code, result = checks(option, policy, pod)
    assert (code, result["verdict"]) == (1, "denied")
    assert [(each["code"], each["at"], each["because"]) for each in result["problems"]] == [
        ("invalid-object", "spec.containers[1]", "expected an object, got str"),
        ("invalid-object", "spec.containers[2].image", "expected a string, got int"),
    ]
    lines = [each["line"] for each in result["problems"]]
    assert lines == sorted(set(lines))
    assert lines[0] > 1
