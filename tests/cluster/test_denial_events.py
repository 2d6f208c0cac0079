"""Events that a real API server stores for the owners of denied Pods, as kubectl shows them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.control_plane import ControlPlane
from tests.cluster.custom_kinds import define
from tests.cluster.test_image_policy import ALLOWED, FORBIDDEN, deployment, images_of, pod
from tests.cluster.test_pod_warnings import JOB_TEMPLATE, workload
from tests.cluster.webhooks import Hooked, hooked
from tests.support.kubectl import Kubectl
from tests.support.processes import wait_until
from tests.support.service import CONFIG, ROOT

PATHS = ("/mutate", "/validate")
METRIC = 'imagegate_denial_events_total{result="%s"}'


def account(plane: ControlPlane, name: str, folder: Path, *roles: str) -> Path:
    """The kubeconfig of a service account with the ClusterRoles of these files of the manifests."""
    plane.kubectl("create", "serviceaccount", name)
    for role in roles:
        plane.kubectl("apply", "-f", ROOT / f"openshift/base/rbac/{role}.yaml")
        bound = (f"--clusterrole=imagegate-{role}", f"--serviceaccount=default:{name}")
        plane.kubectl("create", "clusterrolebinding", f"{name}-{role}", *bound)
    own = Kubectl(folder)
    own.use(plane.url, ca=plane.ca.bundle, token=plane.kubectl("create", "token", name).stdout.strip())
    return own.configuration


def serving_events(plane: ControlPlane, name: str, folder: Path, *roles: str) -> Any:
    kubeconfig = account(plane, name, folder, *roles)
    settings = {
        "config": str(CONFIG / "master-config.yaml"),
        "cluster": {"kubeconfig": str(kubeconfig), "events": True},
    }
    (folder / "settings.yaml").write_text(yaml.safe_dump(settings))
    return hooked(plane, name, folder, "--settings", folder / "settings.yaml", paths=PATHS)


@pytest.fixture(scope="module")
def told(plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hooked]:
    with serving_events(plane, "told", tmp_path_factory.mktemp("told"), "look-ups", "events") as found:
        yield found


@pytest.fixture(scope="module")
def without_rights(plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hooked]:
    with serving_events(plane, "untold", tmp_path_factory.mktemp("untold"), "look-ups") as found:
        yield found


def events(found: Hooked, kind: str = "", name: str = "") -> list[dict[str, Any]]:
    """Those of imagegate about an object, as the selector of `kubectl describe` finds them; or all."""
    items = found.json("get", "events.v1.events.k8s.io")["items"]
    ours = [each for each in items if each["reportingController"] == "imagegate.dev/admission"]
    if not kind:
        return ours
    wanted = [each for each in ours if each["regarding"]["kind"] == kind and each["regarding"]["name"] == name]
    selector = f"--field-selector=involvedObject.kind={kind},involvedObject.name={name}"
    described = [each["metadata"]["name"] for each in found.json("get", "events", selector)["items"]]
    assert [each for each in wanted if each["metadata"]["name"] not in described] == []
    return wanted


def repetitions(found: Hooked, kind: str, name: str) -> int:
    """Count of the only event about an object."""
    (only,) = events(found, kind, name)
    return int((only.get("series") or {}).get("count", 1))


def count(found: Hooked, result: str) -> float:
    lines = found.service.get("/metrics").content.decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(METRIC % result))


def test_a_deployment_and_its_replica_set_are_told_why(told: Hooked) -> None:
    told.apply(deployment("web", FORBIDDEN, replicas=2))
    wait_until(lambda: bool(events(told, "Deployment", "web")), "the event of the Deployment")
    (of_top,) = events(told, "Deployment", "web")
    replica_set = of_top["related"]["name"]
    (of_owner,) = events(told, "ReplicaSet", replica_set)
    assert of_owner["related"]["name"] == "web"
    at = "spec.containers[0].image"
    said = f"Pod of ReplicaSet {replica_set} was denied by image-policy: {at}: {FORBIDDEN}: this image is prohibited"
    assert of_top["note"].startswith(said)
    assert of_owner["note"] == of_top["note"]
    assert (of_top["reason"], of_top["type"], of_top["action"]) == ("ImageDenied", "Warning", "Deny")
    assert of_top["metadata"]["annotations"] == {
        "imagegate.dev/code": "no-rule-allows",
        "imagegate.dev/image": FORBIDDEN,
        "imagegate.dev/plugin": "image-policy",
    }
    described = told("describe", "deployment", "web")
    assert "ImageDenied" in described
    assert "FailedCreate" not in described.partition("Events:")[2]  # Kubernetes tells the ReplicaSet alone
    assert "FailedCreate" in told("describe", "replicaset", replica_set)


def test_repetitions_of_all_workers_are_one_event(told: Hooked) -> None:
    told.apply(deployment("many", FORBIDDEN, replicas=1))
    wait_until(lambda: bool(events(told, "Deployment", "many")), "the first event")
    wait_until(lambda: repetitions(told, "Deployment", "many") >= 3, "its count", timeout_s=90)
    assert "(x" in told("describe", "deployment", "many")


def test_every_kind_of_owner(told: Hooked) -> None:
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "once"}, "spec": {"template": JOB_TEMPLATE}}
    cron = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": "nightly"},
        "spec": {"schedule": "@yearly", "jobTemplate": {"spec": {"template": JOB_TEMPLATE}}},
    }
    told.apply(
        job,
        cron,
        workload("StatefulSet", "apps/v1", "store", FORBIDDEN, serviceName="x"),
        workload("ReplicationController", "v1", "old", FORBIDDEN, selector={"app": "old"}),
    )
    told("create", "job", "tonight", "--from=cronjob/nightly")
    owners = {("Job", "once"), ("StatefulSet", "store"), ("ReplicationController", "old"), ("Job", "tonight")}
    wait_until(lambda: all(events(told, *each) for each in owners), "an event of each owner")
    (of_cron,) = events(told, "CronJob", "nightly")
    assert of_cron["note"].startswith("Pod of Job tonight was denied by image-policy: ")
    assert events(told, "StatefulSet", "store")[0]["note"].startswith("Pod of StatefulSet store was denied")


def test_the_pod_of_a_daemon_set(told: Hooked) -> None:
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "told-node"}}
    document = deployment("agent", FORBIDDEN)
    spec = {name: value for name, value in document["spec"].items() if name != "replicas"}
    told.plane.kubectl("apply", "-f", "-", text_in=yaml.safe_dump(node))
    try:
        told.apply({**document, "kind": "DaemonSet", "spec": spec})
        wait_until(lambda: bool(events(told, "DaemonSet", "agent")), "the event of the DaemonSet")
        assert events(told, "DaemonSet", "agent")[0]["note"].startswith("Pod of DaemonSet agent was denied")
    finally:
        told("delete", "daemonset", "agent")
        told.plane.kubectl("delete", "node", "told-node")


@pytest.fixture
def builds(plane: ControlPlane) -> Iterator[None]:
    """OpenShift's kinds of builds, as custom resources."""
    kinds = (("Build", "builds"), ("BuildConfig", "buildconfigs"))
    names = [define(plane, "build.openshift.io", "v1", *each, namespaced=True) for each in kinds]
    yield
    plane.kubectl("delete", "crd", *names)


