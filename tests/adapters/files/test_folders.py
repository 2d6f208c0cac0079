"""What counts as a document in a folder, for all who read one."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from imagegate.adapters.files.cluster import load_cluster_files
from imagegate.adapters.files.folders import ENTRIES_MAX, below, documents_below
from imagegate.adapters.files.image_streams import load_image_streams
from imagegate.cli.lint.files import lint_paths
from imagegate.core.profile import Profile
from imagegate.errors import InvalidPolicy

POLICY = """apiVersion: portieris.cloud.ibm.com/v1
kind: ClusterImagePolicy
metadata: {name: all}
spec: {repositories: [{name: "one.example.com/*", policy: }]}
"""
IMAGE = """apiVersion: image.openshift.io/v1
kind: ImageStream
metadata: {name: app, namespace: default}
"""


def mounted(folder: Path, name: str, text: str, generation: int = 1) -> Path:
    """A ConfigMap as a kubelet mounts it, or updates it."""
    data = folder / f"..2026_11_27_00_00_00.{generation}"
    (data / name).parent.mkdir(parents=True)
    (data / name).write_text(text)
    (folder / "..data_tmp").symlink_to(data.name)
    (folder / "..data_tmp").rename(folder / "..data")
    shown = folder / Path(name).parts[0]
    if not shown.is_symlink():
        shown.symlink_to(f"..data/{shown.name}")
    return folder


@pytest.mark.parametrize("name", ["p.yaml", "team/p.yaml"])
def test_a_mounted_config_map_is_read_once(tmp_path: Path, name: str) -> None:
    """Cluster finding 8: the same policy was found in ``..data``, in ``..2026_...`` and under its name."""
    folder = mounted(tmp_path, name, POLICY)
    assert documents_below(folder) == [folder / name]
    assert len(load_cluster_files([folder]).policies.policies) == 1
    assert [finding.code for finding in lint_paths([folder], Profile.DOCUMENTED) if "twice" in finding.text] == []


def test_a_mounted_config_map_of_images(tmp_path: Path) -> None:
    folder = mounted(tmp_path, "images.yaml", IMAGE)
    (folder / "..2026_11_27_00_00_00.1" / "images.yaml").write_text(IMAGE.replace("app", "changed"))
    assert [resource for resource, _ in load_image_streams([folder]).storable()] == ["imagestreams"]


def test_links_are_followed_inside_of_the_folder_only(tmp_path: Path) -> None:
    outside, folder = tmp_path / "outside", tmp_path / "folder"
    for each in (outside, folder / "real"):
        each.mkdir(parents=True)
        (each / "p.yaml").write_text(POLICY)
    (folder / "a-link").symlink_to("real")
    (folder / "round").symlink_to(".")
    (folder / "out").symlink_to(outside)
    assert documents_below(folder) == [folder / "real" / "p.yaml"]


def test_a_link_to_the_folder_itself_is_followed(tmp_path: Path) -> None:
    (tmp_path / "rev1").mkdir()
    (tmp_path / "rev1" / "p.yaml").write_text(POLICY)
    (tmp_path / "current").symlink_to("rev1")
    assert documents_below(tmp_path / "current") == [tmp_path / "current" / "p.yaml"]


def dangling(path: Path) -> None:
    path.symlink_to("nowhere")


def looping(path: Path) -> None:
    path.symlink_to(path.name)


@pytest.mark.parametrize(
    "make, why",
    [
        (dangling, "a link to nothing"),
        (looping, "a link to nothing"),
        (os.mkfifo, "no regular file"),
        (Path.mkdir, "a folder"),
    ],
)
def test_what_stands_in_the_place_of_a_document_is_not_passed_over(
    tmp_path: Path, make: Callable[[Path], None], why: str
) -> None:
    (tmp_path / "q.yaml").write_text(POLICY)
    make(tmp_path / "p.yaml")
    with pytest.raises(InvalidPolicy, match=f"p.yaml: {why}, under the name of a document"):
        load_cluster_files([tmp_path])
    (tmp_path / "p.yaml").rename(tmp_path / "p.txt")
    assert documents_below(tmp_path) == [tmp_path / "q.yaml"]


def test_an_editors_lock_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / ".#p.yaml").symlink_to("somebody@host.4711")
    (tmp_path / "p.yaml").write_text(POLICY)
    assert documents_below(tmp_path) == [tmp_path / "p.yaml"]


def test_a_folder_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ENTRIES_MAX >= 100_000
    monkeypatch.setattr("imagegate.adapters.files.folders.ENTRIES_MAX", 10)
    for number in range(11):
        (tmp_path / f"{number}.yaml").write_text(POLICY)
    with pytest.raises(OSError, match="more than 10 files"):
        list(below(tmp_path))
