"""The watch when the kind is missing, versions go back, lists do not end, or answers are hostile."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from imagegate.adapters.kubernetes_api import connection as connections
from imagegate.adapters.kubernetes_api import listing
from imagegate.adapters.kubernetes_api import watched as watching
from imagegate.adapters.kubernetes_api.connection import ApiError, JsonObject
from imagegate.adapters.kubernetes_api.listing import resource_is_absent
from imagegate.adapters.kubernetes_api.watched import Watched
from tests.adapters.kubernetes_api.api import MisbehavingApi, event, namespace, page, status
from tests.support.processes import wait_until
from tests.support.simulator import Request, Response

PATH = "/apis/policies.example/v1/imagepolicies"
NOT_INSTALLED = Response(404, b"404 page not found\n")


def named(found: JsonObject) -> str:
    return str(found["metadata"]["name"])


def groups(*names: str) -> Response:
    return Response(200, json.dumps({"kind": "APIGroupList", "groups": [{"name": each} for each in names]}).encode())


def resources(*names: str) -> Response:
    return Response(200, json.dumps({"resources": [{"name": each} for each in names]}).encode())


class Api(MisbehavingApi):
    """Answers discovery, too."""

    def __init__(self) -> None:
        super().__init__()
        self.discovery: dict[str, Response] = {"/apis": groups("apps")}

    def answer(self, request: Request) -> Response:
        return self.discovery.get(request.path) or super().answer(request)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "PAUSES_S", (0.01, 0.05))
    monkeypatch.setattr(watching, "ABSENT_S", 0.05)


@pytest.fixture
def api() -> Iterator[Api]:
    with Api() as found:
        yield found


def found_limits(api: MisbehavingApi) -> list[str]:
    return [query["limit"][0] for query in api.asked("list")]


@pytest.fixture
def watched(api: Api, tmp_path: Path) -> Iterator[Watched[str]]:
    connection = api.connection(tmp_path)
    found = Watched(lambda: connection, PATH, named, optional=True)
    yield found
    found.stop()


class TestAKindThatIsNotInstalled:
    def test_it_has_no_objects_until_it_is(self, api: Api, watched: Watched[str]) -> None:
        api.lists, api.watches = [NOT_INSTALLED], [api.held_open()]
        watched.start()
        assert watched.wait(5)
        assert watched.all() == []
        api.lists = [page(namespace("a", 1))]
        wait_until(lambda: watched.all() == ["a"], "the objects")

    def test_a_404_alone_is_no_proof(self, api: Api, watched: Watched[str]) -> None:
        api.discovery = {"/apis": groups("policies.example"), "/apis/policies.example/v1": resources("imagepolicies")}
        api.lists, api.watches = [NOT_INSTALLED], [api.held_open()]
        watched.start()
        wait_until(lambda: len(api.asked("list")) > 6, "attempts")
        assert not watched.state.synced

    @pytest.mark.parametrize("found", [status(503, "away"), NOT_INSTALLED, groups(), Response(200, b"{}")])
    def test_discovery_that_fails_is_no_proof(self, api: Api, watched: Watched[str], found: Response) -> None:
        api.discovery = {"/apis": found}
        api.lists, api.watches = [NOT_INSTALLED], [api.held_open()]
        watched.start()
        wait_until(lambda: len(api.asked("list")) > 4, "attempts")
        assert not watched.state.synced

    def test_known_objects_are_gone_only_with_proof(self, api: Api, watched: Watched[str]) -> None:
        api.discovery = {"/apis": groups("policies.example"), "/apis/policies.example/v1": resources("imagepolicies")}
        api.lists, api.watches = [page(namespace("a", 1)), NOT_INSTALLED], [NOT_INSTALLED]
        watched.start()
        wait_until(lambda: len(api.asked("list")) > 4, "attempts")
        assert watched.all() == ["a"]
        assert watched.state.failure
        api.discovery["/apis/policies.example/v1"] = resources("clusterimagepolicies")
        wait_until(lambda: watched.all() == [], "the proof")

    def test_a_kind_that_must_exist_is_never_absent(self, api: Api, tmp_path: Path) -> None:
        connection = api.connection(tmp_path)
        watched = Watched(lambda: connection, PATH, named)
        api.lists = [NOT_INSTALLED]
        watched.start()
        wait_until(lambda: len(api.asked("list")) > 3, "attempts")
        watched.stop()
        assert not watched.state.synced

    def test_discovery_of_a_version(self, api: Api, tmp_path: Path) -> None:
        connection = api.connection(tmp_path)
        api.discovery = {"/apis": groups("policies.example"), "/apis/policies.example/v1": NOT_INSTALLED}
        assert resource_is_absent(connection, PATH)
        api.discovery["/apis/policies.example/v1"] = status(500, "away")
        with pytest.raises(ApiError, match="away"):
            resource_is_absent(connection, PATH)
        api.discovery["/apis/policies.example/v1"] = Response(200, b"{}")
        with pytest.raises(ApiError, match="has no resources"):
            resource_is_absent(connection, PATH)


@pytest.mark.parametrize("kind", ["BOOKMARK", "MODIFIED"])
def test_versions_that_go_back_are_listed_again(api: Api, watched: Watched[str], kind: str) -> None:
    """After a restore of etcd, which the watch would otherwise not show."""
    api.lists = [page(namespace("a", 1), version=500), page(namespace("restored", 1), version=90)]
    api.watches = [api.held_open(event(kind, namespace("a", 80))), api.held_open()]
    watched.start()
    wait_until(lambda: watched.all() == ["restored"], "the second list")


def test_an_api_server_that_comes_back_with_an_older_state_is_listed(api: Api, watched: Watched[str]) -> None:
    """Its watch stays open and shows nothing: every version that it could show is older than what was asked for."""
    api.lists = [page(namespace("a", 1), version=500), page(namespace("restored", 1), version=90)]
    api.watches = [Response(drop=True), api.held_open()]
    watched.start()
    wait_until(lambda: watched.all() == ["restored"], "the second list")


def test_everything_is_listed_again_from_time_to_time(api: Api, watched: Watched[str]) -> None:
    watched._relist_s = 0.0
    api.lists = [page(namespace("a", 1)), page(namespace("b", 1))]
    api.watches = [[], api.held_open()]
    watched.start()
    wait_until(lambda: watched.all() == ["b"], "the second list")


def test_an_expired_page_is_asked_for_in_one(api: Api, watched: Watched[str]) -> None:
    gone = status(410, "The provided continue parameter is too old")
    api.lists = [page(namespace("a", 1), more="next"), gone, page(namespace("a", 2), namespace("b", 2))]
    api.watches = [api.held_open()]
    watched.start()
    wait_until(lambda: sorted(watched.all()) == ["a", "b"], "the list")
    assert [query.get("limit") for query in api.asked("list")] == [["500"], ["500"], ["0"]]


@pytest.mark.parametrize(
    "second",
    [
        status(500, "etcd is away"),
        Response(200, b'{"items": [{"metadata": {"name": "b"}}', cut_after=20),
        Response(200, b'{"items": null, "metadata": {"resourceVersion": "1"}}'),
        Response(200, b'{"items": [{"metadata": {}}], "metadata": {"resourceVersion": "1"}}'),
        Response(200, b'{"items": [{"metadata": {"name": ["b"]}}], "metadata": {"resourceVersion": "1"}}'),
        Response(drop=True),
    ],
    ids=["500", "cut off", "null", "no name", "a name that is a list", "dropped"],
)
def test_a_part_of_a_list_takes_no_object_away(api: Api, watched: Watched[str], second: Response) -> None:
    gone = [event("ERROR", {"kind": "Status", "code": 410, "message": "too old"})]
    api.lists = [page(namespace("a", 1), namespace("b", 1)), page(namespace("a", 1), more="next"), second]
    api.watches = [gone, api.held_open()]
    watched.start()
    wait_until(lambda: len(api.asked("list")) > 4, "attempts")
    assert sorted(watched.all()) == ["a", "b"]
    assert watched.state.synced
    assert watched.state.failure


@pytest.mark.parametrize("same", [True, False])
def test_a_list_that_does_not_end(api: Api, watched: Watched[str], monkeypatch: pytest.MonkeyPatch, same: bool) -> None:
    monkeypatch.setattr(listing, "OBJECTS_MAX", 50)
    numbers = iter(range(10_000))

    def endless(_request: Request) -> Response:
        number = next(numbers)
        return page(namespace(f"n{number}", 1), more="next" if same else f"next{number}")

    monkeypatch.setattr(api, "answer", endless)
    watched.list_once()
    assert "does not end" in watched.state.failure
    assert watched.all() == []
    assert next(numbers) < 100


def test_large_objects_come_in_smaller_pages(api: Api, watched: Watched[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever may create objects chooses their size: 500 of a megabyte each must not keep a worker from starting."""
    monkeypatch.setattr(connections, "PAGE_MAX_BYTES", 100_000)
    objects = [{**namespace(f"n{number}", 1), "spec": "x" * 10_000} for number in range(30)]

    def paged(request: Request) -> Response:
        first, limit = int(request.query.get("continue", ["0"])[0]), int(request.query["limit"][0])
        return page(*objects[first : first + limit], more=str(first + limit) if first + limit < len(objects) else "")

    monkeypatch.setattr(api, "answer", paged)
    watched.list_once()
    assert watched.state.failure == ""
    assert len(watched.all()) == 30
    assert found_limits(api)[:4] == ["500", "62", "7", "7"]


