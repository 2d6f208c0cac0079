"""Rounds beside the requests: when there is one, what survives, who does them, and where they stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from imagegate.adapters.store_sqlite.database import Database
from imagegate.adapters.store_sqlite.objects import SqliteStore
from imagegate.ports.image_store import ObjectKey, StoreError
from imagegate.service.imports.background import BackgroundWork
from tests.support.processes import wait_until


class Turns:
    """A turn that tests give and take."""

    def __init__(self) -> None:
        self.mine, self.released = True, False

    def is_mine(self) -> bool:
        return self.mine

    def release(self) -> None:
        self.mine, self.released = False, True

    def state(self) -> None:
        return None


class Rounds:
    """Background work on a store, and how many rounds of each kind there were."""

    def __init__(self, path: Path) -> None:
        self.store = SqliteStore(Database(path))
        self.imports, self.deletions = 0, 0
        self.ended, self.turn = threading.Event(), Turns()
        self.goes_on, self.steps = threading.Event(), 0
        self.goes_on.set()
        self.failure: Exception | None = None
        self.work = BackgroundWork(
            self.store,
            turn=self.turn,
            import_round=self._import,
            delete_round=self._delete,
            ends=self.ended.is_set,
            every_s=0.01,
        )

    def _import(self, ends: Callable[[], bool]) -> None:
        self.imports += 1
        while not self.goes_on.is_set() and not ends():
            self.steps += 1
            time.sleep(0.01)
        if self.failure is not None:
            raise self.failure

    def _delete(self, _ends: Callable[[], bool]) -> None:
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


def test_nothing_is_done_before_its_turn(rounds: Rounds) -> None:
    rounds.turn.mine = False
    rounds.work.start()
    try:
        time.sleep(0.1)
        assert (rounds.imports, rounds.deletions) == (0, 0)
        rounds.turn.mine = True
        wait_until(lambda: rounds.imports == 1 and rounds.deletions == 1, "the first rounds")
    finally:
        rounds.ended.set()


def test_nothing_is_done_after_the_end(rounds: Rounds) -> None:
    rounds.ended.set()
    rounds.work.run_rounds(rounds._import, "imports")
    assert rounds.imports == 0


def test_a_turn_that_comes_back_begins_with_a_round(rounds: Rounds) -> None:
    """Nothing has changed in the store, but what the holder of meanwhile has done is not known."""
    rounds.work.start()
    try:
        wait_until(lambda: rounds.imports == 1, "the first round")
        rounds.turn.mine = False
        time.sleep(0.1)
        rounds.turn.mine = True
        wait_until(lambda: rounds.imports == 2, "another round")
    finally:
        rounds.ended.set()


@pytest.mark.parametrize("why", ["turn", "end", "stop"])
def test_a_round_stops_when_it_may_not_go_on(rounds: Rounds, why: str) -> None:
    rounds.goes_on.clear()
    rounds.work.start()
    try:
        wait_until(lambda: rounds.steps > 0, "the round to be under way")
        assert not rounds.turn.released
        match why:
            case "turn":
                rounds.turn.mine = False
            case "end":
                rounds.ended.set()
            case _:
                rounds.work.stop(within_s=5)
                assert rounds.turn.released
        time.sleep(0.05)
        steps = rounds.steps
        time.sleep(0.05)
        assert rounds.steps == steps
    finally:
        rounds.ended.set()
    wait_until(lambda: rounds.turn.released, "the turn to be given up")


def test_the_turn_is_kept_while_an_import_is_under_way(rounds: Rounds) -> None:
    begun, may_end = threading.Event(), threading.Event()

    def slow(_ends: Callable[[], bool]) -> None:
        begun.set()
        may_end.wait()

    work = BackgroundWork(
        rounds.store,
        turn=rounds.turn,
        import_round=slow,
        delete_round=rounds._delete,
        ends=rounds.ended.is_set,
        every_s=0.01,
    )
    work.start()
    assert begun.wait(5)
    work.stop(within_s=0.1)
    assert not rounds.turn.released
    may_end.set()
    wait_until(lambda: rounds.turn.released, "the turn to be given up")
