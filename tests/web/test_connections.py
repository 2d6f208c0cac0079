"""Which connection is closed for a new one, and when: on connections that are only numbers."""

from __future__ import annotations

import logging
from typing import Any, cast

import pytest

from imagegate.web.connections import TOO_SLOW, Connections, Limits
from imagegate.web.http_connection import Connection


class Fake:
    """A connection as ``Connections`` sees it."""

    def __init__(self, connections: Connections, peer: str, *, since: float | None, buffered: int = 0) -> None:
        self.peer, self.buffered, self.idle_since = peer, buffered, since or 0.0
        self.time_limit_s = connections.limits.request_s
        self.closed: list[str] = []
        self.idle = since is None
        connections.all.add(cast(Connection, self))
        if since is not None:
            connections.request_started(cast(Connection, self), since)

    def is_idle(self) -> bool:
        return self.idle

    def close_now(self, reason: str) -> None:
        self.closed.append(reason)


def made(**limits: Any) -> tuple[Connections, list[str]]:
    counted: list[str] = []
    return Connections(Limits(**limits), counted.append), counted


def test_a_client_with_too_many_incomplete_requests_loses_its_oldest() -> None:
    connections, counted = made(per_peer=2)
    mine = [Fake(connections, "a", since=number) for number in range(3)]
    other = Fake(connections, "b", since=0)
    assert [bool(each.closed) for each in (*mine, other)] == [True, False, False, False]
    assert counted == ["too many of one client"]


def test_only_requests_that_take_too_long_are_closed() -> None:
    connections, counted = made(request_s=5)
    late, in_time = Fake(connections, "a", since=0), Fake(connections, "a", since=4)
    complete = Fake(connections, "b", since=0)
    connections.request_complete(cast(Connection, complete))
    connections.close_late(6)
    assert (late.closed, in_time.closed, complete.closed) == ([TOO_SLOW], [], [])
    assert counted == [TOO_SLOW]


def test_without_incomplete_requests_the_longest_idle_connection_makes_room() -> None:
    connections, _ = made()
    assert not connections.make_room()
    first, second = (Fake(connections, "a", since=None) for _ in range(2))
    first.idle_since, second.idle_since = 2.0, 1.0
    assert connections.make_room()
    assert (first.closed, second.closed) == ([], ["too many connections"])
    first.idle = False
    assert not connections.make_room()


def test_the_largest_incomplete_body_makes_room_for_bytes_but_not_for_itself() -> None:
    connections, _ = made()
    small, large = (Fake(connections, "a", since=0, buffered=size) for size in (1, 9))
    assert not connections.make_room_for_bytes(cast(Connection, large))
    assert connections.make_room_for_bytes(cast(Connection, small))
    assert (small.closed, large.closed) == ([], ["too many bytes"])


def test_every_close_is_counted_and_few_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    connections, counted = made()
    with caplog.at_level(logging.WARNING, logger="imagegate.web.connections"):
        for _ in range(3):
            connections.count("a", "203.0.113.5")
        connections.count("b")
    assert counted == ["a", "a", "a", "b"]
    assert [record.message for record in caplog.records] == [f"connections are closed early: {name}" for name in "ab"]


def test_an_address_without_connections_takes_no_memory() -> None:
    connections, _ = made()
    freed: list[bool] = []
    connections.freed = lambda: freed.append(True)
    connection = cast(Connection, Fake(connections, "a", since=0))
    connections.remove(connection)
    connections.remove(connection)
    assert (connections.all, connections._incomplete, len(freed)) == (set(), {}, 2)
