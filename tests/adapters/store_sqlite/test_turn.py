"""The turn among processes that share a store's file."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from imagegate.adapters.store_sqlite.turn import StoreTurn
from tests.support.processes import wait_until


def test_one_of_two_and_then_the_other(tmp_path: Path) -> None:
    a, b = StoreTurn(tmp_path / "images.db"), StoreTurn(tmp_path / "images.db")
    assert (a.is_mine(), b.is_mine(), a.is_mine()) == (True, False, True)
    a.release()
    assert (a.is_mine(), b.is_mine()) == (False, True)
    b.release()


def test_a_process_that_is_killed_has_it_no_more_and_a_fork_never_had_it(tmp_path: Path) -> None:
    turn = StoreTurn(tmp_path / "images.db")
    child = os.fork()
    if not child:
        turn.is_mine()
        signal.pause()
    try:
        lock = tmp_path / "images.db.imports.lock"
        wait_until(lock.exists, "the child to take it")
        wait_until(lambda: not StoreTurn(tmp_path / "images.db").is_mine(), "the child to hold it")
        assert not turn.is_mine()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert turn.is_mine()
    turn.release()


def test_a_lock_that_cannot_be_made_is_logged_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    turn = StoreTurn(tmp_path / "gone" / "images.db")
    assert not turn.is_mine()
    assert not turn.is_mine()
    assert caplog.text.count("cannot be locked: No such file or directory") == 1
    (tmp_path / "gone").mkdir()
    assert turn.is_mine()
    turn.release()
