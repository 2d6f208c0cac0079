"""The watch when the API server is away, forgets, cuts off, or says something else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from imagegate.adapters.kubernetes_api import connection as connections
from imagegate.adapters.kubernetes_api import watched as watching
from imagegate.adapters.kubernetes_api.connection import JsonObject
from imagegate.adapters.kubernetes_api.fetched import Fetcher
from imagegate.adapters.kubernetes_api.namespaces import PATH, ClusterNamespaces, slimmed
from imagegate.adapters.kubernetes_api.watched import Watched
from imagegate.core.admission.lookup import Absent, Found, Unknown
from imagegate.core.image_streams.questions import Namespace
from tests.adapters.kubernetes_api.api import MisbehavingApi, event, namespace, page, status
from tests.support.processes import wait_until
from tests.support.simulator import Response


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "PAUSES_S", (0.01, 0.05))


@pytest.fixture
def api() -> Iterator[MisbehavingApi]:
    with MisbehavingApi() as found:
        yield found


@pytest.fixture
def watched(api: MisbehavingApi, tmp_path: Path) -> Iterator[Watched[JsonObject]]:
    connection = api.connection(tmp_path)
    found = Watched(lambda: connection, PATH, slimmed)
    yield found
    found.stop()


def names(watched: Watched[JsonObject]) -> set[str]:
    return {each["metadata"]["name"] for each in watched.all()}


def test_pages_are_put_together_and_objects_slimmed(api: MisbehavingApi, watched: Watched[JsonObject]) -> None:
    api.lists = [page(namespace("a", 1, x="y"), more="next"), page(namespace("b", 2), version=7)]
    api.watches = [api.held_open()]
    watched.start()
    assert watched.wait(5)
    assert names(watched) == {"a", "b"}
    assert watched.get("", "a") == {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": "a", "annotations": {"x": "y"}},
    }
    assert [query.get("continue") for query in api.asked("list")] == [None, ["next"]]
    wait_until(lambda: len(api.asked("watch")) == 1, "the watch")
    assert api.asked("watch")[0]["resourceVersion"] == ["7"]
    assert all(each.headers["authorization"] == "Bearer secret" for each in api.requests)
    assert all(each.headers["user-agent"].startswith("imagegate/") for each in api.requests)


def test_events_change_the_objects_and_the_snapshot(api: MisbehavingApi, watched: Watched[JsonObject]) -> None:
    api.lists = [page(namespace("a", 1), namespace("b", 1))]
    api.watches = [
        api.held_open(
            event("MODIFIED", namespace("a", 2, x="y")),
            event("DELETED", namespace("b", 3)),
            event("ADDED", namespace("c", 4)),
        )
    ]
    before = watched.snapshot
    watched.start()
    wait_until(lambda: names(watched) == {"a", "c"}, "the events")
    assert watched.snapshot is not before
    found = watched.get("", "a")
    assert found is not None
    assert found["metadata"]["annotations"] == {"x": "y"}
    assert watched.state.failure == ""


def test_a_watch_that_ends_goes_on_where_it_was(api: MisbehavingApi, watched: Watched[JsonObject]) -> None:
    api.lists = [page(namespace("a", 1), version=5)]
    bookmark = event("BOOKMARK", {"metadata": {"resourceVersion": "9"}})
    api.watches = [[event("ADDED", namespace("b", 6))], [bookmark], api.held_open(event("ADDED", namespace("c", 10)))]
    watched.start()
    wait_until(lambda: names(watched) == {"a", "b", "c"}, "both watches")
    assert [query["resourceVersion"] for query in api.asked("watch")] == [["5"], ["6"], ["9"]]
    assert len(api.asked("list")) == 1


@pytest.mark.parametrize("form", ["answer", "event"])
def test_a_version_that_is_gone_is_listed_again(api: MisbehavingApi, watched: Watched[JsonObject], form: str) -> None:
    gone = status(410, "too old resource version")
    api.lists = [page(namespace("a", 1)), page(namespace("b", 20), version=20)]
    first = gone if form == "answer" else [event("ERROR", {"kind": "Status", "code": 410, "message": "too old"})]
    api.watches = [first, api.held_open()]
    watched.start()
    wait_until(lambda: names(watched) == {"b"}, "the second list")


@pytest.mark.parametrize(
    "broken",
    [
        status(500, "etcd is away"),
        status(403, "forbidden"),
        Response(200, b"<html>"),
        Response(200, b"[]\n"),
        Response(200, b'{"type":"ADDED","object":{"metadata":{"name":"x"}}}\n'),
        Response(200, b'{"type":"ADDED"}\n'),
        Response(200, b"x" * 500_000),
        Response(drop=True),
    ],
    ids=["500", "403", "html", "list", "no version", "no object", "endless line", "dropped"],
)
def test_the_last_state_stays_while_the_watch_fails(
    api: MisbehavingApi, watched: Watched[JsonObject], broken: Response, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "OBJECT_MAX_BYTES", 100_000)
    api.lists = [page(namespace("a", 1))]
    api.watches = [broken, broken, broken, api.held_open(event("ADDED", namespace("b", 2)))]
    watched.start()
    assert watched.wait(5)
    assert "a" in names(watched)
    wait_until(lambda: names(watched) == {"a", "b"}, "the watch that works again")
    assert len(api.asked("list")) == 1


@pytest.mark.parametrize(
    "broken",
    [
        status(401, "Unauthorized"),
        Response(200, b"{}"),
        Response(200, b'{"items": [1], "metadata": {"resourceVersion": "1"}}'),
        Response(200, b'{"items": []}'),
        Response(200, b'{"items": []', cut_after=5),
    ],
    ids=["401", "no items", "no object", "no version", "cut off"],
)
def test_a_list_that_fails_is_no_list(
    api: MisbehavingApi, watched: Watched[JsonObject], broken: Response, tmp_path: Path
) -> None:
    api.lists = [broken]
    api.watches = [api.held_open()]
    watched.start()
    wait_until(lambda: len(api.asked("list")) > 2, "attempts")
    assert not watched.state.synced
    assert watched.state.failure
    api.lists = [page(namespace("a", 1))]
    assert watched.wait(5)


def test_a_silent_watch_is_broken(
    api: MisbehavingApi, watched: Watched[JsonObject], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "SILENT_S", 0.3)

    def silent() -> Iterator[bytes]:
        api.stopping.wait(10)
        yield b"\n"

    api.lists = [page(namespace("a", 1))]
    api.watches = [silent(), api.held_open(event("ADDED", namespace("b", 2)))]
    watched.start()
    wait_until(lambda: names(watched) == {"a", "b"}, "the second watch", timeout_s=8)


def test_an_api_server_that_is_away_is_asked_again_with_pauses(tmp_path: Path) -> None:
    with MisbehavingApi() as known:
        connection = known.connection(tmp_path)
    found = Watched(lambda: connection, PATH, slimmed)
    found.start()
    wait_until(lambda: "cannot be reached" in found.state.failure, "a failure")
    found.stop()
    assert not found.state.synced
    assert watching._pause_s(0) < watching._pause_s(8) <= watching.PAUSES_S[1]


def test_a_namespace_that_the_watch_does_not_show_is_fetched(
    api: MisbehavingApi, watched: Watched[JsonObject], tmp_path: Path
) -> None:
    connection = api.connection(tmp_path)
    namespaces = ClusterNamespaces(watched, Fetcher(lambda: connection, ttl_s=0))
    asked = Namespace("fresh")
    assert namespaces.watched(asked) is None
    for answer, expected in (
        (Response(200, b'{"metadata": {"name": "fresh"}}'), Found),
        (status(404, 'namespaces "fresh" not found'), Absent),
        (status(500, "etcd is away"), Unknown),
        (status(403, "forbidden"), Unknown),
        (Response(drop=True), Unknown),
        (Response(200, b"[]"), Unknown),
    ):
        api.lists = [answer]
        assert isinstance(namespaces.namespace(asked, deadline_s=5), expected), answer
    api.lists = [Response(200, b"{}", delay_s=3)]
    assert isinstance(namespaces.namespace(asked, deadline_s=0.3), Unknown)


def test_what_a_parent_process_has_listed_does_not_count(api: MisbehavingApi, watched: Watched[JsonObject]) -> None:
    """A worker that is started again hours later must not decide with it."""
    api.lists = [page(namespace("a", 1), version=1), status(500, "later")]
    watched.list_once()
    assert watched.wait(0)
    watched.start()
    assert not watched.wait(0.3)
    assert "later" in watched.state.failure
