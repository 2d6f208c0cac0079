"""The defaults of each profile (docs/spec/enforcement.md 1)."""

from __future__ import annotations

import pytest

from imagegate.core.enforcement.behaviour import CLOUDPAK_RESERVED_NAMESPACES, CiseSettings, Parents, Profile


@pytest.mark.parametrize(
    "profile, parents, pods_only, reserved",
    [
        (Profile.CISE, Parents.EXAMINE, True, frozenset()),
        (Profile.CLOUDPAK, Parents.EXAMINE, False, CLOUDPAK_RESERVED_NAMESPACES),
        (Profile.PORTIERIS, Parents.VERIFY, False, frozenset()),
    ],
)
def test_profiles(profile: Profile, parents: Parents, pods_only: bool, reserved: frozenset[str]) -> None:
    found = CiseSettings.for_profile(profile)
    assert (found.profile, found.parents, found.pods_only) == (profile, parents, pods_only)
    assert found.reserved_namespaces == reserved


@pytest.mark.parametrize("profile", Profile)
def test_no_profile_trusts_an_owner_reference(profile: Profile) -> None:
    assert CiseSettings.for_profile(profile).parents is not Parents.TRUST
