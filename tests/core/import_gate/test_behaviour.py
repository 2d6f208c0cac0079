"""The presets of the two profiles, and the choices that a setting changes."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from imagegate.core.import_gate.behaviour import DOCUMENTED, OPENSHIFT_4, GateBehaviour, Grandfather, behaviour_of
from imagegate.core.profile import Profile


def test_each_profile_has_its_preset() -> None:
    assert behaviour_of(Profile.DOCUMENTED) is DOCUMENTED
    assert behaviour_of(Profile.OPENSHIFT_4) is OPENSHIFT_4


def test_the_documented_profile_is_the_stricter_one() -> None:
    assert not DOCUMENTED.empty_list_allows_all
    assert not DOCUMENTED.tells_existence
    assert not DOCUMENTED.schedule_inherits
    assert OPENSHIFT_4.empty_list_allows_all


def test_neither_preset_weakens_the_checks_that_only_a_setting_may_weaken() -> None:
    for preset in (DOCUMENTED, OPENSHIFT_4):
        assert preset.grandfather is Grandfather.REPOSITORY
        assert not preset.insecure_import_falls_back
        assert not preset.bypass_is_full
        assert not preset.reviews_mappings


def test_a_behaviour_cannot_change() -> None:
    with pytest.raises(FrozenInstanceError):
        GateBehaviour().fold_case = False  # type: ignore[misc]
