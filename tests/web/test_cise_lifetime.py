"""What happens to workloads after they were admitted: a restart of the service, and policies that are tightened.

Reviews as an API server and its controllers send them, to a served process.
"""

from __future__ import annotations

import copy
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from imagegate.core.admission.decision import PatchOp
from imagegate.core.admission.patch import apply_patch
from tests.bypass.reviewer_setup import digest_of, registry_of_tests
from tests.support.registry_simulator import RegistrySimulator
from tests.support.service import IMAGEGATE, Answer, Service, serving

RESOURCES = {
    "Pod": ("", "pods"),
    "ReplicationController": ("", "replicationcontrollers"),
    "Deployment": ("apps", "deployments"),
    "ReplicaSet": ("apps", "replicasets"),
    "DaemonSet": ("apps", "daemonsets"),
    "StatefulSet": ("apps", "statefulsets"),
    "Job": ("batch", "jobs"),
    "CronJob": ("batch", "cronjobs"),
}
PATHS = ("/admit", "/admit/trust", "/admit/va", "/mutate", "/validate")
RECORD_KEY = "state/imagegate/images.db.record-key"
NAMES_A_TAG = "admitted without digest"


def ask(service: Service, path: str, document: dict[str, Any], old: dict[str, Any] | None = None) -> Answer:
    """One review: an update if there is an old object."""
    group, resource = RESOURCES[document["kind"]]
    asked = {
        "uid": "11111111-2222-3333-4444-555555555555",
        "kind": {"group": group, "version": "v1", "kind": document["kind"]},
        "resource": {"group": group, "version": "v1", "resource": resource},
        "operation": "CREATE" if old is None else "UPDATE",
        "namespace": "team",
        "userInfo": {"username": "system:serviceaccount:kube-system:replicaset-controller"},
        "object": document,
        "oldObject": old,
    }
    return service.post(path, {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": asked})


def allowed(service: Service, path: str, document: dict[str, Any], old: dict[str, Any] | None = None) -> bool:
    found = ask(service, path, document, old).response["allowed"]
    assert isinstance(found, bool)
    return found


def workload(kind: str, image: str) -> dict[str, Any]:
    template: dict[str, Any] = {
        "metadata": {"labels": {"a": "b"}},
        "spec": {"containers": [{"name": "c", "image": image}]},
    }
    if kind == "Pod":
        spec = template["spec"]
    elif kind == "CronJob":
        spec = {"schedule": "* * * * *", "jobTemplate": {"spec": {"template": template}}}
    else:
        spec = {"replicas": 3, "template": template}
    version = "/".join(filter(None, (RESOURCES[kind][0], "v1")))
    return {"apiVersion": version, "kind": kind, "metadata": {"name": "app", "namespace": "team"}, "spec": spec}


def pod_of(owner: dict[str, Any]) -> dict[str, Any]:
    """The Pod that a controller makes from a template."""
    template = owner["spec"]["template"]
    metadata = {**template["metadata"], "generateName": "app-", "namespace": "team"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}


def replica_set_of(deployment: dict[str, Any]) -> dict[str, Any]:
    """As the deployment controller makes it: with the Deployment's annotations."""
    return {**copy.deepcopy(deployment), "kind": "ReplicaSet"}


def patched(document: dict[str, Any], answer: Answer) -> dict[str, Any]:
    return apply_patch(copy.deepcopy(document), [PatchOp(op["op"], op["path"], op["value"]) for op in answer.patch])


@pytest.fixture(scope="module")
def registry() -> Iterator[RegistrySimulator]:
    with registry_of_tests() as running:
        yield running


@dataclass(frozen=True, slots=True)
class Place:
    """A folder with settings and one policy."""

    folder: Path

    def serving(self, workers: int = 2) -> Any:
        return serving(self.folder, "--settings", self.folder / "imagegate.yaml", workers=workers)

    def allow(self, *entries: dict[str, Any]) -> None:
        """Replace the policy."""
        policy = {
            "apiVersion": "portieris.cloud.ibm.com/v1",
            "kind": "ClusterImagePolicy",
            "metadata": {"name": "p"},
            "spec": {"repositories": list(entries)},
        }
        fresh = self.folder / "fresh"
        fresh.write_text(yaml.safe_dump(policy))
        (self.folder / "policies").mkdir(exist_ok=True)
        fresh.rename(self.folder / "policies/p.yaml")

    def settings(self, registry: RegistrySimulator, **cise: Any) -> None:
        asked = {"insecure": [registry.host], "allowPrivateAddresses": [registry.host]}
        document = {"policies": ["policies"], "cise": {"profile": "portieris", **cise}, "registry": asked}
        (self.folder / "imagegate.yaml").write_text(yaml.safe_dump(document))


@pytest.fixture
def place(tmp_path: Path, registry: RegistrySimulator) -> Place:
    """One entry that names a tag and has every image rewritten to its digest."""
    made = Place(tmp_path)
    made.settings(registry)
    anything = {"simple": {"requirements": [{"type": "insecureAcceptAnything"}]}}
    made.allow({"name": f"{registry.host}/team/app:1", "policy": anything})
    return made


def rewritten(place: Place, registry: RegistrySimulator) -> dict[str, Any]:
    """A Deployment as it was stored before the restart."""
    document = workload("Deployment", f"{registry.host}/team/app:1")
    with place.serving() as service:
        left = patched(document, ask(service, "/admit/trust", document))
        assert all(allowed(service, "/admit/va", left) for _ in range(4))  # both workers
    image = left["spec"]["template"]["spec"]["containers"][0]["image"]
    assert image == f"{registry.host}/team/app@{digest_of(registry, 'team/app', '1')}"
    return left


def test_a_restart_stops_no_rewritten_workload(place: Place, registry: RegistrySimulator) -> None:
    left = rewritten(place, registry)
    assert (place.folder / RECORD_KEY).stat().st_mode & 0o777 == 0o600
    with place.serving() as service:
        for document in (pod_of(left), replica_set_of(left), left):
            for path in PATHS:
                assert allowed(service, path, document)
        applied_again = workload("Deployment", f"{registry.host}/team/app:1")
        assert patched(applied_again, ask(service, "/admit/trust", applied_again, left)) == left  # a Job may not change
        forged = pod_of(left)
        forged["spec"]["containers"][0]["image"] = f"{registry.host}/team/evil@{digest_of(registry, 'team/evil', '1')}"
        assert not allowed(service, "/admit/trust", forged)
    (place.folder / RECORD_KEY).unlink()
    with place.serving() as service:  # the twin: it was the key that did it
        assert not allowed(service, "/admit/trust", pod_of(left))


@pytest.mark.parametrize("damage", ["cut off", "readable"])
def test_a_key_that_is_not_what_was_kept_stops_the_start(
    place: Place, registry: RegistrySimulator, damage: str
) -> None:
    rewritten(place, registry)
    key = place.folder / RECORD_KEY
    if damage == "readable":
        key.chmod(0o644)
    else:
        key.write_bytes(key.read_bytes()[:60])
    done = subprocess.run(
        [IMAGEGATE, "serve", "--settings", place.folder / "imagegate.yaml", "--bind", "127.0.0.1:0"],
        env={"PATH": "/usr/bin:/bin", "XDG_STATE_HOME": str(place.folder / "state")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "record key: " in done.stderr
    assert "Traceback" not in done.stderr


def test_where_no_key_can_be_kept_templates_keep_their_tag(place: Place, registry: RegistrySimulator) -> None:
    (place.folder / "state").write_text("a file where the folder would be")
    image = f"{registry.host}/team/app:1"
    for _ in range(2):
        with place.serving() as service:
            answer = ask(service, "/admit/trust", workload("Deployment", image))
            assert answer.response["allowed"] is True
            assert "patch" not in answer.response
            (warning,) = answer.response["warnings"]
            assert NAMES_A_TAG in warning
            made = pod_of(workload("Deployment", image))
            left = patched(made, ask(service, "/admit/trust", made))
            assert "@sha256:" in left["spec"]["containers"][0]["image"]
            assert allowed(service, "/admit/va", left)
            assert "no key for the records of rewritten images can be kept" in service.running.output()


def test_a_given_key_wins(place: Place, registry: RegistrySimulator) -> None:
    (place.folder / "key").write_text("one Secret for all replicas")
    place.settings(registry, recordKeyFile="key")
    left = rewritten(place, registry)
    assert not (place.folder / RECORD_KEY).exists()
    with place.serving() as service:
        assert allowed(service, "/admit/trust", pod_of(left))


def test_nothing_is_kept_where_no_images_are_enforced(tmp_path: Path) -> None:
    (tmp_path / "imagegate.yaml").write_text("{}\n")
    with serving(tmp_path, "--settings", tmp_path / "imagegate.yaml") as service:
        assert service.get("/readyz").status == 200
    assert not (tmp_path / RECORD_KEY).exists()
    assert (tmp_path / "state/imagegate/images.db").exists()


def wait_for_denial(service: Service, document: dict[str, Any]) -> None:
    """Until the tightened policy is in force."""
    until = time.monotonic() + 15
    while allowed(service, "/admit", document):
        assert time.monotonic() < until
        time.sleep(0.1)


def test_a_tightened_policy_stops_no_clean_up_and_no_repair(place: Place) -> None:
    """Everything that people and controllers do to objects from before, at every endpoint (cluster, finding 2)."""
    place.allow({"name": "quay.io/*"}, {"name": "docker.io/library/nginx"})
    old_image, good_image = "quay.io/app/x:1", "docker.io/library/nginx:1"
    with place.serving(workers=1) as service:
        for kind in RESOURCES:
            assert allowed(service, "/admit", workload(kind, old_image))
        place.allow({"name": "docker.io/library/nginx"})
        wait_for_denial(service, workload("Pod", old_image))
        for kind in RESOURCES:
            old = workload(kind, old_image)
            for path in PATHS:
                for change in (
                    {"spec": {**old["spec"], "replicas": 0}},  # kubectl scale; the old ReplicaSet of a rollout
                    {"spec": {**old["spec"], "suspend": False}},
                    {"metadata": {**old["metadata"], "labels": {"a": "b"}, "annotations": {"c": "d"}}},
                    {
                        "metadata": {
                            **old["metadata"],
                            "finalizers": ["orphan"],
                            "deletionTimestamp": "2026-11-27T00:00:00Z",
                        }
                    },
                    {"metadata": {**old["metadata"], "ownerReferences": []}},
                    {"status": {"replicas": 1}},
                ):
                    assert allowed(service, path, {**old, **change}, old)
                assert allowed(service, path, workload(kind, good_image), old)  # kubectl set image, the repair
                assert not allowed(service, path, old)
                assert not allowed(service, path, old, workload(kind, good_image))
                assert not allowed(service, path, workload(kind, "quay.io/app/y:1"), old)


def test_pods_only_at_every_endpoint(place: Place, registry: RegistrySimulator) -> None:
    """Profile ``cise``: the Deployment is created, its Pods are not (cluster, finding 9)."""
    place.settings(registry, profile="cise")
    with place.serving() as service:
        for path in PATHS:
            for kind in RESOURCES:
                assert allowed(service, path, workload(kind, "evil.example.com/x:1")) is (kind != "Pod")
    place.settings(registry, profile="cise", podsOnly=False)
    with place.serving() as service:
        for path in PATHS:
            assert not allowed(service, path, workload("Deployment", "evil.example.com/x:1"))
