"""Configuration documents read from the file system."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagegate.adapters.files.config import ReferencedDiskFiles, load_config
from imagegate.core.profile import Profile
from imagegate.documents.yaml.source import DOCUMENT_MAX_BYTES
from imagegate.errors import InvalidPolicy

POLICY = "kind: ImagePolicyConfig\napiVersion: v1\nexecutionRules:\n- name: located\n"


def master(location: str, rest: str = "") -> str:
    return f"admissionConfig:\n  pluginConfig:\n    openshift.io/ImagePolicy:\n      location: {location}\n{rest}"


def test_locations_are_relative_to_the_file_that_names_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "policy.yaml").write_text(POLICY, encoding="utf-8")
    (tmp_path / "ca.pem").write_text("x", encoding="utf-8")
    file = tmp_path / "master-config.yaml"
    file.write_text(master("sub/policy.yaml", "imagePolicyConfig: {additionalTrustedCA: ca.pem}\n"), encoding="utf-8")
    monkeypatch.chdir("/")
    config = load_config(file)
    assert config.image_policy is not None
    assert config.image_policy.execution_rules[0].name == "located"
    located = str(tmp_path / "sub" / "policy.yaml")
    assert config.places["executionRules[0]"] == (located, 4)
    assert config.import_policy.additional_trusted_ca == str(tmp_path / "ca.pem")
    assert config.located_files == (located, str(tmp_path / "ca.pem"))


def test_an_absolute_location(tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY, encoding="utf-8")
    file = tmp_path / "m.yaml"
    file.write_text(master(str(policy)), encoding="utf-8")
    assert load_config(file).image_policy is not None


@pytest.mark.parametrize("profile", list(Profile))
def test_what_cannot_be_read_is_said_with_its_path(tmp_path: Path, profile: Profile) -> None:
    with pytest.raises(InvalidPolicy, match=r"nowhere\.yaml: cannot be read: No such file or directory"):
        load_config(tmp_path / "nowhere.yaml", profile)
    with pytest.raises(InvalidPolicy, match="cannot be read: Is a directory"):
        load_config(tmp_path, profile)
    file = tmp_path / "m.yaml"
    file.write_text(master("nowhere.yaml"), encoding="utf-8")
    with pytest.raises(InvalidPolicy, match=r"m\.yaml:4: .*nowhere\.yaml cannot be read: No such file or directory"):
        load_config(file, profile)


def test_a_file_beyond_the_limit_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "large.yaml").open("wb") as file:
        file.truncate(DOCUMENT_MAX_BYTES + 1)
    with pytest.raises(InvalidPolicy, match=f"larger than {DOCUMENT_MAX_BYTES} bytes"):
        load_config(tmp_path / "large.yaml")


def test_a_device_is_not_read() -> None:
    with pytest.raises(InvalidPolicy, match="/dev/zero: cannot be read: it is a device, not a file"):
        load_config(Path("/dev/zero"))


def test_neighbours(tmp_path: Path) -> None:
    files = ReferencedDiskFiles(tmp_path)
    assert files.name("a") == f"{tmp_path}/a"
    assert not files.exists("a")
    (tmp_path / "a").write_text("x", encoding="utf-8")
    assert files.exists("a")
    assert files.read("a") == b"x"
    assert not files.exists(".")
