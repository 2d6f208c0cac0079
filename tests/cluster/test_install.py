"""Installed from every overlay, from the chart and by the command; judged by the real API server; removed.

Nobody runs pods here: two processes play the replicas, with the settings of the installed ConfigMap and the rights of
the installed service account, behind the installed Service.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from imagegate.cli.main import main
from tests.cluster.binaries import helm
from tests.cluster.control_plane import ControlPlane, control_plane
from tests.cluster.render import BASE, CHART, INSTALL, OPTIONS, OVERLAYS
from tests.cluster.replicas import Replicas
from tests.support.balancer import Balancer
from tests.support.kubectl import Kubectl
from tests.support.processes import free_port, wait_until
from tests.support.service import ROOT

OWN = "app.kubernetes.io/name=imagegate"
WEBHOOKS = ("mutatingwebhookconfigurations", "validatingwebhookconfigurations")
KINDS = ",".join(
    (
        *WEBHOOKS,
        "validatingadmissionpolicies,validatingadmissionpolicybindings,apiservices,clusterroles,clusterrolebindings",
        "roles,rolebindings,serviceaccounts,services,deployments,poddisruptionbudgets,networkpolicies,configmaps",
    )
)
FOREIGN_KINDS = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: {plural}.cert-manager.io}}
spec:
  group: cert-manager.io
  scope: Namespaced
  names: {{kind: {kind}, plural: {plural}}}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {{openAPIV3Schema: {{type: object, x-kubernetes-preserve-unknown-fields: true}}}}
"""
"""Definitions of cert-manager's kinds, so that they can be created; nobody acts on them."""


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    """A cluster of these tests alone: names of an installation are fixed."""
    with tempfile.TemporaryDirectory(prefix="plane-") as name, control_plane(Path(name)) as found:
        yield found


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster without imagegate."""

    plane: ControlPlane
    directory: Path

    def __call__(self, *arguments: str | Path, text_in: str | None = None, check: bool = True) -> str:
        done = self.plane.kubectl(*arguments, text_in=text_in, check=check)
        return done.stdout + done.stderr

    def helm(self, *arguments: str | Path) -> str:
        command: list[str | Path] = [helm(), "--kubeconfig", self.plane.kubectl.configuration, *arguments]
        home = {"HOME": str(self.directory), "PATH": "/usr/bin:/bin"}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=home)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def left(self) -> list[str]:
        """What an installation has, by its label."""
        found = self("get", KINDS, "-A", "-l", OWN, "-o", "name")
        return sorted(line for line in found.splitlines() if "No resources" not in line)

    def prepare(self) -> None:
        """What comes before the overlays: the namespace and the kinds of policies."""
        self("apply", "-f", BASE / "namespace.yaml", "-f", BASE / "crds")
        self("wait", "--for=condition=Established", "--timeout=30s", "-f", BASE / "crds")


@pytest.fixture
def cluster(plane: ControlPlane, tmp_path: Path) -> Iterator[Cluster]:
    """Without imagegate before and after."""
    found = Cluster(plane, tmp_path)
    assert not found.left()
    yield found
    for each in WEBHOOKS:
        found("delete", each, "-l", OWN)
    found("delete", "namespace", "imagegate", "ibm-system", "--ignore-not-found")
    found("delete", KINDS, "-A", "-l", OWN)
    found("delete", "crd", "-l", OWN)
    found("delete", "crd", "issuers.cert-manager.io", "certificates.cert-manager.io", "--ignore-not-found")


@dataclass(slots=True)
class InstalledReplicas(Replicas):
    """Replicas that have nothing but what was installed."""

    def settings(self) -> Path:
        """The settings of the ConfigMap, for processes outside of a pod."""
        installed = self.plane.kubectl.json("-n", self.namespace, "get", "configmap", "imagegate")["data"]
        (self.directory / "master-config.yaml").write_text(installed["master-config.yaml"])
        document = yaml.safe_load(installed["imagegate.yaml"])
        document["cluster"]["kubeconfig"] = str(self.kubeconfig)
        document["server"]["certificate"] |= {"namespace": self.namespace, "names": ["localhost"], "lookEveryS": 0.5}
        document.setdefault("guard", {})["ownNamespace"] = self.namespace
        path = self.directory / "imagegate.yaml"
        path.write_text(yaml.safe_dump(document))
        return path


@contextlib.contextmanager
def running(cluster: Cluster, namespace: str = "imagegate") -> Iterator[InstalledReplicas]:
    """Two replicas behind the Service."""
    plane = cluster.plane
    token = plane.kubectl("-n", namespace, "create", "token", "imagegate").stdout.strip()
    home = cluster.directory / "account"
    home.mkdir()
    account = Kubectl(home)
    account.use(plane.url, ca=plane.ca.bundle, token=token)
    with contextlib.ExitStack() as stack:
        balancer = stack.enter_context(Balancer([free_port(), free_port()]).running())
        found = InstalledReplicas(
            plane, cluster.directory, namespace, balancer, kubeconfig=account.configuration, _stack=stack
        )
        _lead_to(cluster, namespace, balancer.port)
        for number in (0, 1):
            found.start(number)
        yield found


def _lead_to(cluster: Cluster, namespace: str, port: int) -> None:
    """Without kube-proxy a Service leads somewhere only by its external name, and to the port that is asked for."""
    service = {"spec": {"type": "ExternalName", "externalName": "localhost"}}
    cluster("-n", namespace, "patch", "service", "imagegate", "--type=merge", "-p", json.dumps(service))
    for kind in WEBHOOKS:
        for each in cluster.plane.kubectl.json("get", kind, "-l", OWN)["items"]:
            change = [
                {"op": "replace", "path": f"/webhooks/{index}/clientConfig/service/port", "value": port}
                for index in range(len(each["webhooks"]))
            ]
            cluster("patch", kind, each["metadata"]["name"], "--type=json", "-p", json.dumps(change))


def pod(image: str, name: str = "tried") -> str:
    document = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"containers": [{"name": "first", "image": image}]},
    }
    return yaml.safe_dump(document)


def tries(cluster: Cluster, image: str) -> str:
    """What the API server says of a pod in the namespace default."""
    return cluster("create", "--dry-run=server", "-f", "-", text_in=pod(image), check=False)


POLICY = """
apiVersion: {version}
kind: ClusterImagePolicy
metadata: {{name: {name}}}
spec:
  repositories:
  - {{name: "registry.example.com/*"}}
  - {{name: "imagegate:*"}}
