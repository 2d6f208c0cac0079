"""The chart, what is made from it, and the overlays: the same objects."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from imagegate import __version__
from tests.cluster.binaries import VERSION, helm
from tests.cluster.render import (
    ADDED,
    BASE,
    CHART,
    INSTALL,
    OPTIONS,
    OVERLAYS,
    added_files,
    base_files,
    install_files,
    template,
)
from tests.support.programs import program
from tests.support.service import CONFIG


def objects(texts: str) -> dict[tuple[str, str, str, str], Any]:
    """Objects by API version, kind, namespace and name."""
    found = {}
    for each in yaml.safe_load_all(texts):
        if each is not None:
            metadata = each["metadata"]
            key = (each["apiVersion"], each["kind"], metadata.get("namespace", ""), metadata["name"])
            assert key not in found
            found[key] = each
    return found


def rendered(*options: str, **where: str) -> dict[tuple[str, str, str, str], Any]:
    return objects("\n---\n".join(template(*options, **where).values()))


def kustomized(folder: Path) -> str:
    return subprocess.run([program("kubectl"), "kustomize", folder], check=True, capture_output=True, text=True).stdout


def one(found: dict[tuple[str, str, str, str], Any], kind: str, name: str = "imagegate") -> Any:
    (only,) = [each for key, each in found.items() if (key[1], key[3]) == (kind, name)]
    return only


def test_the_base_is_what_the_chart_gives() -> None:
    there = {str(file.relative_to(BASE)): file.read_text() for file in BASE.rglob("*") if file.is_file()}
    del there["namespace.yaml"]
    assert there == base_files(), "run: make manifests"


@pytest.mark.parametrize("overlay", ADDED)
def test_what_overlays_add_is_what_the_chart_gives(overlay: str) -> None:
    for name, text in added_files(overlay).items():
        assert (OVERLAYS / overlay / name).read_text() == text, "run: make manifests"


def test_the_files_of_install_are_what_the_chart_gives() -> None:
    assert {file.name: file.read_text() for file in INSTALL.iterdir()} == install_files(), "run: make manifests"
    assert objects((INSTALL / "kubernetes.yaml").read_text()).keys() > rendered().keys()


@pytest.mark.parametrize("overlay", OPTIONS)
def test_an_overlay_gives_the_objects_of_the_chart(overlay: str) -> None:
    by_kustomize = objects(kustomized(OVERLAYS / overlay))
    by_helm = rendered(*OPTIONS[overlay])
    assert by_kustomize.keys() == by_helm.keys()
    for key, expected in by_helm.items():
        assert _comparable(by_kustomize[key]) == _comparable(expected), key


def _comparable(document: Any) -> Any:
    """The object with its settings parsed: how YAML is written does not matter."""
    if document["kind"] == "ConfigMap":
        data = {name: yaml.safe_load(text) for name, text in document["data"].items()}
        return {**document, "data": data}
    if document["kind"] == "Deployment":
        pod = document["spec"]["template"]["spec"]
        pod["volumes"].sort(key=lambda each: each["name"])
        for container in pod["containers"]:
            container["volumeMounts"].sort(key=lambda each: each["name"])
    return document


def test_chart_and_program_have_one_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (__version__, __version__)


@pytest.mark.parametrize("profile", ["cise", "portieris", "cloudpak"])
def test_the_default_policies_are_those_of_the_samples(profile: str) -> None:
    sample = {
        "cise": "cise/cluster-wide",
        "portieris": "portieris/cluster",
        "cloudpak": "cloudpak/cluster-image-policy",
    }
    shipped = yaml.safe_load((CONFIG / f"policies/{sample[profile]}.yaml").read_text())
    made = one(rendered("--set", f"enforcement.profile={profile}"), "ClusterImagePolicy", shipped["metadata"]["name"])
    assert made["apiVersion"] == shipped["apiVersion"]
    entries = [each for each in shipped["spec"]["repositories"] if "<<CLUSTER DOMAIN>>" not in each["name"]]
    assert made["spec"]["repositories"] == entries


def test_the_value_of_the_cloud_pak_is_understood(tmp_path: Path) -> None:
    """The config.yaml of IBM Cloud Pak for Multicloud Management."""
    values = tmp_path / "config.yaml"
    values.write_text('image-security-enforcement:\n  clusterImagePolicy:\n    - name: "quay.io/*"\n      policy:\n')
    found = rendered("--values", str(values))
    policy = one(found, "ClusterImagePolicy", "image-security-enforcement-cluster-image-policy")
    assert policy["spec"]["repositories"] == [{"name": "quay.io/*", "policy": None}]
    settings = yaml.safe_load(one(found, "ConfigMap")["data"]["imagegate.yaml"])
    assert settings["cise"]["profile"] == "cloudpak"


def _resources(webhook: dict[str, Any]) -> set[str]:
    return {resource for rule in webhook["rules"] for resource in rule["resources"]}


def test_endpoints_of_image_enforcement_are_asked_only_for_what_they_know() -> None:
    for kind in ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"):
        (webhook,) = one(rendered(), kind, "image-admission-config")["webhooks"]
        assert "deployments" in _resources(webhook)
        assert "podtemplates" not in _resources(webhook)
        (image_policy,) = one(rendered(), kind, "imagegate")["webhooks"]
        assert "podtemplates" in _resources(image_policy)


def test_what_makes_pods_is_only_warned_of_where_pods_alone_are_judged() -> None:
    name = "image-admission-config"
    found = rendered("--set", "enforcement.profile=cise")
    (mutating,) = one(found, "MutatingWebhookConfiguration", name)["webhooks"]
    validating, warning = one(found, "ValidatingWebhookConfiguration", name)["webhooks"]
    assert _resources(mutating) == _resources(validating) == {"pods", "pods/ephemeralcontainers"}
    assert {"deployments", "jobs", "replicationcontrollers"} <= _resources(warning)
    assert not {"pods", "podtemplates"} & _resources(warning)
    assert (warning["failurePolicy"], warning["clientConfig"]["service"]["path"]) == ("Ignore", "/admit/va")
    for key in ("matchConditions", "namespaceSelector", "sideEffects", "timeoutSeconds"):
        assert warning[key] == validating[key]
    quiet = rendered("--set", "enforcement.profile=cise", "--set", "settings.warnOnTemplates=false")
    assert len(one(quiet, "ValidatingWebhookConfiguration", name)["webhooks"]) == 1


def test_release_and_namespace_may_have_other_names() -> None:
    found = rendered(release="cise", namespace="ibm-system")
    assert {key[2] for key in found} == {"", "ibm-system", "kube-system"}
    for kind in ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"):
        (webhook,) = one(found, kind, "image-admission-config")["webhooks"]
        assert webhook["clientConfig"]["service"]["namespace"] == "ibm-system"
        assert webhook["namespaceSelector"]["matchExpressions"][0]["values"] == ["ibm-system", "kube-system"]
    assert not [key for key in found if "namespace: imagegate" in yaml.safe_dump(found[key])]


@pytest.mark.parametrize(
    "values, kind, strategy",
    [
        ("imageApi.enabled=true", "kubernetes", "RollingUpdate"),
        ("imageApi.enabled=true,imageApi.claim=streams,replicas=1", None, "Recreate"),
        ("imageApi.enabled=true,store.kind=embedded,replicas=1", None, "Recreate"),
        ("store.kind=kubernetes", "kubernetes", "RollingUpdate"),
    ],
)
def test_replicas_share_image_streams_unless_there_is_a_volume(values: str, kind: str | None, strategy: str) -> None:
    found = rendered("--set", values)
    settings = yaml.safe_load(one(found, "ConfigMap")["data"]["imagegate.yaml"])
    deployment = one(found, "Deployment")["spec"]
    volumes = {each["name"]: each for each in deployment["template"]["spec"]["volumes"]}
    roles = {key[3] for key in found if key[1] == "Role"}
    assert settings["store"].get("kind") == kind
    assert deployment["strategy"]["type"] == strategy
    assert ("image-streams" in volumes) is (kind is None)
    assert ("imagegate-store" in roles) is (kind == "kubernetes")
    assert "imagegate-leases" in roles
    if "claim" in values:
        assert volumes["image-streams"]["persistentVolumeClaim"] == {"claimName": "streams"}


@pytest.mark.parametrize(
    "value, why",
    [
        ("replicas=0", "minimum"),
        ("enforcement.profile=kyverno", "cise"),
        ("image.digest=sha256:12", "pattern"),
        ("imagePolcy.enabled=true", "imagePolcy"),
        ("imageApi.enabled=true,store.kind=embedded", "set replicas to 1"),
        ("imageApi.enabled=true,imageApi.claim=streams", "set replicas to 1"),
        ("imageApi.enabled=true,imageApi.claim=streams,store.kind=kubernetes", "remove one of them"),
        ("store.kind=etcd", "store"),
        ("tracing.endpoint=collector:4317", "endpoint"),
        ("webhooks.failurePolicy=Sometimes", "Fail"),
    ],
)
def test_wrong_values_are_refused(value: str, why: str) -> None:
    command: list[str | Path] = [helm(), "template", "imagegate", CHART, "--kube-version", VERSION, "--set", value]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert why in done.stderr


def test_helm_lint_has_nothing_to_say() -> None:
    command: list[str | Path] = [helm(), "lint", "--strict", "--kube-version", VERSION, CHART]
    subprocess.run(command, check=True, capture_output=True)


@pytest.mark.parametrize(
    "values, wanted",
    [
        ("platform=kubernetes", True),
        ("platform=openshift", True),
        ("events.enabled=false", False),
        ("settings.profile=openshift-4", False),
        ("settings.profile=openshift-4,settings.cluster.events=true", True),
        ("settings.cluster.events=false", False),
    ],
)
def test_events_are_written_where_the_account_may_and_nobody_says_no(values: str, wanted: bool) -> None:
    found = rendered("--set", values)
    settings = yaml.safe_load(one(found, "ConfigMap")["data"]["imagegate.yaml"])
    assert settings["cluster"].get("events", False) is wanted
    kinds = {key[1] for key in found if key[3] == "imagegate-events"}
    assert kinds == ({"ClusterRole", "ClusterRoleBinding"} if wanted else set())
    configurations = [each for key, each in found.items() if key[1].endswith("WebhookConfiguration")]
    effects = {webhook["sideEffects"] for each in configurations for webhook in each["webhooks"]}
    assert effects == {"NoneOnDryRun" if wanted else "None"}


def test_traces_are_off_until_they_are_asked_for() -> None:
    def settings(*options: str) -> Any:
        return yaml.safe_load(one(rendered(*options), "ConfigMap")["data"]["imagegate.yaml"])

    assert "tracing" not in settings()
    endpoint = "http://collector.observability.svc:4318"
    asked = settings("--set", "tracing.enabled=true", "--set", f"tracing.endpoint={endpoint}")
    assert asked["tracing"] == {"enabled": True, "endpoint": endpoint}
