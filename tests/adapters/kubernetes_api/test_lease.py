"""One Lease and several replicas; the API server keeps versions, and fails as told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from imagegate.adapters.kubernetes_api.connection import ApiError
from imagegate.adapters.kubernetes_api.lease import Lease
from tests.adapters.kubernetes_api.api import MisbehavingApi, status
from tests.support.simulator import Request, Response


class LeaseApi(MisbehavingApi):
    """Holds one Lease."""

    def __init__(self) -> None:
        super().__init__()
        self.lease: Any = None
        self.fails: Response | None = None
        self.now = 0.0

    def answer(self, request: Request) -> Response:
        if self.fails is not None:
            return self.fails
        if request.method == "GET":
            return status(404, "not found") if self.lease is None else self._stored()
        given = json.loads(request.body)
        if given["kind"] == "SelfSubjectReview":
            return status(403, "forbidden")
        version = given["metadata"].get("resourceVersion", "")
        if version != (self.lease["metadata"]["resourceVersion"] if self.lease else ""):
            return status(409, "the object has been modified")
        given["metadata"]["resourceVersion"] = str(int(version or 0) + 1)
        self.lease = given
        return self._stored()

    def _stored(self) -> Response:
        return Response(200, json.dumps(self.lease).encode())

    def replica(self, name: str, directory: Path) -> Lease:
        connection = self.connection(directory)
        return Lease(lambda: connection, "here", "x", name, duration_s=15, clock=lambda: self.now)


@pytest.fixture
def api() -> Iterator[LeaseApi]:
    with LeaseApi() as found:
        yield found


def test_one_at_a_time(api: LeaseApi, tmp_path: Path) -> None:
    a, b = api.replica("a", tmp_path), api.replica("b", tmp_path)
    assert (a.hold(), b.hold(), a.hold()) == (True, False, True)
    for _ in range(10):
        api.now += 6
        assert (a.hold(), b.hold()) == (True, False)
    api.now += 14
    assert b.hold() is False
    api.now += 2
    assert b.hold() is True
    assert a.hold() is False
    assert api.lease["spec"]["holderIdentity"] == "b"


def test_it_is_not_written_with_every_look(api: LeaseApi, tmp_path: Path) -> None:
    a = api.replica("a", tmp_path)
    for _ in range(5):
        assert a.hold()
    assert [each.method for each in api.requests] == ["GET", "POST", "POST"]
    api.now += 6
    assert a.hold()
    assert [each.method for each in api.requests][3:] == ["GET", "PUT"]
    assert api.lease["spec"]["acquireTime"] < api.lease["spec"]["renewTime"]


def test_an_api_server_that_is_away(api: LeaseApi, tmp_path: Path) -> None:
    a, b = api.replica("a", tmp_path), api.replica("b", tmp_path)
    assert a.hold()
    api.fails = status(503, "away")
    api.now += 14
    assert a.hold()
    with pytest.raises(ApiError):
        b.hold()
    api.now += 2
    with pytest.raises(ApiError):
        a.hold()


def test_one_is_quicker(api: LeaseApi, tmp_path: Path) -> None:
    api.fails = status(409, "already exists")
    assert api.replica("a", tmp_path).hold() is False


@pytest.mark.parametrize("lease", [{}, {"metadata": 5, "spec": []}, {"spec": {"holderIdentity": None}}])
def test_a_lease_without_a_holder_is_free(api: LeaseApi, tmp_path: Path, lease: dict[str, Any]) -> None:
    api.fails = Response(200, json.dumps(lease).encode())
    assert api.replica("a", tmp_path).hold() is True
