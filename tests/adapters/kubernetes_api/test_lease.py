"""One Lease and several replicas; the API server keeps versions, and fails or lies as told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from imagegate.adapters.kubernetes_api.connection import ApiError
from imagegate.adapters.kubernetes_api.lease import Lease
from tests.adapters.kubernetes_api.api import status
from tests.adapters.kubernetes_api.lease_api import LeaseApi
from tests.support.simulator import Response

GARBAGE: tuple[Any, ...] = (None, 5, "", [], {}, {"holderIdentity": None}, {"holderIdentity": ["b"]})
NO_DURATIONS: tuple[Any, ...] = (None, 0, -5, True, "15", 1.5, [], {})


@pytest.fixture
def api() -> Iterator[LeaseApi]:
    with LeaseApi() as found:
        yield found


def taken(lease: Lease, api: LeaseApi) -> bool:
    """True once it is held, for one who finds no Lease and waits."""
    lease.hold()
    api.now += 15
    return lease.hold()


def test_one_at_a_time(api: LeaseApi, tmp_path: Path) -> None:
    a, b = api.replica("a", tmp_path), api.replica("b", tmp_path)
    assert taken(a, api)
    assert (b.hold(), a.hold()) == (False, True)
    for _ in range(10):
        api.now += 6
        assert (a.hold(), b.hold()) == (True, False)
    api.now += 14
    assert b.hold() is False
    api.now += 2
    assert b.hold() is True
    assert a.hold() is False
    assert (a.holder, b.holder) == ("b", "b")
    assert api.lease["spec"]["holderIdentity"] == "b"
    assert api.lease["spec"]["leaseTransitions"] == 1


def test_it_is_not_written_with_every_look(api: LeaseApi, tmp_path: Path) -> None:
    a = api.replica("a", tmp_path, at_once=True)
    for _ in range(5):
        assert a.hold()
    assert [each.method for each in api.requests] == ["GET", "POST", "POST"]
    api.now += 6
    assert a.hold()
    assert [each.method for each in api.requests][3:] == ["GET", "PUT"]
    assert api.lease["spec"]["acquireTime"] < api.lease["spec"]["renewTime"]
    assert api.lease["spec"]["leaseTransitions"] == 0


def test_an_api_server_that_is_away(api: LeaseApi, tmp_path: Path) -> None:
    a, b = api.replica("a", tmp_path), api.replica("b", tmp_path)
    assert taken(a, api)
    api.fails = status(503, "away")
    api.now += 14
    assert a.hold()
    with pytest.raises(ApiError):
        b.hold()
    api.now += 2
    with pytest.raises(ApiError):
        a.hold()


def test_who_comes_back_waits_from_what_is_seen_then(api: LeaseApi, tmp_path: Path) -> None:
    """Another replica may have renewed it until a moment ago."""
    a, b = api.replica("a", tmp_path), api.replica("b", tmp_path)
    assert taken(a, api)
    assert b.hold() is False
    for _ in range(4):  # renewed, which b does not see
        api.now += 6
        assert a.hold()
    assert b.hold() is False
    api.now += 14
    assert b.hold() is False


@pytest.mark.parametrize("message", ["already exists", "the object has been modified"])
def test_one_is_quicker(api: LeaseApi, tmp_path: Path, message: str) -> None:
    a = api.replica("a", tmp_path)
    assert taken(a, api)
    api.fails = status(409, message)
    api.now += 6
    assert a.hold() is False
    assert a.held_until < api.now


def test_released_it_is_free_at_once(api: LeaseApi, tmp_path: Path) -> None:
    a, b = api.replica("a", tmp_path), api.replica("b", tmp_path)
    assert taken(a, api)
    assert b.hold() is False
    a.release()
    assert api.lease["spec"]["holderIdentity"] == ""
    assert b.hold() is True
    a.release()  # not held any more: it stays b's
    assert api.lease["spec"]["holderIdentity"] == "b"


def test_one_that_ended_is_not_released(api: LeaseApi, tmp_path: Path) -> None:
    a = api.replica("a", tmp_path)
    assert taken(a, api)
    api.now += 16
    before = len(api.requests)
    a.release()
    assert len(api.requests) == before


def test_owner_and_labels_stay(api: LeaseApi, tmp_path: Path) -> None:
    a = api.replica("a", tmp_path)
    assert taken(a, api)
    owners = [{"apiVersion": "v1", "kind": "ServiceAccount", "name": "imagegate", "uid": "1"}]
    api.lease["metadata"] |= {"ownerReferences": owners, "labels": {"x": "y"}, "managedFields": [{}]}
    api.now += 6
    assert a.hold()
    assert api.lease["metadata"]["ownerReferences"] == owners
    assert api.lease["metadata"]["labels"] == {"x": "y"}
    assert "managedFields" not in api.lease["metadata"]


@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize("spec", GARBAGE)
def test_a_lease_without_a_holder(api: LeaseApi, tmp_path: Path, spec: Any, at_once: bool) -> None:
    """It may have been edited while another replica holds it."""
    api.put({"spec": spec})
    a = api.replica("a", tmp_path, at_once=at_once)
    assert a.hold() is at_once
    api.now += 15
    assert a.hold() is True


@pytest.mark.parametrize("metadata", [None, 5, {}, {"resourceVersion": 7}])
def test_a_lease_without_a_version_is_not_taken(api: LeaseApi, tmp_path: Path, metadata: Any) -> None:
    """Written without one, it would replace whatever another replica has written meanwhile."""
    a = api.replica("a", tmp_path, at_once=True)
    api.fails = Response(200, json.dumps({"metadata": metadata, "spec": {}}).encode())
    with pytest.raises(ApiError, match="no resourceVersion"):
        a.hold()


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b"[" * 100_000])
def test_an_answer_that_is_no_lease(api: LeaseApi, tmp_path: Path, body: bytes) -> None:
    a = api.replica("a", tmp_path)
    assert taken(a, api)
    api.fails = Response(200, body)
    api.now += 14
    assert a.hold() is True
    api.now += 2
    with pytest.raises(ApiError):
        a.hold()


@pytest.mark.parametrize("duration", NO_DURATIONS)
def test_a_duration_that_is_none(api: LeaseApi, tmp_path: Path, duration: Any) -> None:
    api.put({"spec": {"holderIdentity": "b", "leaseDurationSeconds": duration}})
    a = api.replica("a", tmp_path)
    assert a.hold() is False
    api.now += 14
    assert a.hold() is False
    api.now += 1
    assert a.hold() is True


@pytest.mark.parametrize("written, waits_s", [(1, 15), (15, 15), (60, 60), (300, 300), (2**31 - 1, 300), (2**63, 300)])
def test_the_longer_duration_counts_but_none_is_waited_for_forever(
    api: LeaseApi, tmp_path: Path, written: int, waits_s: float
) -> None:
    api.put({"spec": {"holderIdentity": "b", "leaseDurationSeconds": written}})
    a = api.replica("a", tmp_path)
    assert a.hold() is False
    api.now += waits_s - 1
    assert a.hold() is False
    api.now += 1
    assert a.hold() is True
    assert api.lease["spec"]["leaseDurationSeconds"] == 15


@pytest.mark.parametrize("times", [None, 5, "2999-01-01T00:00:00.000000Z", "1970-01-01T00:00:00Z", "yesterday"])
def test_the_clocks_of_others_are_not_believed(api: LeaseApi, tmp_path: Path, times: Any) -> None:
    spec = {"holderIdentity": "b", "leaseDurationSeconds": 15, "renewTime": times, "acquireTime": times}
    api.put({"spec": spec})
    a = api.replica("a", tmp_path)
    assert a.hold() is False
    api.now += 15
    assert a.hold() is True


@pytest.mark.parametrize("transitions", [None, -1, True, "3", 2**31 - 1, 10**40, 1.5])
def test_transitions_stay_a_small_number(api: LeaseApi, tmp_path: Path, transitions: Any) -> None:
    api.put({"spec": {"holderIdentity": "b", "leaseTransitions": transitions}})
    assert taken(api.replica("a", tmp_path), api)
    written = api.lease["spec"]["leaseTransitions"]
    assert isinstance(written, int)
    assert 0 < written < 2**31


def test_a_holder_that_somebody_wrote_over_stops_at_its_next_look(api: LeaseApi, tmp_path: Path) -> None:
    a = api.replica("a", tmp_path)
    assert taken(a, api)
    api.put({"spec": {"holderIdentity": "x" * 100_000, "leaseDurationSeconds": 15}})
    api.now += 6
    assert a.hold() is False
    assert a.held_until < api.now


def test_one_that_is_named_without_having_taken_it_waits(api: LeaseApi, tmp_path: Path) -> None:
    """Else there would be two until the other one looks again."""
    a, b = api.replica("a", tmp_path), api.replica("b", tmp_path)
    assert taken(a, api)
    assert b.hold() is False
    api.put({"spec": {"holderIdentity": "b", "leaseDurationSeconds": 15}})
    assert b.hold() is False
    api.now += 6
    assert (a.hold(), b.hold()) == (False, False)
    api.now += 9
    assert b.hold() is True


def test_one_that_was_deleted_is_made_by_its_holder(api: LeaseApi, tmp_path: Path) -> None:
    a, b = api.replica("a", tmp_path), api.replica("b", tmp_path)
    assert taken(a, api)
    assert b.hold() is False
    api.lease = None
    assert b.hold() is False
    api.now += 6
    assert a.hold() is True
    assert b.hold() is False


def test_a_write_that_is_answered_with_another_holder_is_not_believed(api: LeaseApi, tmp_path: Path) -> None:
    api.put({"spec": {"holderIdentity": ""}})
    a = api.replica("a", tmp_path)
    assert a.hold() is False
    api.now += 15
    api.writes_answered = {"spec": {"holderIdentity": "b"}}
    with pytest.raises(ApiError, match="another holder"):
        a.hold()


def test_it_is_held_from_before_the_request(api: LeaseApi, tmp_path: Path) -> None:
    """The answer may come late; others count from when they see the new record."""
    a = api.replica("a", tmp_path, at_once=True)
    api.takes_s = 4
    before = api.now
    assert a.hold()
    assert a.held_until == before + 15
    assert api.now > before