@pytest.mark.usefixtures("builds")
def test_the_pod_of_a_build_and_its_build_config(told: Hooked) -> None:
    version = {"apiVersion": "build.openshift.io/v1"}
    told.apply({**version, "kind": "BuildConfig", "metadata": {"name": "app"}})
    above = owner_of(told, "buildconfigs.build.openshift.io", "app")
    told.apply({**version, "kind": "Build", "metadata": {"name": "app-1", "ownerReferences": [above]}})
    document = pod("app-1-build", FORBIDDEN)
    document["metadata"]["ownerReferences"] = [owner_of(told, "builds.build.openshift.io", "app-1")]
    assert "Forbidden" in told.apply(document, check=False)
    wait_until(lambda: bool(events(told, "BuildConfig", "app")), "the event of the BuildConfig")
    assert events(told, "Build", "app-1")[0]["related"]["name"] == "app"


def owner_of(told: Hooked, resource: str, name: str) -> dict[str, Any]:
    found = told.json("get", resource, name)
    named = {"name": name, "uid": found["metadata"]["uid"], "controller": True}
    return {"apiVersion": found["apiVersion"], "kind": found["kind"], **named}


def test_a_repaired_deployment_and_its_pods_get_none(told: Hooked) -> None:
    told.apply(deployment("fine", ALLOWED))
    wait_until(lambda: images_of(told, "fine") == [ALLOWED], "the pod")
    assert events(told, "Deployment", "fine") == []


def test_people_dry_runs_and_claims_are_not_told(told: Hooked) -> None:
    told.apply(deployment("real", ALLOWED))
    uid = told.json("get", "deployment", "real")["metadata"]["uid"]
    before = len(events(told))

    def claiming(name: str, uid: str, *how: str) -> str:
        claim = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "real", "uid": uid, "controller": True}
        document = pod(name, FORBIDDEN)
        document["metadata"]["ownerReferences"] = [claim]
        return told.apply(document, how=("create", *how), check=False)

    missed = count(told, "no-owner")
    assert "Forbidden" in told.apply(pod("own", FORBIDDEN), check=False)
    assert "Forbidden" in claiming("dry", uid, "--dry-run=server")
    assert "Forbidden" in claiming("forged", "00000000-0000-0000-0000-000000000000")
    wait_until(lambda: count(told, "no-owner") == missed + 1, "the claim to be looked into")
    assert len(events(told)) == before
    assert "Forbidden" in claiming("true", uid)
    wait_until(lambda: bool(events(told, "Deployment", "real")), "the event of a true claim")


def test_without_rights_everything_is_denied_as_before(without_rights: Hooked) -> None:
    without_rights.apply(deployment("web", FORBIDDEN))
    wait_until(lambda: count(without_rights, "refused") >= 1, "the refusal")
    began = time.monotonic()
    assert "Forbidden" in without_rights.apply(pod("own", FORBIDDEN), check=False)
    assert time.monotonic() - began < 5
    assert events(without_rights) == []
    log = without_rights.service.running.output()
    assert "an Event about a denial could not be written: " in log
    assert 'cannot create resource \\"events\\" in API group \\"events.k8s.io\\"' in log
    assert count(without_rights, "written") == 0


def test_what_waits_is_written_when_the_service_ends(plane: ControlPlane, tmp_path: Path) -> None:
    with serving_events(plane, "ending", tmp_path, "look-ups", "events") as found:
        found.apply(deployment("web", ALLOWED))
        document = pod("denied", FORBIDDEN)
        document["metadata"]["ownerReferences"] = [owner_of(found, "deployments.apps", "web")]
        assert "Forbidden" in found.apply(document, check=False)
        wait_until(lambda: bool(events(found, "Deployment", "web")), "the event")
        for _ in range(4):  # by either worker; repetitions wait for a minute
            assert "Forbidden" in found.apply(document, check=False)
        found.service.running.end()
        assert repetitions(found, "Deployment", "web") == 5
