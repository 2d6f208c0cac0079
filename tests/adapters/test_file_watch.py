from __future__ import annotations

import os
from pathlib import Path

import pytest

from imagegate.adapters.file_watch import FileWatch
from tests.support.processes import wait_until


class Watched:
    def __init__(self, *paths: Path) -> None:
        self.changes = 0
        self.watch = FileWatch(lambda: paths, self._changed, every_s=0.01)

    def _changed(self) -> None:
        self.changes += 1


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "a.yaml").write_text("one")
    return tmp_path / "f"


def test_nothing_changed(folder: Path) -> None:
    watched = Watched(folder, folder / "a.yaml")
    assert not watched.watch.look()
    assert watched.changes == 0


@pytest.mark.parametrize("change", ["write", "same-size", "replace", "remove", "add", "link"])
def test_every_change_is_noticed_once(folder: Path, change: str) -> None:
    watched = Watched(folder)
    file = folder / "a.yaml"
    match change:
        case "write":
            file.write_text("longer")
        case "same-size":
            file.write_text("two")
            os.utime(file, ns=(0, 0))
        case "replace":
            (folder.parent / "new").write_text("one")
            (folder.parent / "new").rename(file)
        case "remove":
            file.unlink()
        case "add":
            (folder / "b.yaml").write_text("two")
        case "link":
            (folder.parent / "other").write_text("one")
            (folder.parent / "link").symlink_to(folder.parent / "other")
            (folder.parent / "link").rename(file)
    assert watched.watch.look()
    assert not watched.watch.look()
    assert watched.changes == 1


def test_a_file_that_is_not_there_yet_is_awaited(tmp_path: Path) -> None:
    watched = Watched(tmp_path / "later.yaml")
    assert not watched.watch.look()
    (tmp_path / "later.yaml").write_text("now")
    assert watched.watch.look()


def test_a_change_while_the_files_are_read_is_seen_the_next_time(folder: Path) -> None:
    texts = iter(["written meanwhile"])

    def changed() -> None:
        for text in texts:
            (folder / "a.yaml").write_text(text)

    watch = FileWatch(lambda: [folder], changed, every_s=1)
    (folder / "a.yaml").write_text("longer")
    assert watch.look()
    assert watch.look()
    assert not watch.look()


def test_a_thread_keeps_looking_until_it_is_stopped(folder: Path) -> None:
    watched = Watched(folder)
    watched.watch.start()
    (folder / "a.yaml").write_text("longer")
    wait_until(lambda: watched.changes == 1, "the change")
    watched.watch.stop()