"""
"""Without the second entry it is refused, since it would lock out imagegate itself."""


def judges(cluster: Cluster, *, version: str = "portieris.cloud.ibm.com/v1", name: str = "default") -> None:
    """Fail unless a policy applied by kubectl decides about pods."""
    wait_until(lambda: "created" in tries(cluster, "registry.example.com/shop/app:1"), "the webhooks to be trusted")
    cluster("apply", "-f", "-", text_in=POLICY.format(version=version, name=name))
    wait_until(lambda: "denied the request" in tries(cluster, "quay.io/evil/tool:1"), "the policy to be in force")
    assert 'Deny "quay.io/evil/tool:1", no matching repositories' in tries(cluster, "quay.io/evil/tool:1")
    assert "created" in tries(cluster, "registry.example.com/shop/app:1")
    assert "created" in tries_own(cluster, restricted())


def tries_own(cluster: Cluster, text: str) -> str:
    """What the API server says of a pod in imagegate's own namespace."""
    return cluster("-n", "imagegate", "create", "--dry-run=server", "-f", "-", text_in=text, check=False)


def restricted() -> str:
    """The pod of the installed Deployment, with an image that no policy admits."""
    deployment = next(
        each for each in yaml.safe_load_all((BASE / "deployment.yaml").read_text()) if each["kind"] == "Deployment"
    )
    template = deployment["spec"]["template"]
    template["spec"]["containers"][0]["image"] = "quay.io/never/listed:1"
    return yaml.safe_dump({"apiVersion": "v1", "kind": "Pod", **template, "metadata": {"name": "own"}})


