"""The two presets: every choice of profile documented is a defect of the original that openshift-4 repeats."""

from __future__ import annotations

from dataclasses import fields

import pytest

from imagegate.core.image_policy.behaviour import Behaviour, ControllerOwned, openshift_4

OPT_IN = {
    "external_registries",
    "trusted_controllers",
    "namespace_override",
    "default_registry",
    "unqualified_is_docker_hub",
    "require_known_repository",
    "exempt_namespaces",
    "exempt_service_accounts",
    "names_nearest_rule",
}
"""Chosen by settings alone, the same in both profiles."""


@pytest.mark.parametrize("name", [each.name for each in fields(Behaviour) if each.name != "integrated_registries"])
def test_the_presets_differ_in_every_choice_that_settings_do_not_make(name: str) -> None:
    differs = getattr(Behaviour(), name) != getattr(openshift_4(), name)
    assert differs is (name not in OPT_IN)


def test_neither_preset_trusts_owner_references() -> None:
    assert Behaviour().controller_owned is ControllerOwned.VALIDATE
    assert openshift_4().controller_owned is ControllerOwned.SKIP, "as the original, defects included"


def test_the_first_name_is_the_configured_one() -> None:
    assert openshift_4("reg:5000").integrated_registry == "reg:5000"
    assert Behaviour(integrated_registries=("a", "b")).integrated_registry == "a"
    assert Behaviour().integrated_registry == ""
