"""What counts as a document in a folder, for all who read one."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from imagegate.adapters.files.cluster import load_cluster_files
from imagegate.adapters.files.documents import DiskDocuments
from imagegate.adapters.files.folders import ENTRIES_MAX
from imagegate.adapters.files.image_streams import load_image_streams
from imagegate.adapters.files.walk import Document, Fault, PassedOver, Walk
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


def documents_below(folder: Path) -> list[Path]:
    """The documents in a folder, as all readers of policies see them."""
    return DiskDocuments().below(folder)


def said_of(*paths: Path) -> list[str]:
    """What is not read, and why, without the folder of the first path."""
    top = paths[0] if paths[0].is_dir() else paths[0].parent
    return [str(each).replace(f"{top}/", "") for each in Walk().over(paths) if not isinstance(each, Document)]


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
        (dangling, "a link to nowhere, which does not exist"),
        (looping, "a link in a circle"),
        (os.mkfifo, "a pipe, under the name of a document"),
        (Path.mkdir, "an empty folder, under the name of a document"),
    ],
)
def test_what_stands_in_the_place_of_a_document_is_not_passed_over(
    tmp_path: Path, make: Callable[[Path], None], why: str
) -> None:
    """Docker makes an empty folder where a file is to be mounted that is not there."""
    (tmp_path / "q.yaml").write_text(POLICY)
    make(tmp_path / "p.yaml")
    with pytest.raises(InvalidPolicy, match=f"p.yaml: {why}"):
        load_cluster_files([tmp_path])
    (tmp_path / "p.yaml").rename(tmp_path / "p.txt")
    assert documents_below(tmp_path) == [tmp_path / "q.yaml"]


def test_all_faults_are_said_at_once(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yaml"):
        dangling(tmp_path / name)
    with pytest.raises(InvalidPolicy) as refused:
        documents_below(tmp_path)
    assert len(refused.value.lines) == 2
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).unlink()
        (tmp_path / name).write_text("a: [\n")
    with pytest.raises(InvalidPolicy) as refused:
        load_cluster_files([tmp_path])
    assert [line.partition(":")[0] for line in refused.value.lines] == [f"{tmp_path}/a.yaml", f"{tmp_path}/b.yaml"]
    with pytest.raises(InvalidPolicy) as refused:
        load_image_streams([tmp_path])
    assert len(refused.value.lines) == 2


def test_an_editors_lock_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / ".#p.yaml").symlink_to("somebody@host.4711")
    (tmp_path / "p.yaml").write_text(POLICY)
    assert documents_below(tmp_path) == [tmp_path / "p.yaml"]


def test_a_folder_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ENTRIES_MAX >= 100_000
    monkeypatch.setattr("imagegate.adapters.files.documents.ENTRIES_MAX", 10)
    for number in range(11):
        (tmp_path / f"{number}.txt").write_text(POLICY)
    with pytest.raises(InvalidPolicy, match="more than 10 files"):
        load_cluster_files([tmp_path])


class TestOneFileUnderTwoNames:
    """It is read once, by its real name if that is in the folder, and the other name is said."""

    def test_links_and_hard_links(self, tmp_path: Path) -> None:
        (tmp_path / "real.yaml").write_text(POLICY)
        (tmp_path / "a.yaml").symlink_to("real.yaml")
        (tmp_path / "sub").mkdir()
        (tmp_path / "sub/hard.yaml").hardlink_to(tmp_path / "real.yaml")
        (tmp_path / "sub/link.yaml").symlink_to("../a.yaml")
        assert documents_below(tmp_path) == [tmp_path / "real.yaml"]
        assert said_of(tmp_path) == [
            "sub/hard.yaml: passed over: it is real.yaml, which is read already",
            "a.yaml: passed over: it is real.yaml, which is read already",
            "sub/link.yaml: passed over: it is real.yaml, which is read already",
        ]
        assert len(load_cluster_files([tmp_path]).policies.policies) == 1

    def test_a_file_that_several_links_lead_to(self, tmp_path: Path) -> None:
        folder = tmp_path / "folder"
        folder.mkdir()
        (tmp_path / "elsewhere.yaml").write_text(POLICY)
        for name in ("a.yaml", "b.yaml"):
            (folder / name).symlink_to("../elsewhere.yaml")
        assert documents_below(folder) == [folder / "a.yaml"]

    @pytest.mark.parametrize("again", [".", "p.yaml", "link", "./p.yaml", "link/p.yaml"])
    def test_what_is_named_twice(self, tmp_path: Path, again: str) -> None:
        folder = tmp_path / "folder"
        folder.mkdir()
        (folder / "p.yaml").write_text(POLICY)
        (folder / "link").symlink_to(folder)
        assert all("passed over: it is " in each for each in said_of(folder, Path(f"{folder}/{again}")))
        documents = DiskDocuments(keep=True)
        paths = [folder, Path(f"{folder}/{again}")]
        assert len(load_cluster_files(paths, documents=documents).policies.policies) == 1
        assert any("read already" in each for each in documents.passed_over()) or again == "."

    def test_files_of_a_file_system_without_numbers(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where all files have one number, they have one name each."""
        for name in ("a.yaml", "b.yaml"):
            (tmp_path / name).write_text(POLICY)
        assert [each.path.name for each in Walk().path(tmp_path) if isinstance(each, Document)] == ["a.yaml", "b.yaml"]