def test_kustomize_on_kubernetes(cluster: Cluster) -> None:
    cluster.prepare()
    first = cluster("apply", "--server-side", "-k", OVERLAYS / "kubernetes")
    assert "serverside-applied" in first
    before = versions(cluster)
    cluster("apply", "--server-side", "-k", OVERLAYS / "kubernetes")
    assert versions(cluster) == before, "a second apply changes nothing"
    with running(cluster):
        judges(cluster)
    used = rights_used(cluster)
    granted = rights_granted(cluster)
    assert used <= granted
    assert {right for right in granted - used if right not in UNUSED_HERE} == set()
    cluster("delete", "-k", OVERLAYS / "kubernetes")
    assert cluster.left() == []


def versions(cluster: Cluster) -> dict[str, str]:
    """The version of every object, except of those that controllers write."""
    items = cluster.plane.kubectl.json("get", KINDS, "-A", "-l", OWN)["items"]
    return {
        f"{each['kind']} {each['metadata']['name']}": each["metadata"]["resourceVersion"]
        for each in items
        if each["kind"] not in ("Deployment", "PodDisruptionBudget", "ValidatingAdmissionPolicy")
    }


UNUSED_HERE = {
    ("", "secrets", "get"), ("", "serviceaccounts", "get"),  # policies with keys or pull secrets
    ("", "secrets", "update"), ("", "secrets", "patch"),  # renewal
    ("", "namespaces", "get"),  # namespaces made a moment ago
    ("", "replicationcontrollers", "get"),  # owners of pods
    ("apps", "replicasets", "get"), ("apps", "deployments", "get"), ("apps", "statefulsets", "get"),
    ("apps", "daemonsets", "get"), ("batch", "jobs", "get"), ("batch", "cronjobs", "get"),
    ("apps.openshift.io", "deploymentconfigs", "get"), ("build.openshift.io", "builds", "get"),
    ("build.openshift.io", "buildconfigs", "get"),
    ("events.k8s.io", "events", "create"), ("events.k8s.io", "events", "patch"), ("events.k8s.io", "events", "get"),
    ("authorization.k8s.io", "subjectaccessreviews", "create"),  # image streams of other namespaces
    ("apiregistration.k8s.io", "apiservices", "get"), ("apiregistration.k8s.io", "apiservices", "patch"),
    ("admissionregistration.k8s.io", "mutatingwebhookconfigurations", "patch"),
    ("admissionregistration.k8s.io", "validatingwebhookconfigurations", "patch"),
}  # fmt: skip
"""Rights whose occasion does not come up in these tests (``group, resource, verb``)."""


FOR_EVERYBODY = ("selfsubjectreviews",)
"""What the role system:basic-user grants to every account."""


def rights_used(cluster: Cluster) -> set[tuple[str, str, str]]:
    """What the service account asked for, and got."""
    used = set()
    for line in cluster.plane.audited.read_text().splitlines():
        event = json.loads(line)
        reference = event.get("objectRef")
        if event["stage"] == "ResponseComplete" or event["verb"] == "watch":
            assert event.get("responseStatus", {}).get("code") != 403, event["requestURI"]
            if reference is not None and reference["resource"] not in FOR_EVERYBODY:
                used.add((reference.get("apiGroup", ""), reference["resource"], event["verb"]))
    return used


def rights_granted(cluster: Cluster) -> set[tuple[str, str, str]]:
    """What the roles grant that are bound to the service account."""
    roles = {
        (each["kind"], each["metadata"]["name"]): each["rules"]
        for each in cluster.plane.kubectl.json("get", "clusterroles,roles", "-A", "-l", OWN)["items"]
    }
    bindings = cluster.plane.kubectl.json("get", "clusterrolebindings,rolebindings", "-A", "-l", OWN)["items"]
    return {
        (group, resource, verb)
        for binding in bindings
        for rule in roles[(binding["roleRef"]["kind"], binding["roleRef"]["name"])]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
        if (group, resource) not in NO_SUCH
    }


NO_SUCH = {("", name) for name in ("replicasets", "deployments", "statefulsets", "daemonsets", "jobs", "cronjobs")} | {
    ("apps", "replicationcontrollers"), ("apps", "jobs"), ("apps", "cronjobs"), ("batch", "replicationcontrollers"),
    *(("batch", name) for name in ("replicasets", "deployments", "statefulsets", "daemonsets")),
}  # fmt: skip
"""Combinations that a rule names only because it lists groups and resources together."""


