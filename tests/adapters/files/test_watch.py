from __future__ import annotations

import errno
import os
import shutil
import threading
from pathlib import Path

import pytest

from imagegate.adapters.files.watch import FileWatch, fingerprint


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "a.yaml").write_text("one")
    return tmp_path / "f"


def watching(*paths: Path) -> FileWatch:
    """A watch of files that were read as they are."""
    return FileWatch(fingerprint(paths))


def change(file: Path, how: str) -> None:
    match how:
        case "write":
            file.write_text("longer")
        case "same-size":
            file.write_text("two")
            os.utime(file, ns=(0, 0))
        case "same-size-same-time":
            times = file.stat()
            file.write_text("two")
            os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
        case "replace":
            (file.parent.parent / "new").write_text("one")
            (file.parent.parent / "new").rename(file)
        case "remove":
            file.unlink()
        case "add":
            (file.parent / "b.yaml").write_text("two")
        case "mode":
            file.chmod(0)
        case "folder":
            file.unlink()
            file.mkdir()
        case "pipe":
            file.unlink()
            os.mkfifo(file)
        case "link":
            (file.parent.parent / "other").write_text("one")
            (file.parent.parent / "link").symlink_to(file.parent.parent / "other")
            (file.parent.parent / "link").rename(file)


CHANGES = [
    "write",
    "same-size",
    "same-size-same-time",
    "replace",
    "remove",
    "add",
    "mode",
    "folder",
    "pipe",
    "link",
]


def test_nothing_changed(folder: Path) -> None:
    watch = watching(folder, folder / "a.yaml")
    assert not watch.look([folder, folder / "a.yaml"])
    assert watch.rests()


@pytest.mark.parametrize("how", CHANGES)
def test_every_change_is_said_once_two_looks_agree(folder: Path, how: str) -> None:
    watch = watching(folder)
    change(folder / "a.yaml", how)
    assert not watch.look([folder])
    assert not watch.rests()
    assert watch.look([folder])
    watch.acted(watch.mark([folder]))
    assert not watch.look([folder])


def test_a_file_that_is_being_written_is_not_said_before_it_rests(folder: Path) -> None:
    watch = watching(folder)
    for size in range(10, 20):
        (folder / "a.yaml").write_text("x" * size)
        assert not watch.look([folder])
    assert watch.look([folder])


def test_a_change_after_reading_is_seen(folder: Path) -> None:
    watch = watching(folder)
    mark = watch.mark([folder])
    (folder / "a.yaml").write_text("written meanwhile")
    watch.acted(mark)
    watch.look([folder])
    assert watch.look([folder])


def test_a_file_that_is_not_there_yet_is_awaited(tmp_path: Path) -> None:
    later = tmp_path / "later.yaml"
    watch = watching(later)
    assert not watch.look([later])
    later.write_text("now")
    watch.look([later])
    assert watch.look([later])


def test_folders_that_come_and_go_while_it_looks_are_no_error(folder: Path) -> None:
    """As a kubelet and git-sync make and remove them; cluster finding 1, review B1."""
    ends = threading.Event()

    def churn() -> None:
        number = 0
        while not ends.is_set():
            number += 1
            for part in range(6):
                inside = folder / f"rev{number}" / f"d{part}" / "e"
                inside.mkdir(parents=True)
                (inside / "p.yaml").touch()
            shutil.rmtree(folder / f"rev{number}")

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        seen = {len(fingerprint([folder])) for _ in range(1500)}
    finally:
        ends.set()
        thread.join()
    assert len(seen) > 1, "documents were seen to come and go"


def test_a_vanishing_folder_is_a_state_and_one_that_cannot_be_seen_an_error(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "sub").mkdir()
    for number, is_error in ((errno.ENOENT, False), (errno.ENOTDIR, False), (errno.EMFILE, True), (errno.EACCES, True)):

        def scandir(path: Path, number: int = number) -> object:
            raise OSError(number, os.strerror(number), str(path))

        monkeypatch.setattr(os, "scandir", scandir)
        if is_error:
            with pytest.raises(OSError, match=os.strerror(number)):
                fingerprint([folder])
        else:
            assert len(fingerprint([folder])) == 1


def test_what_is_no_document_does_not_matter(folder: Path) -> None:
    """Or a neighbour that writes there all the time would keep a changed policy from being read."""
    watch = watching(folder)
    (folder / "README.txt").write_text("two")
    (folder / "sub").mkdir()
    (folder / ".p.yaml.swp").write_text("an editor's")
    assert not watch.look([folder])
    assert watch.rests()
    for name in ("q.json", "p.yaml.sha256", "sub/r.yml"):
        (folder / name).write_text("{}")
        watch.look([folder])
        assert watch.look([folder])
        watch.acted(watch.mark([folder]))