class TestHiddenFolders:
    def test_they_are_said(self, tmp_path: Path) -> None:
        for name in (".git", "sub/.x", "..old"):
            (tmp_path / name).mkdir(parents=True)
            (tmp_path / name / "p.yaml").write_text(POLICY)
        (tmp_path / ".p.yaml").write_text(POLICY)
        assert documents_below(tmp_path) == [tmp_path / ".p.yaml"]
        assert said_of(tmp_path) == [
            "..old: passed over: a hidden folder",
            ".git: passed over: a hidden folder",
            "sub/.x: passed over: a hidden folder",
        ]
        assert documents_below(tmp_path / ".git") == [tmp_path / ".git/p.yaml"]

    def test_a_folder_that_only_looks_like_a_volume_is_said(self, tmp_path: Path) -> None:
        """``kubectl apply -R`` reads it."""
        folder = mounted(tmp_path / "volume", "p.yaml", POLICY)
        assert said_of(folder) == []
        data = folder / "..2026_11_27_00_00_00.1"
        (data / "unseen.yaml").write_text(POLICY)
        assert "..2026_11_27_00_00_00.1: passed over: a hidden folder" in said_of(folder)
        (data / "unseen.yaml").unlink()
        stale = folder / "..2026_11_26_00_00_00.1"
        stale.mkdir()
        assert said_of(folder) == ["..2026_11_26_00_00_00.1: passed over: a hidden folder"]

    def test_a_volume_that_was_copied_without_links_is_said(self, tmp_path: Path) -> None:
        (tmp_path / "..2026_11_27_00_00_00.1").mkdir()
        (tmp_path / "..data").write_text("..2026_11_27_00_00_00.1")
        assert said_of(tmp_path) == ["..2026_11_27_00_00_00.1: passed over: a hidden folder"]

    def test_a_checkout_that_is_switched_by_a_link(self, tmp_path: Path) -> None:
        """As git-sync does it."""
        (tmp_path / ".worktrees/abc").mkdir(parents=True)
        (tmp_path / ".worktrees/abc/p.yaml").write_text(POLICY)
        (tmp_path / "current").symlink_to(".worktrees/abc")
        assert documents_below(tmp_path) == [tmp_path / "current/p.yaml"]
        assert documents_below(tmp_path / "current") == [tmp_path / "current/p.yaml"]


class TestFaults:
    def test_each_is_an_item_and_the_rest_is_found(self, tmp_path: Path) -> None:
        (tmp_path / "p.yaml").write_text(POLICY)
        dangling(tmp_path / "folder")
        looping(tmp_path / "loop.json")
        os.mkfifo(tmp_path / "pipe.yml")
        (tmp_path / "zero.yaml").symlink_to("/dev/zero")
        found = list(Walk().path(tmp_path))
        assert [type(each) for each in found] == [Document, Fault, Fault, Fault, Fault]
        assert said_of(tmp_path) == [
            "pipe.yml: a pipe, under the name of a document",
            "folder: a link to nowhere, which does not exist",
            "loop.json: a link in a circle",
            "zero.yaml: a device, under the name of a document",
        ]

    @pytest.mark.parametrize("name", ["readme.md", "notes.txt"])
    def test_broken_links_of_other_files_are_none(self, tmp_path: Path, name: str) -> None:
        dangling(tmp_path / name)
        assert said_of(tmp_path) == []

    def test_links_that_lead_out(self, tmp_path: Path) -> None:
        folder = tmp_path / "folder"
        folder.mkdir()
        (folder / "out").symlink_to("..")
        (folder / "root").symlink_to("/")
        (folder / "round").symlink_to(".")
        assert said_of(folder) == [
            "out: passed over: a link to a folder elsewhere",
            "root: passed over: a link to a folder elsewhere",
            f"round: passed over: it is {folder}, which is read already",
        ]
        assert all(isinstance(each, PassedOver) for each in Walk().path(folder))

    def test_a_deep_tree(self, tmp_path: Path) -> None:
        """Deeper than a path may be long: the system's own limit is said."""
        here = Path.cwd()
        try:
            os.chdir(tmp_path)
            for _ in range(25):
                Path("d" * 200).mkdir()
                os.chdir("d" * 200)
        finally:
            os.chdir(here)
        (said,) = said_of(tmp_path)
        assert said.endswith("cannot be read: File name too long")


def test_a_file_that_is_named_twice_is_said(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(POLICY)
    documents = DiskDocuments()
    load_cluster_files([tmp_path / "p.yaml", tmp_path], documents=documents)
    assert documents.passed_over() == (f"{tmp_path}/p.yaml: passed over: it is read already",)