@pytest.mark.parametrize("overlay", ["openshift", "cert-manager", "image-api"])
def test_other_overlays_are_accepted_and_leave_nothing(cluster: Cluster, overlay: str) -> None:
    cluster.prepare()
    for kind, plural in (("Issuer", "issuers"), ("Certificate", "certificates")):
        cluster("apply", "-f", "-", text_in=FOREIGN_KINDS.format(kind=kind, plural=plural))
    cluster("wait", "--for=condition=Established", "crd", "--all")
    cluster("apply", "--server-side", "-k", OVERLAYS / overlay)
    assert any("image-admission-config" in each for each in cluster.left())
    for kind in WEBHOOKS:  # nobody is there to answer
        cluster("delete", kind, "-l", OWN)
    cluster("delete", "--ignore-not-found", "-k", OVERLAYS / overlay)
    assert cluster.left() == []


def test_the_pod_meets_the_restricted_standard(cluster: Cluster) -> None:
    cluster.prepare()
    cluster("-n", "imagegate", "create", "serviceaccount", "imagegate")
    assert "created" in tries_own(cluster, restricted())
    loose = yaml.safe_load(restricted())
    del loose["spec"]["containers"][0]["securityContext"]["capabilities"]
    assert 'violates PodSecurity "restricted:latest"' in tries_own(cluster, yaml.safe_dump(loose))


def test_helm_as_the_product_before_it(cluster: Cluster) -> None:
    """Release ``cise``; removed by the three commands of that product (``helm delete --purge`` is Helm 2's)."""
    cluster.helm(
        "install", "cise", CHART, "--namespace", "ibm-system", "--create-namespace", "--set", "enforcement.profile=cise"
    )
    policy = cluster.plane.kubectl.json("get", "clusterimagepolicies.securityenforcement.admission.cloud.ibm.com")
    assert [each["metadata"]["name"] for each in policy["items"]] == ["ibmcloud-default-cluster-image-policy"]
    with running(cluster, "ibm-system"):
        wait_until(lambda: "denied the request" in tries(cluster, "quay.io/a/b:1"), "the policy to be in force")
        assert "trust" in tries(cluster, "quay.io/a/b:1")
        made = cluster.plane.kubectl("create", "deployment", "warned", "--image=quay.io/a/b:1", "--dry-run=server")
        assert "created (server dry run)" in made.stdout
        assert "the Pods of this Deployment: spec.template.spec.containers[0].image: " in made.stderr
    cluster("delete", "--ignore-not-found=true", "MutatingWebhookConfiguration", "image-admission-config")
    cluster("delete", "--ignore-not-found=true", "ValidatingWebhookConfiguration", "image-admission-config")
    cluster.helm("uninstall", "cise", "--namespace", "ibm-system")
    assert cluster.left() == []


def test_helm_upgrade_keeps_what_imagegate_wrote(cluster: Cluster) -> None:
    cluster.helm("install", "imagegate", CHART, "--namespace", "imagegate", "--create-namespace")
    with running(cluster):
        judges(cluster)
        bundles = ca_bundles(cluster)
        assert len(bundles) == 1
        cluster.helm("upgrade", "imagegate", CHART, "--namespace", "imagegate", "--set", "replicas=2")
        assert ca_bundles(cluster) == bundles
    cluster.helm("uninstall", "imagegate", "--namespace", "imagegate")
    assert cluster.left() == []


def ca_bundles(cluster: Cluster) -> set[str]:
    """The different bundles of all webhooks."""
    return {
        webhook["clientConfig"].get("caBundle", "")
        for kind in WEBHOOKS
        for each in cluster.plane.kubectl.json("get", kind, "-l", OWN)["items"]
        for webhook in each["webhooks"]
    }


