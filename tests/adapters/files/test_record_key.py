"""The key of the records: given in a file, or made once and kept."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from imagegate.adapters.files.record_key import KeyNotKept, given_key, kept_key
from imagegate.errors import InvalidSettings


def test_made_once_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "state" / "images.db.record-key"
    key = kept_key(path)
    assert len(key) == 32
    assert kept_key(path) == key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [each.name for each in path.parent.iterdir()] == [path.name]  # nothing is left beside it
    assert kept_key(tmp_path / "other" / "key") != key


def test_processes_that_start_together_share_it(tmp_path: Path) -> None:
    path = tmp_path / "state" / "key"
    with ProcessPoolExecutor(8, mp_context=get_context("spawn")) as pool:
        assert len(set(pool.map(kept_key, [path] * 32))) == 1


@pytest.mark.parametrize("size", [0, 1, 22, 60, 100, 151])
def test_cut_off(tmp_path: Path, size: int) -> None:
    path = tmp_path / "key"
    key = kept_key(path)
    whole = path.read_bytes()
    assert len(whole) == 153
    path.write_bytes(whole[:size])
    with pytest.raises(InvalidSettings, match="damaged or cut off; restore it from a backup, or remove it"):
        kept_key(path)
    assert path.read_bytes() == whole[:size]  # never replaced: workloads depend on it
    path.write_bytes(whole)
    assert kept_key(path) == key


def test_every_changed_byte(tmp_path: Path) -> None:
    path = tmp_path / "key"
    kept_key(path)
    whole = path.read_bytes()
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes((whole[at] ^ 1,)) + whole[at + 1 :])
        with pytest.raises(InvalidSettings, match="damaged"):
            kept_key(path)
    path.write_bytes(whole + b"\n")
    with pytest.raises(InvalidSettings, match="damaged"):
        kept_key(path)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o620, 0o601])
def test_others_may_use_it(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key"
    key = kept_key(path)
    path.chmod(mode)
    with pytest.raises(InvalidSettings, match="other users may use the file"):
        kept_key(path)
    path.chmod(0o400)
    assert kept_key(path) == key


def test_a_file_of_another_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "key"
    key = kept_key(path)
    assert kept_key(path) == key
    if os.geteuid() == 0:  # root's files are anybody's to use: give it away
        os.chown(path, 12345, 12345)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(InvalidSettings, match=f"user {path.stat().st_uid}"):
        kept_key(path)


def test_what_is_no_file(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    kept_key(elsewhere)
    link, fifo, folder = tmp_path / "link", tmp_path / "fifo", tmp_path / "folder"
    link.symlink_to(elsewhere)
    (tmp_path / "dangling").symlink_to(tmp_path / "nothing")
    os.mkfifo(fifo, 0o600)
    folder.mkdir()
    for path in (link, tmp_path / "dangling", fifo, folder):
        with pytest.raises(InvalidSettings, match="record key: "):
            kept_key(path)
    assert not (tmp_path / "nothing").exists()


def test_where_nothing_can_be_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(KeyNotKept):
        kept_key(tmp_path / "file" / "key")
    with pytest.raises(KeyNotKept):
        kept_key(Path("/proc/imagegate/key"))

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)  # a full disk cannot be had without being root
    with pytest.raises(KeyNotKept, match="No space left on device"):
        kept_key(tmp_path / "key")
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_a_given_key(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("\n  sixteen bytes ok \n")
    path.chmod(0o644)  # as a mounted Secret is
    link = tmp_path / "link"
    link.symlink_to(path)
    assert given_key(path) == given_key(link) == b"sixteen bytes ok"
    for content, why in (("", "shorter than 16"), ("x" * 15 + "\n" * 9, "shorter than 16"), ("x" * 65537, "longer")):
        path.write_text(content)
        with pytest.raises(InvalidSettings, match=f"cise.recordKeyFile: .*{why}"):
            given_key(path)
    path.unlink()
    with pytest.raises(InvalidSettings, match="No such file"):
        given_key(path)
    os.mkfifo(path)
    with pytest.raises(InvalidSettings, match="it is a pipe, not a file"):
        given_key(path)
