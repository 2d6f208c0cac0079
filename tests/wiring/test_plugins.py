"""The plug-ins that settings and documents turn on, in the order of the mutating pass."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagegate.core.admission.plugin import Plugin
from imagegate.core.admission.request import Phase
from imagegate.documents.image_policies import read_policies
from imagegate.documents.image_policy_config import load_image_policy
from imagegate.documents.master_config import MasterConfig
from imagegate.documents.yaml.source import read_source
from imagegate.settings.load import read_settings
from imagegate.wiring.choices import StartupOptions
from imagegate.wiring.plugins import configured_plugins
from imagegate.wiring.runtime import build
from tests.support.enforcement_setup import policy


def names(settings: str, config: MasterConfig, policies: str | None = None) -> list[str]:
    read = read_settings(read_source(settings, "s").documents[0], "s")
    loaded = None if policies is None else read_policies(policies, "p.yaml")
    return [configured.name for configured in configured_plugins(read, config, loaded)]


def test_without_documents_nothing_decides() -> None:
    assert names("", MasterConfig()) == []


def test_always_pull_is_on_only_where_it_is_configured() -> None:
    assert names("", MasterConfig(always_pull=True)) == ["always-pull"]


def test_image_enforcement_has_endpoints_of_its_own_and_comes_first_without_an_image_policy() -> None:
    found = names("cise: {}", MasterConfig(always_pull=True), policy('{name: "*"}'))
    assert found == ["cise", "cise-admit", "cise-trust", "cise-va", "always-pull"]
    assert names("cise: {}", MasterConfig(always_pull=True)) == ["always-pull"], "its policies were not read"


def test_labels_that_choose_modes_are_guarded() -> None:
    by_label = "alwaysPull: {namespaces: [{selector: {matchLabels: {stage: dev}}, mode: warn}]}"
    assert names(by_label, MasterConfig(always_pull=True)) == ["always-pull", "namespace-guard"]


def test_a_plug_in_meets_the_contract() -> None:
    read = read_settings(read_source("", "s").documents[0], "s")
    (configured,) = configured_plugins(read, MasterConfig(always_pull=True))
    plugin: Plugin = configured.plugin
    assert plugin.name == "always-pull"


ALL_WARN = {
    "image-policy": {"validate"},
    "cise": {"validate"},
    "cise-admit": {"mutate"},
    "cise-va": {"validate"},
}


@pytest.mark.parametrize(
    "settings, expected",
    [
        ("", {"image-policy": {"validate"}}),
        ("warnOnTemplates: false", {}),
        ("profile: openshift-4", {}),
        ("imagePolicy: {controllerOwned: skip}", {}),
        ("imagePolicy: {controllerOwned: trusted}", {}),
        ("cise: {profile: portieris}", ALL_WARN),
        ("cise: {profile: cise}", ALL_WARN),
        ("cise: {profile: cise, parents: trust}", {"image-policy": {"validate"}}),
        ("{warnOnTemplates: false, cise: {profile: cise}}", {}),
    ],
)
def test_which_plug_ins_warn_of_pods(settings: str, expected: dict[str, set[str]]) -> None:
    read = read_settings(read_source(settings, "s").documents[0], "s")
    rules = load_image_policy(RULES.replace("v1", "image.openshift.io/v1") if "openshift-4" in settings else RULES)
    config = MasterConfig(image_policy=rules.config, always_pull=True)
    found = configured_plugins(read, config, read_policies(policy('{name: "*"}'), "p.yaml"))
    assert {each.name: {phase.value for phase in each.warns_in} for each in found if each.warns_in} == expected


RULES = """
kind: ImagePolicyConfig
apiVersion: v1
executionRules:
- {name: a, onResources: [{resource: pods}], matchRegistries: [docker.io]}
"""


def test_image_enforcement_warns_of_kinds_that_it_does_not_know(tmp_path: Path) -> None:
    policies = tmp_path / "policy.yaml"
    policies.write_text(policy('{name: "docker.io/*"}'))
    settings = tmp_path / "imagegate.yaml"
    settings.write_text("policies: [policy.yaml]\ncise: {profile: portieris}\n")
    service = build(StartupOptions(settings_file=settings))
    template = {"spec": {"containers": [{"name": "a", "image": "quay.io/evil/tool:1"}]}}
    answers = {}
    for group, kind, document in (
        ("apps.openshift.io", "DeploymentConfig", {"spec": {"template": template}}),
        ("", "PodTemplate", {"template": template}),
        ("apps", "Deployment", {"spec": {"template": template}}),
    ):
        request = {
            "uid": "u",
            "kind": {"group": group, "version": "v1", "kind": kind},
            "resource": {"group": group, "version": "v1", "resource": f"{kind.lower()}s"},
            "operation": "CREATE",
            "namespace": "default",
            "object": document,
        }
        review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
        response = service.reviewer.review(review, Phase.VALIDATE)["response"]
        answers[kind] = (response["allowed"], [text[:59] for text in response.get("warnings", ())])
    assert answers == {
        "DeploymentConfig": (True, ["cise would deny the Pods of this DeploymentConfig: spec.tem"]),
        "PodTemplate": (True, ["cise would deny the Pods of this PodTemplate: template.spec"]),
        "Deployment": (False, []),
    }