class TestCommand:
    """``imagegate install``."""

    @pytest.fixture(autouse=True)
    def _kubeconfig(self, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("KUBECONFIG", str(cluster.plane.kubectl.configuration))

    def test_dry_run_apply_and_remove(self, cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["install"]) == 0
        out, err = capsys.readouterr()
        assert "Deployment imagegate/imagegate: would be created\n" in out
        assert err == "nothing was changed; --apply does it\n"
        assert cluster.left() == []
        assert main(["install", "--apply", "--wait", "0", "--image", "registry.example.com/imagegate:1"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[0] == "Namespace imagegate: created"
        assert [line.split()[0] for line in lines[-6:]] == [
            "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding",
            *["MutatingWebhookConfiguration"] * 2, *["ValidatingWebhookConfiguration"] * 3,
        ][-6:]  # fmt: skip
        found = cluster.plane.kubectl.json("-n", "imagegate", "get", "deployment", "imagegate")
        assert found["spec"]["template"]["spec"]["containers"][0]["image"] == "registry.example.com/imagegate:1"
        with running(cluster):
            judges(cluster)
            assert main(["install", "--remove"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[0] == "ValidatingWebhookConfiguration imagegate-policies: deleted"
        assert lines[-1].startswith("kept: CustomResourceDefinitions and Namespaces")
        assert cluster.left() == []
        assert "not found" in cluster("-n", "imagegate", "get", "secret", "imagegate-ca", check=False)
        assert "default" in cluster("get", "clusterimagepolicies.portieris.cloud.ibm.com")
        assert main(["install", "--remove", "--everything"]) == 0
        definition = "clusterimagepolicies.portieris.cloud.ibm.com"
        wait_until(lambda: "NotFound" in cluster("get", "crd", definition, check=False), "the definition to be gone")

    def test_a_second_time_nothing_changes_and_what_is_not_ours_any_more_goes(
        self, cluster: Cluster, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["install", "--apply", "--wait", "0", "--for", "image-api"]) == 0
        capsys.readouterr()
        assert main(["install", "--apply", "--wait", "0", "--for", "image-api"]) == 0
        assert {line.rpartition(": ")[2] for line in capsys.readouterr().out.splitlines()} == {"unchanged"}
        cluster("create", "configmap", "mine")
        cluster("label", "configmap", "mine", OWN)
        assert main(["install", "--apply", "--wait", "0"]) == 0
        out = capsys.readouterr().out
        assert "APIService v1.image.openshift.io: deleted\n" in out
        assert "ClusterRole imagegate-aggregated-api: deleted\n" in out
        assert "mine" not in out
        cluster("delete", "configmap", "mine")
        assert main(["install", "--remove", "--everything"]) == 0

    def test_another_namespace(self, cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["install", "--apply", "--wait", "0", "-n", "ibm-system"]) == 0
        assert (
            cluster("-n", "ibm-system", "get", "deployment,service,configmap", "-o", "name", "-l", OWN).count("\n") == 3
        )
        webhooks: list[Any] = cluster.plane.kubectl.json("get", WEBHOOKS[0], "image-admission-config")["webhooks"]
        assert webhooks[0]["namespaceSelector"]["matchExpressions"][0]["values"] == ["ibm-system", "kube-system"]
        assert main(["install", "--remove", "--everything", "-n", "ibm-system"]) == 0
        assert cluster.left() == []

    def test_replicas_that_do_not_come_leave_the_webhooks_alone(
        self, cluster: Cluster, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["install", "--apply", "--wait", "1"]) == 2
        assert "Deployment imagegate/imagegate: after 1 s not ready" in capsys.readouterr().err
        assert not [each for each in cluster.left() if "webhookconfiguration" in each]

    @pytest.mark.parametrize(
        "options, why",
        [
            (["--everything"], "--everything belongs to --remove"),
            (["-n", "kube-system"], "cannot be installed into kube-system"),
            (["--kubeconfig", "/none"], "cannot be reached with kubeconfig /none"),
        ],
    )
    def test_what_cannot_be_done(self, capsys: pytest.CaptureFixture[str], options: list[str], why: str) -> None:
        assert main(["install", *options]) == 2
        assert why in capsys.readouterr().err


def test_the_files_are_those_of_the_package() -> None:
    assert {each.stem for each in INSTALL.iterdir()} == set(OPTIONS)
    assert "share/imagegate/manifests = openshift/install/*.yaml" in (ROOT / "setup.cfg").read_text()
