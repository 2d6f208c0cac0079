"""A 3.11 configuration as image.config.openshift.io: what may be imported before and after, and what is listed."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from imagegate.core.import_gate.behaviour import OPENSHIFT_4
from imagegate.core.import_gate.gate import ImportGate
from imagegate.core.import_gate.transport import Transport
from imagegate.core.profile import Profile
from imagegate.core.references.openshift import ImageReference
from imagegate.documents.convert.image_config import INTEGRATED, ImageConfig, image_config
from imagegate.documents.image_config import read_image_config
from imagegate.documents.master_config import MasterConfig, read_config
from tests.documents.test_master_config import Files

REFERENCES = (
    "docker.io/a/b", "nginx", "quay.io/a/b", "quay.io:5000/a/b", "QUAY.io/a/b", "x.corp/a/b", "corp/a/b",
    "x.corp:80/a/b",
    "reg.corp:5000/a/b", "evil.org/a/b", f"{INTEGRATED}/a/b",
)  # fmt: skip
RULES = "{name: a, onResources: [{resource: pods}], matchRegistries: [quay.io, a.corp]}"
NO_HUB = "{name: evil, onResources: [{resource: pods}], reject: true, matchRegistries: [evil.org]}"
MARKED = "{name: m, onResources: [{resource: pods}], reject: true, matchImageAnnotations: [{key: k}]}"


def read(block: str, *rules: str) -> tuple[MasterConfig, str]:
    text = f"kind: MasterConfig\napiVersion: v1\nimagePolicyConfig:\n{block}"
    if rules:
        policy = (
            f"{{kind: ImagePolicyConfig, apiVersion: v1, resolutionRules: [], executionRules: [{', '.join(rules)}]}}"
        )
        text += f"admissionConfig: {{pluginConfig: {{openshift.io/ImagePolicy: {{configuration: {policy}}}}}}}\n"
    return read_config(text, "m.yaml", Profile.DOCUMENTED, Files()), text


def convert(block: str, *rules: str, allow_wider: bool = False) -> ImageConfig:
    return image_config(*read(block, *rules), allow_wider=allow_wider)


def spec(made: ImageConfig) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(made.text)
    assert (found["apiVersion"], found["kind"]) == ("config.openshift.io/v1", "Image")
    assert found["metadata"] == {"name": "cluster"}
    return found["spec"] or {}


def admitted(gate: ImportGate) -> set[tuple[str, Transport]]:
    return {
        (text, transport)
        for text in REFERENCES
        for transport in Transport
        if gate.admit(ImageReference.parse(text), transport).allowed
    }


LISTS = (
    ["domainName: docker.io", "domainName: quay.io"],
    ["domainName: '*.corp'", "{domainName: '*.corp', insecure: true}", "domainName: reg.corp:5000"],
    ["domainName: '*:*'"],
    ["domainName: '*'", "{domainName: quay.io:5000, insecure: true}"],
)


@pytest.mark.parametrize("entries", LISTS)
def test_the_same_may_be_imported(entries: list[str]) -> None:
    config, text = read("  allowedRegistriesForImport:\n" + "".join(f"  - {entry}\n" for entry in entries))
    made = image_config(config, text)
    after = read_image_config(yaml.safe_load(made.text), Profile.OPENSHIFT_4)
    gates = [
        ImportGate(block.allowed_registries_for_import, behaviour=OPENSHIFT_4)
        for block in (config.import_policy, after)
    ]
    assert admitted(gates[0]) == admitted(gates[1])
    assert made.losses == []


def test_a_list_that_would_be_empty_names_the_integrated_registry() -> None:
    for block in (
        "  allowedRegistriesForImport: []\n",
        "  allowedRegistriesForImport: [{domainName: a, repository: b/c}]\n",
    ):
        made = convert(block)
        after = read_image_config(yaml.safe_load(made.text), Profile.OPENSHIFT_4)
        gate = ImportGate(after.allowed_registries_for_import, behaviour=OPENSHIFT_4)
        assert {text for text, _ in admitted(gate)} == {f"{INTEGRATED}/a/b"}
        assert made.losses


def test_other_fields() -> None:
    made = convert(
        "  externalRegistryHostname: ext.corp\n  internalRegistryHostname: int.svc:5000\n"
        "  disableScheduledImport: true\n"
        "  imageStreamImportMode: PreserveOriginal\n"
        "  allowedRegistriesForImport:\n  # ours\n  - domainName: Quay.IO  # all\n"
    )
    assert spec(made) == {
        "externalRegistryHostnames": ["ext.corp"],
        "imageStreamImportMode": "PreserveOriginal",
        "allowedRegistriesForImport": [{"domainName": "quay.io"}],
    }
    assert "    # ours\n    # all\n    - domainName" in made.text
    assert [loss.path for loss in made.losses] == [
        "imagePolicyConfig.allowedRegistriesForImport[0]",
        "imagePolicyConfig.internalRegistryHostname",
        "imagePolicyConfig.disableScheduledImport",
    ]


@pytest.mark.parametrize(
    "rules, allow_wider, sources, effects",
    [
        ([RULES], False, {"allowedRegistries": ["quay.io", "a.corp"]}, {"narrower"}),
        ([RULES, NO_HUB], False, {"allowedRegistries": ["quay.io", "a.corp"]}, {"narrower"}),
        ([NO_HUB], False, None, {"unenforced"}),
        ([NO_HUB], True, {"blockedRegistries": ["evil.org", "evil.org:443", "evil.org:80"]}, {"wider"}),
        ([RULES, MARKED], False, None, {"unenforced"}),
        ([RULES, MARKED], True, {"allowedRegistries": ["quay.io", "a.corp"]}, {"narrower", "wider"}),
        ([RULES.replace("matchRegistries: [quay.io, a.corp]", "matchRegistryPatterns: ['*.corp']")], False, None,
         {"narrower", "unenforced"}),
        ([RULES.replace("matchRegistries: [quay.io, a.corp]", "matchRegistryPatterns: ['*.corp']")], True,
         {"allowedRegistries": ["*.corp"]}, {"narrower", "wider"}),
        (["{name: all, onResources: [{resource: pods}]}"], False, None, set()),
    ],
)  # fmt: skip
def test_execution_rules(
    rules: list[str], allow_wider: bool, sources: dict[str, list[str]] | None, effects: set[str]
) -> None:
    made = convert("  disableScheduledImport: false\n", *rules, allow_wider=allow_wider)
    assert spec(made).get("registrySources") == sources
    assert {str(loss.effect) for loss in made.losses} == effects
