"""``imagegate convert`` as it is typed."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagegate.cli.main import main
from imagegate.policy.cluster_image_policy import read_policies
from tests.support.cise_world import CISE_GROUP, policy

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
    assert "wrong.yaml:7: spec.repositories[0].name: expected text" in capsys.readouterr().err


def test_two_destinations(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", str(folder), "--in-place", "--output-folder", "x"]) == 2
