import pytest

from imagegate.core.profile import Profile


def test_profiles_are_named_as_settings_name_them() -> None:
    assert [Profile(name) for name in ("documented", "openshift-4")] == list(Profile)
    assert f"{Profile.OPENSHIFT_4}" == "openshift-4"
    with pytest.raises(ValueError, match="openshift-3"):
        Profile("openshift-3")
