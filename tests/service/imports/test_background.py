"""Rounds beside the requests: when there is one, what survives, and who does them."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from imagegate.adapters.store_sqlite.database import Database
from imagegate.adapters.store_sqlite.objects import SqliteStore
from imagegate.ports.image_store import ObjectKey, StoreError
from imagegate.service.imports.background import BackgroundWork
from tests.support.processes import wait_until


class Rounds:
    """Background work on a store, and how many rounds of each kind there were."""

    def __init__(self, path: Path) -> None:
        self.store = SqliteStore(Database(path))
        self.imports, self.deletions = 0, 0
        self.ended, self.turn = threading.Event(), threading.Event()
        self.turn.set()
        self.failure: Exception | None = None
        self.work = BackgroundWork(
            self.store,
            take_turn=self._take_turn,
            import_round=self._import,
            delete_round=self._delete,
            ends=self.ended.is_set,
            every_s=0.01,
        )

    def _take_turn(self) -> None:
        self.turn.wait()

    def _import(self) -> None:
        self.imports += 1
        if self.failure is not None:
            raise self.failure

    def _delete(self) -> None:
        self.deletions += 1

    def change(self, name: str) -> None:
        body = {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": name}}
        self.store.create(ObjectKey("", "namespaces", "", name), body)


@pytest.fixture
def rounds(tmp_path: Path) -> Rounds:
    return Rounds(tmp_path / "images.db")


def test_there_is_a_round_after_each_change_and_none_without(rounds: Rounds) -> None:
    rounds.work.start()
    try:
        wait_until(lambda: rounds.imports >= 1 and rounds.deletions >= 1, "the first round of each kind")
        before = rounds.imports
        rounds.change("one")
        wait_until(lambda: rounds.imports > before and rounds.deletions > before, "the round of the change")
        assert (rounds.imports, rounds.deletions) == (2, 2)
    finally:
        rounds.ended.set()


@pytest.mark.parametrize("failure", [StoreError("no room"), RuntimeError("a mistake")])
def test_a_round_that_fails_is_logged_and_done_again(
    rounds: Rounds, failure: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    rounds.failure = failure
    rounds.work.start()
    try:
        wait_until(lambda: rounds.imports >= 1, "the round that fails")
        rounds.failure = None
        rounds.change("one")
        wait_until(lambda: rounds.imports >= 2, "another")
    finally:
        rounds.ended.set()
    assert str(failure) in caplog.text


def test_nothing_is_done_before_its_turn_and_after_the_end(rounds: Rounds) -> None:
    rounds.turn.clear()
    rounds.work.start()
    rounds.ended.set()
    rounds.turn.set()
    rounds.work.run_rounds(rounds._import, "imports")
    assert rounds.imports == 0
