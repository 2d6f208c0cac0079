"""No deadlock: all replicas dead and nodes restarted; policies that would lock out; the label that exempts."""

from __future__ import annotations

import base64
import contextlib
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.control_plane import ControlPlane, control_plane
from tests.cluster.test_image_policy import deployment, pod
from tests.support.enforcement_setup import policy
from tests.support.processes import free_port, wait_until
from tests.support.service import IMAGEGATE, ROOT, Service, serving

BASE = ROOT / "openshift" / "base"
OWN, PROXY, FORBIDDEN = "registry.example.com/imagegate:1", "registry.k8s.io/kube-proxy:v1", "quay.io/evil/tool:1"
GUARDED = ("kube-system", "imagegate")
NETWORK, TEAM = "guard-network", "guard-team"
APPS = {"kube-system": PROXY, "imagegate": OWN, NETWORK: FORBIDDEN, TEAM: PROXY}
"""Images of one Deployment in each namespace."""
BOOTSTRAP = "imagegate.dev/bootstrap"
ALLOW_KNOWN = policy('{name: "registry.example.com/*"}', '{name: "registry.k8s.io/*"}', name="known")
WEBHOOKS = ("mutatingwebhookconfiguration/guard", "validatingwebhookconfiguration/imagegate-policies")
SELECTOR = {
    "matchExpressions": [
        {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": list(GUARDED)},
        {"key": BOOTSTRAP, "operator": "DoesNotExist"},
    ]
}
"""As docs/recovery.md shows it."""


@dataclass(frozen=True, slots=True)
class Guarded:
    """A control plane with imagegate's webhooks, and a folder to serve from."""

    plane: ControlPlane
    directory: Path

    def __call__(self, *arguments: str | Path, text_in: str | None = None) -> str:
        done = self.plane.kubectl(*arguments, text_in=text_in, check=False)
        return done.stdout + done.stderr

    def apply(self, document: dict[str, Any] | str, *options: str, how: str = "apply") -> str:
        text = document if isinstance(document, str) else yaml.safe_dump(document)
        return self(how, *options, "-f", "-", text_in=text)

    def pods(self, namespace: str) -> list[str]:
        items = self.plane.kubectl.json("-n", namespace, "get", "pods", "-l", "app")["items"]
        return [each["metadata"]["uid"] for each in items if not each["metadata"].get("deletionTimestamp")]

    def wait_for_pods(self, namespace: str, beside: Sequence[str] = (), timeout_s: float = 30) -> None:
        """Until there are others than these."""
        wait_until(lambda: bool({*self.pods(namespace)} - {*beside}), f"pods of {namespace}", timeout_s=timeout_s)

    @contextlib.contextmanager
    def serving(self) -> Iterator[Service]:
        """Serve, and let the API server ask."""
        issued = self.plane.ca.server
        tls = ("--tls-cert", issued.certificate, "--tls-key", issued.key)
        settings = ("--settings", self.directory / "imagegate.yaml")
        with serving(self.directory, *settings, *tls, context=self.plane.context()) as service:
            wait_until(lambda: service.get("/readyz").status == 200, "the service to be ready")
            self.configure(service.running.port)
            wait_until(lambda: "no matching" in self.tries(FORBIDDEN), "the API server to ask the webhook")
            yield service

    def tries(self, image: str, namespace: str = TEAM) -> str:
        return self.apply(pod("tried", image), "-n", namespace, "--dry-run=server", how="create")

    def configure(self, port: int) -> None:
        """Webhooks at ``port``; that of the policies as it is shipped."""
        ca = base64.b64encode(self.plane.ca.bundle.read_bytes()).decode()

        def client(path: str) -> dict[str, str]:
            return {"url": f"https://127.0.0.1:{port}{path}", "caBundle": ca}

        shipped = yaml.safe_load((BASE / "webhooks" / "policies.yaml").read_text())
        (policies,) = shipped["webhooks"]
        policies["clientConfig"] = client(policies["clientConfig"]["service"]["path"])
        webhook = {
            "name": "guard.imagegate.example",
            "clientConfig": client("/admit"),
            "rules": [{"apiGroups": [""], "apiVersions": ["*"], "operations": ["CREATE"], "resources": ["pods"]}],
            "namespaceSelector": SELECTOR,
            "failurePolicy": "Fail",
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
        }
        pods = {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "MutatingWebhookConfiguration",
            "metadata": {"name": "guard"},
            "webhooks": [webhook],
        }
        self.plane.kubectl("apply", "-f", "-", text_in=yaml.safe_dump_all([shipped, pods]))


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    """A cluster of these tests alone: the namespace of an installation has a fixed name, and other tests use it."""
    with tempfile.TemporaryDirectory(prefix="plane-") as name, control_plane(Path(name)) as found:
        yield found


@pytest.fixture(scope="module")
def guarded(plane: ControlPlane) -> Iterator[Guarded]:
    """Namespaces with one Deployment each, CRDs, and a policy."""
    with tempfile.TemporaryDirectory(prefix="guard-") as name:
        found = Guarded(plane, Path(name))
        plane.kubectl("apply", "-f", BASE / "crds")
        plane.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
        for namespace in ("imagegate", NETWORK, TEAM):
            plane.kubectl("create", "namespace", namespace)
        plane.kubectl("label", "namespace", NETWORK, f"{BOOTSTRAP}=true")
        for namespace, image in APPS.items():
            found.apply(deployment("guard-app", image), "-n", namespace)
        found.apply(ALLOW_KNOWN)
        settings = {
            "cluster": {"kubeconfig": str(plane.kubectl.configuration), "cacheSeconds": 0, "policies": True},
            "guard": {"images": [OWN]},
        }
        (found.directory / "imagegate.yaml").write_text(yaml.safe_dump(settings))
        try:
            for namespace in APPS:
                found.wait_for_pods(namespace)
            yield found
        finally:
            plane.kubectl("delete", "--ignore-not-found", *WEBHOOKS)
            plane.kubectl("delete", "--ignore-not-found", "-f", BASE / "webhooks" / "bootstrap-label.yaml")
            for namespace in APPS:
                plane.kubectl("-n", namespace, "delete", "deployment", "guard-app", "--ignore-not-found")
            plane.kubectl("delete", "namespace", "imagegate", NETWORK, TEAM)
            plane.kubectl("delete", "--ignore-not-found", "-f", BASE / "crds")


def test_all_replicas_are_dead_and_the_nodes_restart(guarded: Guarded) -> None:
    with guarded.serving() as service:
        assert "created" in guarded.tries(PROXY)
        assert "no matching repositories" in guarded.tries(FORBIDDEN)
        service.running.end()
        before = {name: guarded.pods(name) for name in APPS}
        for namespace in before:
            guarded("-n", namespace, "delete", "pods", "-l", "app", "--force", "--grace-period=0")
        for namespace in (*GUARDED, NETWORK):
            assert "created" in guarded.tries(FORBIDDEN, namespace), "what is left out is not judged"
            guarded.wait_for_pods(namespace, beside=before[namespace])
        for image in (PROXY, FORBIDDEN):
            assert "failed calling webhook" in guarded.tries(image)
        assert guarded.pods(TEAM) == []
    with guarded.serving():
        assert "created" in guarded.tries(PROXY)
        assert "no matching repositories" in guarded.tries(FORBIDDEN)
        guarded.wait_for_pods(TEAM, timeout_s=90)


@pytest.fixture(scope="class")
def service(guarded: Guarded) -> Iterator[Service]:
    """One that runs for a class of tests."""
    with guarded.serving() as service:
        yield service


@pytest.mark.usefixtures("service")
class TestPolicyObjects:
    def test_an_error_of_lint_is_a_denial(self, guarded: Guarded) -> None:
        bad = policy('{name: "*", policy: {simple: {requirements: [{type: signdBy}]}}}', namespace=TEAM, name="bad")
        said = guarded.apply(bad)
        assert "is refused: spec.repositories[0].policy.simple.requirements[0].type: expected one of" in said or (
            "Unsupported value" in said  # the schema of the CRD says it first
        )

    def test_a_warning_of_lint_is_shown(self, guarded: Guarded) -> None:
        said = guarded.apply(policy('{name: "*evil.com/x"}', namespace=TEAM, name="wide"), "--dry-run=server")
        assert 'Warning: imagegate: spec.repositories[0]: "*evil.com/x" also matches hosts that only end so' in said
        assert "created" in said

    def test_a_policy_that_denies_running_system_pods_is_refused(self, guarded: Guarded) -> None:
        said = guarded.apply(policy('{name: "registry.example.com/*"}', name="known"))
        assert f"image {PROXY} in namespace kube-system is denied by cise" in said
        assert "guard.lockout" in said
        assert f"image {OWN}" not in said

    def test_the_last_policy_that_admits_them_cannot_be_deleted(self, guarded: Guarded) -> None:
        for how in (("known",), ("--all",)):
            said = guarded("delete", "clusterimagepolicies.portieris.cloud.ibm.com", *how)
            assert f"image {OWN} in namespace imagegate is denied by cise" in said
        assert "known" in guarded("get", "clusterimagepolicies.portieris.cloud.ibm.com", "-o", "name")

    def test_labels_and_namespaces_can_always_be_changed(self, guarded: Guarded) -> None:
        assert "labeled" in guarded("label", "clusterimagepolicies.portieris.cloud.ibm.com", "known", "team=a")
        guarded("create", "namespace", "guard-gone")
        assert "created" in guarded.apply(policy('{name: "*"}', namespace="guard-gone"))
        assert "deleted" in guarded("delete", "namespace", "guard-gone", "--timeout=60s")

    def test_policies_can_be_repaired_while_no_replica_runs(self, guarded: Guarded, service: Service) -> None:
        service.running.end()
        assert "configured" in guarded.apply(policy('{name: "*"}', name="known"))


def test_the_service_does_not_start_with_a_file_that_denies_running_system_pods(guarded: Guarded) -> None:
    (guarded.directory / "only-hub.yaml").write_text(
        "kind: ImagePolicyConfig\napiVersion: v1\nresolveImages: DoNotAttempt\nexecutionRules:\n"
        "- {name: hub, matchRegistries: [docker.io], onResources: [{resource: pods}]}\n"
    )
    settings = yaml.safe_load((guarded.directory / "imagegate.yaml").read_text())
    settings |= {"config": str(guarded.directory / "only-hub.yaml"), "store": {"path": str(guarded.directory / "s.db")}}
    file = guarded.directory / "refused.yaml"
    file.write_text(yaml.safe_dump(settings))
    command: list[str | Path] = [IMAGEGATE, "serve", "--bind", f"127.0.0.1:{free_port()}", "--settings", file]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert f"guard: image {PROXY} in namespace kube-system is denied by image-policy" in done.stderr
    assert f"guard: image {OWN} in namespace imagegate is denied by image-policy" in done.stderr
    assert "imagePolicy.exemptNamespaces" in done.stderr


def test_what_slipped_in_while_no_replica_ran_is_reported(guarded: Guarded) -> None:
    assert "configured" in guarded.apply(policy('{name: "registry.k8s.io/*"}', name="known"))
    with guarded.serving() as service:
        assert "created" in guarded.tries(PROXY)
        checks = service.get("/readyz").json["checks"]
        assert checks["lockout"].startswith(f"image {OWN} in namespace imagegate is denied by cise: Deny")
        assert "configured" in guarded.apply(ALLOW_KNOWN)
        wait_until(lambda: service.get("/readyz").json["checks"]["lockout"] == "ok", "the repair")


class TestBootstrapLabel:
    def test_only_who_may_override_policies_may_set_it(self, guarded: Guarded) -> None:
        rule = {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["*"]}
        over = {"apiGroups": ["imagegate.dev"], "resources": ["imagepolicies"], "verbs": ["override"]}
        guarded("apply", "-f", BASE / "webhooks" / "bootstrap-label.yaml")
        for user, rules in (("maker", [rule]), ("overrider", [rule, over])):
            role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": user}}
            guarded.apply({**role, "rules": rules})
            guarded("create", "clusterrolebinding", user, f"--clusterrole={user}", f"--user={user}")
        label = ("label", "namespace", TEAM, f"{BOOTSTRAP}=true", "--dry-run=server", "--overwrite")
        wait_until(lambda: "needs the verb" in guarded(*label, "--as=maker"), "the policy to be in force")
        assert "labeled" in guarded(*label, "--as=overrider")
        new = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "guard-new", "labels": {BOOTSTRAP: ""}}}
        assert "needs the verb" in guarded.apply(new, "--as=maker", how="create")
        assert "labeled" in guarded("label", "namespace", TEAM, "other=1", "--as=maker")
        assert "annotated" in guarded("annotate", "namespace", NETWORK, "a=b", "--as=maker"), "it was set before"
