"""Nothing is written through links, over what is no file, or by halves."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from imagegate.adapters.files.output import write_files, write_new_file
from imagegate.errors import InvalidInput


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Outside of the folder that is written."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home/profile").write_text("precious")
    return tmp_path / "home"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_files_and_folders_are_made_and_replaced(out: Path) -> None:
    (out / "old").write_text("before")
    (out / "old").chmod(0o640)
    write_files({out / "old": "after", out / "new/deep/file": "text"})
    assert (out / "old").read_text() == "after"
    assert stat.S_IMODE((out / "old").stat().st_mode) == 0o640
    assert (out / "new/deep/file").read_text() == "text"
    assert names(out / "new/deep") == ["file"]


def test_relative_paths_and_dots(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(out)
    write_files({Path("a"): "1", Path("./b/c"): "2", Path("../beside"): "3"})
    assert [(out / "a").read_text(), (out / "b/c").read_text(), (out.parent / "beside").read_text()] == ["1", "2", "3"]


@pytest.mark.parametrize("path", ["link", "folder/file", "deep/er/link", "whole/file"])
@pytest.mark.parametrize("is_relative", [False, True])
def test_links_are_refused_and_nothing_is_written(
    out: Path, home: Path, path: str, is_relative: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    (out / "link").symlink_to(home / "profile")
    (out / "folder").symlink_to(home)
    (out / "deep/er").mkdir(parents=True)
    (out / "deep/er/link").symlink_to("../../../home/new")
    (out / "whole").symlink_to("nowhere")
    monkeypatch.chdir(out)
    base = Path() if is_relative else out
    with pytest.raises(InvalidInput, match=r"is a link to .*: nothing is written through links"):
        write_files({base / "first": "1", base / path: "2"})
    assert (home / "profile").read_text() == "precious"
    assert names(home) == ["profile"]
    assert names(out) == ["deep", "folder", "link", "whole"]  # the first file neither: all or none


def test_a_hard_link_is_replaced_not_written_through(out: Path, home: Path) -> None:
    os.link(home / "profile", out / "file")
    write_files({out / "file": "mine"})
    assert ((out / "file").read_text(), (home / "profile").read_text()) == ("mine", "precious")


def test_only_files_are_replaced(out: Path) -> None:
    os.mkfifo(out / "pipe")
    (out / "folder").mkdir()
    for name in names(out):
        with pytest.raises(InvalidInput, match=f"{name}: not written: what stands there is no file"):
            write_files({out / name: "text"})
    (out / "file").write_text("x")
    with pytest.raises(NotADirectoryError, match="file/below"):
        write_files({out / "file/below": "text"})


def test_a_new_file_has_its_mode_from_the_beginning(out: Path, home: Path) -> None:
    write_new_file(out / "a/key", "secret", mode=0o600)
    assert stat.S_IMODE((out / "a/key").stat().st_mode) == 0o600
    with pytest.raises(FileExistsError):
        write_new_file(out / "a/key", "other", mode=0o600)
    (out / "folder").symlink_to(home)
    with pytest.raises(InvalidInput, match="is a link"):
        write_new_file(out / "folder/key", "secret", mode=0o600)
    (out / "link").symlink_to(home / "key")
    with pytest.raises(FileExistsError):
        write_new_file(out / "link", "secret", mode=0o600)
    assert names(home) == ["profile"]
