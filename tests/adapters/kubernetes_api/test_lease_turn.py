"""The turn among replicas: when it is had and lost, what of it is counted, logged and shown."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagegate.adapters.kubernetes_api.connection import InvalidAccess
from imagegate.adapters.kubernetes_api.lease import Lease
from imagegate.adapters.kubernetes_api.lease_turn import LeaseTurn
from imagegate.adapters.records.process_notes import ProcessNotes
from tests.adapters.kubernetes_api.api import status
from tests.adapters.kubernetes_api.lease_api import LeaseApi
from tests.support.processes import wait_until

DURATION_S = 3.0


class Replica:
    """One replica, and the turns of its processes; the clock is the real one."""

    def __init__(self, api: LeaseApi, name: str, directory: Path) -> None:
        self._api, self._name = api, name
        self.notes = directory / name
        self.notes.mkdir()
        self._connection = api.connection(directory)
        self.turns: list[LeaseTurn] = []

    def process(self) -> LeaseTurn:
        lease = f"{self._name}-{len(self.turns)}"
        turn = LeaseTurn(
            lambda: Lease(lambda: self._connection, "here", "x", lease, duration_s=DURATION_S),
            "x",
            ProcessNotes(self.notes),
            duration_s=DURATION_S,
        )
        self.turns.append(turn)
        return turn


@pytest.fixture
def api() -> Iterator[LeaseApi]:
    with LeaseApi() as found:
        found.put({"spec": {"holderIdentity": "", "leaseDurationSeconds": 1}})  # given up: nobody waits for it
        yield found


@pytest.fixture
def replicas(api: LeaseApi, tmp_path: Path) -> Iterator[tuple[Replica, Replica]]:
    found = Replica(api, "a", tmp_path), Replica(api, "b", tmp_path)
    yield found
    for replica in found:
        for turn in replica.turns:
            turn.release()


def held(*turns: LeaseTurn) -> int:
    return sum(turn.is_mine() for turn in turns)


def test_one_replica_and_one_process_of_it(replicas: tuple[Replica, Replica]) -> None:
    turns = [replica.process() for replica in replicas for _ in range(2)]
    wait_until(lambda: held(*turns) == 1, "one of them to have the turn")
    until = time.monotonic() + 2 * DURATION_S
    while time.monotonic() < until:
        assert held(*turns) <= 1
        time.sleep(0.01)
    wait_until(lambda: held(*turns) == 1, "one of them to have it still, or again")


def test_a_release_hands_over_at_once(replicas: tuple[Replica, Replica]) -> None:
    a, b = (replica.process() for replica in replicas)
    wait_until(lambda: held(a) == 1, "the first one to have it")
    assert not b.is_mine()
    a.release()
    released = time.monotonic()
    assert not a.is_mine()
    wait_until(b.is_mine, "the other one to have it")
    assert time.monotonic() - released < DURATION_S / 2


def test_it_ends_before_another_may_have_it(
    api: LeaseApi, replicas: tuple[Replica, Replica], caplog: pytest.LogCaptureFixture
) -> None:
    a, b = (replica.process() for replica in replicas)
    wait_until(a.is_mine, "the first one to have it")
    assert not b.is_mine()
    api.fails = status(503, "etcd is away")
    failing = time.monotonic()
    wait_until(lambda: not a.is_mine(), "it to be lost", timeout_s=DURATION_S)
    assert time.monotonic() - failing < DURATION_S
    wait_until(lambda: a.state().lost == 1, "the loss to be counted")
    assert "Lease x lost: this replica stops its work: etcd is away" in caplog.text
    assert a.state().problem == "etcd is away"
    api.fails = None
    wait_until(lambda: held(a, b) == 1, "one of them to have it", timeout_s=3 * DURATION_S)
    wait_until(lambda: a.state().problem == "", "the problem to be over")


def test_a_hung_api_server_ends_it_as_well(api: LeaseApi, replicas: tuple[Replica, Replica]) -> None:
    a = replicas[0].process()
    wait_until(a.is_mine, "it to be had")
    api.hangs_s = 60
    hung = time.monotonic()
    wait_until(lambda: not a.is_mine(), "it to be lost", timeout_s=DURATION_S)
    assert time.monotonic() - hung < DURATION_S
    api.hangs_s = 0


def test_every_process_of_a_replica_shows_it(
    replicas: tuple[Replica, Replica], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    asking, other = replicas[0].process(), replicas[0].process()
    wait_until(asking.is_mine, "it to be had")
    assert not other.is_mine()
    wait_until(lambda: other.state().is_held, "the note to be written")
    assert other.state().holder == asking.state().holder == "a-0"
    assert (asking.state().taken, asking.state().lost) == (1, 0)
    assert (other.state().taken, other.state().lost) == (0, 0)
    assert "Lease x taken: this replica does its work" in caplog.text
    asking.release()
    assert not other.state().is_held
    assert "Lease x given up" in caplog.text
    assert asking.state().lost == 0


def test_what_was_given_up_is_not_taken_again(replicas: tuple[Replica, Replica]) -> None:
    a = replicas[0].process()
    wait_until(a.is_mine, "it to be had")
    a.release()
    a.release()
    time.sleep(DURATION_S / 2)
    assert not a.is_mine()


def test_given_up_before_it_was_asked_for(replicas: tuple[Replica, Replica], api: LeaseApi) -> None:
    a = replicas[0].process()
    a.release()
    assert not a.is_mine()
    assert not api.requests


def test_without_access_there_is_a_reason(tmp_path: Path) -> None:
    def lease() -> Lease:
        def refuse() -> None:
            raise InvalidAccess("there is no service account")

        return Lease(refuse, "here", "x", "a", duration_s=DURATION_S)  # type: ignore[arg-type]

    turn = LeaseTurn(lease, "x", ProcessNotes(tmp_path), duration_s=DURATION_S)
    assert not turn.is_mine()
    wait_until(lambda: turn.state().problem == "there is no service account", "the reason")
    turn.release()


def test_processes_that_cannot_agree_do_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    turn = LeaseTurn(lambda: pytest.fail("asked"), "x", ProcessNotes(tmp_path / "gone"), duration_s=DURATION_S)
    assert not turn.is_mine()
    assert not turn.is_mine()
    assert caplog.text.count("cannot agree") == 1
