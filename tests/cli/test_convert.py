"""``imagegate convert`` as it is typed."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagegate.cli.main import main
from imagegate.documents.image_policies import read_policies
from tests.support.enforcement_setup import CISE_GROUP, policy

V1 = "portieris.cloud.ibm.com/v1"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "policies/team").mkdir(parents=True)
    (tmp_path / "policies/cluster.yaml").write_text(
        policy("{name: a, policy: {va: {enabled: true}}}", group=CISE_GROUP)
    )
    (tmp_path / "policies/team/own.yml").write_text(policy("{name: b}", namespace="team"))
    (tmp_path / "policies/notes.txt").write_text("not a policy")
    return tmp_path / "policies"


def test_to_standard_output(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", str(folder)]) == 0
    out, err = capsys.readouterr()
    assert [each.group.value for each in read_policies(out, "out").policies] == [V1, V1]
    assert err == f"1 policy converted to {V1}\n"


def test_to_a_folder_and_in_place(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (folder / "team/own.yml").read_text()
    assert main(["convert", "--to", "cise", str(folder), "--output-folder", str(tmp_path / "new")]) == 0
    assert f"apiVersion: {CISE_GROUP}" in (tmp_path / "new/team/own.yml").read_text()
    assert (folder / "team/own.yml").read_text() == before
    assert main(["convert", "--to", "cise", str(folder), "--in-place"]) == 0
    assert (folder / "team/own.yml").read_text() == (tmp_path / "new/team/own.yml").read_text()


def test_nothing_is_written_where_one_file_is_wrong(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "wrong.yaml").write_text(policy("{name: 5}"))
    before = (folder / "cluster.yaml").read_text()
    assert main(["convert", str(folder), "--in-place"]) == 2
    assert (folder / "cluster.yaml").read_text() == before
    assert "wrong.yaml:7: spec.repositories[0].name: expected string" in capsys.readouterr().err


def test_links_are_not_written_through(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A checkout whose output folder holds a link to a start-up file, or to a folder."""
    profile, out = tmp_path / "home/profile", tmp_path / "converted"
    profile.parent.mkdir()
    profile.write_text("precious")
    for link, target in ((out / "cluster.yaml", profile), (out / "team", profile.parent), (out, profile.parent)):
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(target)
        assert main(["convert", "--to", "cise", str(folder), "--output-folder", str(out)]) == 2
        assert "is a link to" in capsys.readouterr().err
        assert [path.name for path in profile.parent.iterdir()] == ["profile"]
        assert profile.read_text() == "precious"
        link.unlink()
        if link != out:
            assert list(out.iterdir()) == []  # the other file was not written either
            out.rmdir()
    assert main(["convert", "--to", "cise", str(folder), "--output-folder", str(out)]) == 0


def test_in_place_is_not_through_links(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    elsewhere = tmp_path / "other.yaml"
    elsewhere.write_text((folder / "cluster.yaml").read_text())
    (folder / "zlink.yaml").symlink_to(elsewhere)
    elsewhere.write_text(elsewhere.read_text().replace("name: p", "name: q"))
    before = {path: path.read_text() for path in (elsewhere, folder / "cluster.yaml")}
    assert main(["convert", str(folder), "--in-place"]) == 2
    assert "zlink.yaml: is a link to" in capsys.readouterr().err
    assert {path: path.read_text() for path in before} == before
    (folder / "zlink.yaml").unlink()
    mode = 0o640
    (folder / "cluster.yaml").chmod(mode)
    assert main(["convert", str(folder), "--in-place"]) == 0
    assert (folder / "cluster.yaml").stat().st_mode & 0o777 == mode


def test_two_files_of_one_name_are_not_written_over_each_other(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    second = tmp_path / "second"
    second.mkdir()
    (second / "cluster.yaml").write_text("kind: ConfigMap\napiVersion: v1\n")
    out = tmp_path / "converted"
    assert main(["convert", str(folder), str(second), "--output-folder", str(out)]) == 2
    assert f"{out}/cluster.yaml: two files would be written there" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize("line", ["# ::set-output", "#\t##vso[a]", "# \u202e", "# \u200bx", "::error::x: 1"])
def test_a_line_that_is_a_command_to_a_ci_system_is_not_printed(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], line: str
) -> None:
    comment = line.lstrip("# ") if line.startswith("# ::") else line
    text = f"kind: ConfigMap\napiVersion: v1\ndata:\n  a: |\n    {comment}\n"
    (folder / "map.yaml").write_text(text)
    assert main(["convert", str(folder)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "map.yaml: line 5 of the result is not printed" in err
    assert main(["convert", str(folder), "--output-folder", str(tmp_path / "new")]) == 0
    assert (tmp_path / "new/map.yaml").read_text() == text


def test_two_destinations(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", str(folder), "--in-place", "--output-folder", "x"]) == 2
