"""Settings and profile to the behaviour of plug-ins: the profile decides only what is not set."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from imagegate.core.enforcement.behaviour import CLOUDPAK_RESERVED_NAMESPACES, CiseSettings, Parents
from imagegate.core.enforcement.behaviour import Profile as CiseProfile
from imagegate.core.enforcement.policy import PolicyGroup
from imagegate.core.image_policy.behaviour import Behaviour, ControllerOwned, NamespaceOverride, openshift_4
from imagegate.core.import_gate.behaviour import DOCUMENTED, OPENSHIFT_4, Grandfather
from imagegate.core.import_gate.config import ImagePolicyBlock
from imagegate.core.kube.label_selector import LabelSelector
from imagegate.documents.yaml.source import read_source
from imagegate.service.policies.policy_set import Mode, Modes
from imagegate.settings.load import Settings, load_settings, read_settings
from imagegate.wiring.behaviours import (
    cise_behaviour,
    image_policy_behaviour,
    import_gate_behaviour,
    names_nearest_rule,
    plugin_modes,
)

NOTHING = ImagePolicyBlock()


def settings(text: str) -> Settings:
    return read_settings(read_source(text, "s").documents[0], "s")


def test_without_settings_the_profile_decides() -> None:
    assert image_policy_behaviour(settings(""), NOTHING) == Behaviour(names_nearest_rule=True)
    assert image_policy_behaviour(settings("profile: openshift-4"), NOTHING) == openshift_4()
    assert import_gate_behaviour(settings("")) == replace(DOCUMENTED, names_nearest_rule=True)
    assert import_gate_behaviour(settings("profile: openshift-4")) == OPENSHIFT_4


def test_names_of_the_integrated_registry() -> None:
    given = settings("integratedRegistry: {hostname: other:1, aliases: [svc:5000, reg:5000]}")
    named = ImagePolicyBlock(internal_registry_hostname="reg:5000")
    assert image_policy_behaviour(given, named).integrated_registries == ("reg:5000", "svc:5000")
    assert image_policy_behaviour(given, NOTHING).integrated_registries == ("other:1", "svc:5000", "reg:5000")


@pytest.mark.parametrize("profile", ["documented", "openshift-4"])
def test_what_is_set_counts_in_either_profile(profile: str) -> None:
    given = settings(
        f"profile: {profile}\nmessages: {{style: upstream, listRules: false}}\n"
        "imagePolicy: {controllerOwned: trusted, trustedControllers: [u], namespaceOverride: restricted,\n"
        "  defaultRegistry: q.io, unqualifiedAcceptedAsDockerHub: true, requireKnownRepository: true,\n"
        "  exemptNamespaces: [ns], exemptServiceAccounts: [sa]}\n"
        "importGate: {grandfather: none, insecureFallback: both, privilegedImportBypass: full, reviewMappings: true}\n"
    )
    policy = image_policy_behaviour(given, NOTHING)
    assert policy.controller_owned is ControllerOwned.TRUSTED
    assert policy.trusted_controllers == {"u"}
    assert policy.namespace_override is NamespaceOverride.RESTRICTED
    assert (policy.default_registry, policy.unqualified_is_docker_hub) == ("q.io", True)
    assert policy.require_known_repository
    assert policy.exempt_namespaces == {"ns"}
    assert policy.exempt_service_accounts == {"sa"}
    assert policy.upstream_messages
    gate = import_gate_behaviour(given)
    assert gate.grandfather is Grandfather.NONE
    assert (gate.insecure_import_falls_back, gate.bypass_is_full, gate.reviews_mappings) == (True, True, True)
    assert not gate.lists_rules
    assert not gate.modern_words


@pytest.mark.parametrize(
    "text, named",
    [
        ("", True),
        ("messages: {nearestRule: false}", False),
        ("messages: {style: upstream}", False),
        ("messages: {style: modern}", True),
        ("profile: openshift-4", False),
        ("profile: openshift-4\nmessages: {nearestRule: true, style: documented}", False),
    ],
)
def test_the_nearest_rule_is_named_unless_texts_are_the_originals(text: str, named: bool) -> None:
    assert image_policy_behaviour(settings(text), NOTHING).names_nearest_rule is named
    assert import_gate_behaviour(settings(text)).names_nearest_rule is named
    assert names_nearest_rule(settings(text)) is named


def test_message_styles() -> None:
    documented = settings("profile: openshift-4\nmessages: {style: documented}")
    assert not image_policy_behaviour(documented, NOTHING).upstream_messages
    assert import_gate_behaviour(settings("messages: {style: modern}")).modern_words


def test_cise_profiles_and_what_is_set_beside_them() -> None:
    def behaviour(text: str) -> CiseSettings:
        given = settings(text).cise
        assert given is not None
        return cise_behaviour(given)

    for profile in CiseProfile:
        assert behaviour(f"cise: {{profile: {profile}}}") == CiseSettings.for_profile(profile)
    changed = behaviour(
        "cise: {profile: cloudpak, parents: verify, podsOnly: true, reservedNamespaces: [a],"
        " groups: [securityenforcement.admission.cloud.ibm.com/v1beta1], rewriting: never,"
        " simple: {keyNamespaces: [k]}}"
    )
    assert (changed.parents, changed.pods_only) == (Parents.VERIFY, True)
    assert changed.reserved_namespaces == {"a"} != CLOUDPAK_RESERVED_NAMESPACES
    assert changed.groups == (PolicyGroup.CISE,)
    assert changed.simple_key_namespaces == {"k"}


def test_modes_of_every_plug_in() -> None:
    given = settings(
        "imagePolicy: {mode: warn, namespaces: [{selector: {matchLabels: {a: b}}, mode: audit}]}\ncise: {mode: audit}\n"
    )
    assert plugin_modes(given) == {
        "image-policy": Modes(Mode.WARN, ((LabelSelector.of({"a": "b"}), Mode.AUDIT),)),
        "always-pull": Modes(),
        "import-gate": Modes(),
        "cise": Modes(Mode.AUDIT),
    }
    assert "cise" not in plugin_modes(Settings())


def test_the_sample_settings_load(pytestconfig: pytest.Config) -> None:
    sample = Path(pytestconfig.rootpath) / "config" / "imagegate.yaml"
    loaded = load_settings(sample, environ={})
    assert Path(loaded.config).is_file()
    assert all(Path(path).is_dir() for path in loaded.images)