def test_one_page_that_is_too_large_becomes_pages_again(
    api: Api, watched: Watched[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "PAGE_MAX_BYTES", 100_000)
    gone, large = status(410, "too old"), Response(200, b" " * 200_000)
    api.lists, api.watches = [gone, large, page(namespace("a", 1))], [api.held_open()]
    watched.start()
    wait_until(lambda: watched.all() == ["a"], "the list")
    assert found_limits(api) == ["500", "0", "500"]


def test_a_page_that_is_too_large(api: Api, watched: Watched[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "PAGE_MAX_BYTES", 100_000)
    api.lists = [Response(200, b'{"items": [' + b" " * 200_000 + b"]}")]
    watched.list_once()
    assert "larger than 100000 bytes" in watched.state.failure


def test_a_slow_page(api: Api, watched: Watched[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "PAGE_S", 0.3)

    def drips() -> Iterator[bytes]:
        while not api.stopping.wait(0.05):
            yield b" "

    api.lists = [Response(200, drips())]
    watched.list_once()
    assert "did not come in time" in watched.state.failure


def test_a_watch_that_ends_at_once_is_not_asked_for_in_a_circle(
    api: Api, watched: Watched[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "PAUSES_S", (0.2, 0.2))
    api.lists, api.watches = [page(namespace("a", 1))], [[]]
    watched.start()
    assert watched.wait(5)
    api.stopping.wait(1.0)
    assert len(api.asked("watch")) <= 11


def test_a_watch_that_always_fails_becomes_a_list_now_and_then(api: Api, watched: Watched[str]) -> None:
    api.lists = [page(namespace("a", 1)), page(namespace("b", 2))]
    api.watches = [status(403, "forbidden")]
    watched.start()
    wait_until(lambda: watched.all() == ["b"], "the second list")


def test_an_event_without_a_change_is_none(api: Api, watched: Watched[str]) -> None:
    api.lists = [page(namespace("a", 1))]
    api.watches = [api.held_open(event("MODIFIED", namespace("a", 2)), event("DELETED", namespace("never", 3)))]
    snapshots: list[Any] = []
    watched._changed = lambda: snapshots.append(watched.snapshot)
    watched.start()
    wait_until(lambda: watched._version == "3", "the events")
    assert len(snapshots) == 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_bug_in_a_reader_does_not_end_the_watch(api: Api, tmp_path: Path) -> None:
    connection = api.connection(tmp_path)

    def reader(found: JsonObject) -> str:
        if found["metadata"]["name"] == "bad":
            raise ZeroDivisionError
        return named(found)

    watched = Watched(lambda: connection, PATH, reader)
    api.lists = [page(namespace("a", 1)), page(namespace("bad", 2)), page(namespace("b", 3))]
    api.watches = [api.held_open(event("ADDED", namespace("bad", 2))), api.held_open()]
    watched.start()
    wait_until(lambda: "internal error" in watched.state.failure, "the bug")
    assert watched.all() == ["a"]
    wait_until(lambda: watched.all() == ["b"], "the watch that goes on")
    watched.stop()
