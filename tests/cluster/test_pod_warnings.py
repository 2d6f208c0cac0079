"""kubectl shows why the Pods of an object will be refused, and the object is stored."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.control_plane import ControlPlane
from tests.cluster.test_image_policy import ALLOWED, FORBIDDEN, deployment, images_of, pod
from tests.cluster.webhooks import Hooked, hooked
from tests.support.processes import wait_until
from tests.support.service import CONFIG

CISE = """
apiVersion: securityenforcement.admission.cloud.ibm.com/v1beta1
kind: ClusterImagePolicy
metadata: {name: default}
spec: {repositories: [{name: "docker.io/*", policy: {}}]}
"""


@pytest.fixture(scope="module")
def policy(plane: ControlPlane) -> Iterator[Hooked]:
    """The policy of the documented example, which has rules for pods."""
    with tempfile.TemporaryDirectory(prefix="warned-") as name:
        options = ("--config", CONFIG / "master-config.yaml")
        with hooked(plane, "warned", Path(name), *options, paths=("/mutate", "/validate")) as found:
            yield found


@pytest.fixture(scope="module")
def enforcement(plane: ControlPlane) -> Iterator[Hooked]:
    """Image enforcement as of IBM Cloud Kubernetes Service: it looks at Pods alone."""
    with tempfile.TemporaryDirectory(prefix="warned-cise-") as name:
        folder = Path(name)
        (folder / "policy.yaml").write_text(CISE)
        (folder / "settings.yaml").write_text("policies: [policy.yaml]\ncise: {profile: cise}\n")
        options = ("--settings", folder / "settings.yaml")
        with hooked(plane, "warned-cise", folder, *options, paths=("/admit/trust", "/admit/va")) as found:
            yield found


def warning(kind: str, place: str = "spec.template.spec") -> str:
    return (
        f"Warning: image-policy would deny the Pods of this {kind}: {place}.containers[0].image: {FORBIDDEN}: this "
        'image is prohibited by policy: no rule allows it (resource pods, registry "quay.io")…'
    )  # the nearest rule does not fit


def workload(kind: str, api_version: str, name: str, image: str, **spec: Any) -> dict[str, Any]:
    document = deployment(name, image)
    document |= {"apiVersion": api_version, "kind": kind}
    document["spec"] = {**document["spec"], **spec}
    return document


JOB_TEMPLATE = {"spec": {"restartPolicy": "Never", "containers": [{"name": "first", "image": FORBIDDEN}]}}
CASES = {
    "Deployment": deployment("deployment", FORBIDDEN),
    "ReplicaSet": workload("ReplicaSet", "apps/v1", "replicaset", FORBIDDEN),
    "StatefulSet": workload("StatefulSet", "apps/v1", "statefulset", FORBIDDEN, serviceName="x"),
    "DaemonSet": {
        **workload("DaemonSet", "apps/v1", "daemonset", FORBIDDEN),
        "spec": {k: v for k, v in deployment("daemonset", FORBIDDEN)["spec"].items() if k != "replicas"},
    },
    "ReplicationController": workload(
        "ReplicationController", "v1", "replicationcontroller", FORBIDDEN, selector={"app": "replicationcontroller"}
    ),
    "Job": {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "job"},
        "spec": {"template": JOB_TEMPLATE},
    },
    "CronJob": {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": "cronjob"},
        "spec": {"schedule": "@yearly", "jobTemplate": {"spec": {"template": JOB_TEMPLATE}}},
    },
    "PodTemplate": {
        "apiVersion": "v1",
        "kind": "PodTemplate",
        "metadata": {"name": "podtemplate"},
        "template": {"spec": {"containers": [{"name": "first", "image": FORBIDDEN}]}},
    },
}
PLACES = {"CronJob": "spec.jobTemplate.spec.template.spec", "PodTemplate": "template.spec"}


@pytest.mark.parametrize("kind", CASES)
def test_the_object_is_stored_and_kubectl_prints_the_warning(policy: Hooked, kind: str) -> None:
    created, warned = policy.apply(CASES[kind]).splitlines()
    assert created.endswith(" created")
    assert warned == warning(kind, PLACES.get(kind, "spec.template.spec"))
    name = CASES[kind]["metadata"]["name"]
    assert policy.json("get", kind, name)["metadata"]["name"] == name


def test_the_warning_is_true_and_ends_with_the_cause(policy: Hooked) -> None:
    assert "Warning: " in policy.apply(deployment("true", FORBIDDEN))
    wait_until(lambda: "FailedCreate" in policy("describe", "rs", "-l", "app=true"), "the event of the denial")
    # no template is changed: nothing to say
    assert policy("scale", "deployment", "true", "--replicas=2") == "deployment.apps/true scaled\n"
    assert policy("label", "deployment", "true", "a=b") == "deployment.apps/true labeled\n"
    assert policy.apply(deployment("true", ALLOWED)) == "deployment.apps/true configured\n"
    wait_until(lambda: images_of(policy, "true") == [ALLOWED], "the pod of the repaired deployment")
    said = policy("set", "image", "deployment/true", f"first={FORBIDDEN}")
    assert said.splitlines() == ["deployment.apps/true image updated", warning("Deployment")]


def test_a_dry_run_warns_and_stores_nothing(policy: Hooked) -> None:
    said = policy.apply(deployment("dry", FORBIDDEN), how=("apply", "--dry-run=server"))
    assert "Warning: " in said
    assert "deployment.apps/dry created (server dry run)" in said
    assert "NotFound" in policy("get", "deployment", "dry", check=False)


def test_a_pod_is_denied_as_before(policy: Hooked) -> None:
    said = policy.apply(pod("denied", FORBIDDEN), check=False)
    assert said.startswith('The Pod "denied" is invalid: spec.containers[0].image: Forbidden: ')
    assert "Warning" not in said


def test_image_enforcement_that_looks_at_pods_alone(enforcement: Hooked) -> None:
    created, warned = enforcement.apply(deployment("web", FORBIDDEN)).splitlines()
    assert created == "deployment.apps/web created"
    assert warned.startswith(
        "Warning: cise would deny the Pods of this Deployment: spec.template.spec.containers[0].image: Deny "
        f'"{FORBIDDEN}", no matching repositories in ClusterImagePolicy and no ImagePolicies'
    )
    assert enforcement.apply(deployment("fine", ALLOWED)) == "deployment.apps/fine created\n"
