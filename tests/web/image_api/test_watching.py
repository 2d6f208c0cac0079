"""What a watch sends, read through the WSGI face: options, the objects that come first, bookmarks, falling behind."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from typing import Any
from unittest import mock

import pytest

from imagegate.service.image_api import watched
from imagegate.web import streams
from imagegate.web.image_api import answers, watching
from tests.support.image_api import BASE, Api

PATH = "namespaces/test/imagestreams"
LIST_FIRST = "watch=1&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
METADATA = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
END = {"k8s.io/initial-events-end": "true"}


MATCH = "resourceVersionMatch"
NEEDS_MATCH = f"{MATCH}: Forbidden: sendInitialEvents requires setting {MATCH} to NotOlderThan"


class Lines:
    """The lines of one open watch."""

    def __init__(self, api: Api, query: str, **headers: str) -> None:
        given = {key.replace("_", "-"): value for key, value in headers.items()}
        self.answer = api.client.get(f"{BASE}/{PATH}?{query}", headers=given, buffered=False)
        assert self.answer.status_code == 200, self.answer.get_data(as_text=True)
        self._pieces = iter(self.answer.iter_encoded())
        self._rest: list[Any] = []

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        while not self._rest:
            self._rest = [json.loads(line) for line in next(self._pieces).splitlines() if line]
        return self._rest.pop(0)

    def to_end_of_list(self) -> list[Any]:
        """All up to the bookmark that says that all were sent."""
        lines: list[Any] = []
        while not lines or lines[-1]["type"] != "BOOKMARK":
            lines.append(next(self))
        return lines


def post(api: Api, name: str, **metadata: Any) -> Any:
    return api.post(PATH, {"metadata": {"name": name, **metadata}})


def names(lines: list[Any]) -> list[tuple[str, str]]:
    return [(line["type"], line["object"]["metadata"].get("name", "")) for line in lines]


class TestOptions:
    """The messages are those of apimachinery's ``validation_test.go`` (0.34)."""

    @pytest.mark.parametrize(
        "query, message",
        [
            ("watch=1&sendInitialEvents=true", NEEDS_MATCH),
            ("watch=1&sendInitialEvents=false", NEEDS_MATCH),
            (
                "watch=1&resourceVersionMatch=NotOlderThan",
                f"{MATCH}: Forbidden: {MATCH} is forbidden for watch unless sendInitialEvents is provided",
            ),
            (
                "watch=1&sendInitialEvents=true&resourceVersionMatch=Exact",
                f'[{NEEDS_MATCH}, {MATCH}: Unsupported value: "Exact": supported values: "NotOlderThan"]',
            ),
            ("sendInitialEvents=true", "sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list"),
            (
                "resourceVersionMatch=Exact",
                f"{MATCH}: Forbidden: {MATCH} is forbidden unless resourceVersion is provided",
            ),
            (
                "resourceVersionMatch=Exact&resourceVersion=0",
                f'{MATCH}: Forbidden: {MATCH} "exact" is forbidden for resourceVersion "0"',
            ),
            (
                "resourceVersionMatch=Newest&resourceVersion=1",
                f'{MATCH}: Unsupported value: "Newest": supported values: "Exact", "NotOlderThan", ""',
            ),
        ],
    )
    def test_what_does_not_go_together(self, api: Api, query: str, message: str) -> None:
        refused = api.get(f"{PATH}?{query}", 422)
        assert (refused["reason"], refused["details"]["kind"]) == ("Invalid", "ListOptions")
        assert refused["message"] == f'ListOptions.meta.k8s.io "" is invalid: {message}'

    def test_a_boolean_that_is_none(self, api: Api) -> None:
        assert "expected a boolean" in api.get(f"{PATH}?watch=1&sendInitialEvents=perhaps", 400)["message"]

    def test_a_version_that_is_not_reached(self, api: Api) -> None:
        refused = api.get(f"{PATH}?{LIST_FIRST}&resourceVersion=99999", 504)
        assert refused["message"].startswith("Timeout: Too large resource version: 99999, current: ")
        assert refused["details"]["retryAfterSeconds"] == 1
        assert api.get(f"{PATH}?watch=1&resourceVersion=99999", 410)["reason"] == "Expired"
        refused = api.get(f"{PATH}?{LIST_FIRST}&resourceVersion=x", 500)
        assert 'strconv.ParseUint: parsing "x": invalid syntax' in refused["message"]

    def test_a_watch_that_is_refused_holds_no_place(self, api: Api) -> None:
        for _ in range(streams.IN_THREADS_MAX + 1):
            api.get(f"{PATH}?watch=1&resourceVersion=99999", 410)


class TestObjectsFirst:
    def test_all_objects_then_a_bookmark_then_changes(self, api: Api) -> None:
        for name in "ab":
            post(api, name)
        version = api.get(PATH)["metadata"]["resourceVersion"]
        lines = Lines(api, LIST_FIRST)
        found = lines.to_end_of_list()
        assert names(found) == [("ADDED", "a"), ("ADDED", "b"), ("BOOKMARK", "")]
        assert found[-1]["object"] == {
            "kind": "ImageStream",
            "apiVersion": "image.openshift.io/v1",
            "metadata": {"namespace": "default", "resourceVersion": version, "annotations": END},
            "spec": {"lookupPolicy": {"local": False}},
            "status": {"dockerImageRepository": ""},
        }
        post(api, "c")
        api.delete(f"{PATH}/a")
        assert names([next(lines), next(lines)]) == [("ADDED", "c"), ("DELETED", "a")]
        lines.answer.close()

    def test_of_an_empty_list_the_bookmark_comes_alone(self, api: Api) -> None:
        version = api.store.version()
        lines = Lines(api, f"{LIST_FIRST}&resourceVersion={version}")
        (only,) = lines.to_end_of_list()
        assert only["object"]["metadata"] == {"namespace": "default", "resourceVersion": version, "annotations": END}
        lines.answer.close()

    def test_without_bookmarks_there_is_none(self, api: Api) -> None:
        post(api, "a")
        query = LIST_FIRST.replace("allowWatchBookmarks=true", "timeoutSeconds=1")
        assert names(list(Lines(api, query))) == [("ADDED", "a")]

    def test_false_begins_with_what_is_new(self, api: Api) -> None:
        post(api, "a")
        query = "watch=1&sendInitialEvents=false&resourceVersionMatch=NotOlderThan"
        lines = Lines(api, query)
        post(api, "b")
        assert names([next(lines)]) == [("ADDED", "b")]
        lines.answer.close()

    @pytest.mark.parametrize("accept", [TABLE, METADATA])
    def test_in_other_forms(self, api: Api, accept: str) -> None:
        post(api, "a")
        first, bookmark = Lines(api, f"{LIST_FIRST}&timeoutSeconds=5", Accept=accept).to_end_of_list()
        if accept == METADATA:
            assert bookmark["object"]["kind"] == "PartialObjectMetadata"
            assert bookmark["object"]["metadata"]["annotations"] == END
        else:
            assert "columnDefinitions" in first["object"]
            assert bookmark["object"]["columnDefinitions"] is None
            (row,) = bookmark["object"]["rows"]
            assert row["object"]["metadata"]["annotations"] == END

    def test_a_list_in_parts_while_others_write(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        """Objects never go back to an older version, whether they change before or after their part is read."""
        for number in range(30):
            post(api, f"s{number:02}")
        whole = watched.WatchedObjects.listed
        parts = 0

        def listed(self: watched.WatchedObjects, after: Any) -> Any:
            nonlocal parts
            if parts == 1:
                for name in ("s00", "s25"):  # of a part that was read, and of one that was not
                    api.patch(f"{PATH}/{name}", {"metadata": {"labels": {"x": "y"}}})
                api.delete(f"{PATH}/s01")
                api.delete(f"{PATH}/s26")
                post(api, "s000")
                post(api, "s255")
            parts += 1
            return whole(self, after)

        monkeypatch.setattr(watched, "AT_ONCE", 10)
        monkeypatch.setattr(watched.WatchedObjects, "listed", listed)
        lines = Lines(api, LIST_FIRST).to_end_of_list()
        assert parts == 3
        seen: dict[str, int] = {}
        for line in lines[:-1]:
            metadata = line["object"]["metadata"]
            version = int(metadata["resourceVersion"])
            assert version > seen.get(metadata["name"], 0), line
            seen[metadata["name"]] = version
            if line["type"] == "DELETED":
                assert metadata["name"] == "s01", "s26 was never added"
        state = {
            line["object"]["metadata"]["name"]: line["object"]["metadata"]["resourceVersion"]
            for line in lines[:-1]
            if line["type"] != "DELETED"
        }
        del state["s01"]
        listed_now = api.get(PATH)
        assert state == {item["metadata"]["name"]: item["metadata"]["resourceVersion"] for item in listed_now["items"]}
        assert lines[-1]["object"]["metadata"]["resourceVersion"] == listed_now["metadata"]["resourceVersion"]


class TestBookmarks:
    def test_while_nothing_changes_and_with_the_version_of_all_resources(
        self, api: Api, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(streams, "QUIET_IN_THREAD_S", 0.2)
        version = api.store.version()
        lines = Lines(api, f"watch=1&allowWatchBookmarks=true&resourceVersion={version}")
        first = next(lines)
        assert names([first]) == [("BOOKMARK", "")]
        assert first["object"]["metadata"] == {"namespace": "default", "resourceVersion": version}
        api.post("/api/v1/namespaces/test/configmaps", {"metadata": {"name": "other"}})
        later = api.store.version()
        while first["object"]["metadata"]["resourceVersion"] != later:
            first = next(lines)
            assert names([first]) == [("BOOKMARK", "")]
        lines.answer.close()

    def test_at_the_end_of_a_long_one(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        post(api, "a")
        query = "watch=1&timeoutSeconds=1&allowWatchBookmarks=true"
        assert names(list(Lines(api, query))) == [("ADDED", "a")]
        monkeypatch.setattr(watching, "SHORT_S", 0.5)
        assert names(list(Lines(api, query))) == [("ADDED", "a"), ("BOOKMARK", "")]
        assert names(list(Lines(api, "watch=1&timeoutSeconds=1"))) == [("ADDED", "a")]


class TestBehind:
    def test_what_fell_out_of_memory_is_read_from_the_store(self, api: Api) -> None:
        start = api.store.version()
        lines = Lines(api, f"watch=1&resourceVersion={start}")
        post(api, "first")
        assert names([next(lines)]) == [("ADDED", "first")]
        filler = "x" * 100_000  # ten of these are more than stays in memory
        for number in range(50):
            post(api, f"s{number}", annotations={"filler": filler})
        found = [next(lines) for _ in range(50)]
        assert names(found) == [("ADDED", f"s{number}") for number in range(50)]
        lines.answer.close()

    def test_what_is_no_longer_stored_is_an_error(self, api: Api) -> None:
        post(api, "a")
        lines = Lines(api, f"watch=1&resourceVersion={api.store.version()}")
        for number in range(50):
            post(api, f"s{number}", annotations={"filler": "x" * 100_000})
        with api.store.database.transaction() as connection:
            connection.execute("DELETE FROM changes WHERE version <= (SELECT max(version) FROM changes) - 1")
        found = list(lines)
        assert [line["type"] for line in found] == ["ERROR"]
        assert (found[0]["object"]["code"], found[0]["object"]["reason"]) == (410, "Expired")

    def test_a_store_that_cannot_be_read_ends_the_watch(self, api: Api) -> None:
        lines = Lines(api, f"watch=1&resourceVersion={api.store.version()}")
        with api.store.database.transaction() as connection:
            connection.execute("DROP TABLE changes")
        (only,) = list(lines)
        assert (only["type"], only["object"]["code"]) == ("ERROR", 500)


def test_a_line_is_encoded_once_for_all_that_want_the_same(api: Api) -> None:
    start = api.store.version()
    opened = [Lines(api, f"watch=1&resourceVersion={start}") for _ in range(3)]
    opened.append(Lines(api, f"watch=1&resourceVersion={start}", Accept=METADATA))
    version = api.store.version()
    waiting = [threading.Thread(target=next, args=(lines,)) for lines in opened]
    with mock.patch.object(watching, "shaped", wraps=answers.shaped) as shaped:
        for thread in waiting:
            thread.start()
        time.sleep(0.3)  # so that all wait and none reads the change from the store
        post(api, "a")
        for thread in waiting:
            thread.join(10)
    assert int(version) < int(api.store.version())
    forms = [call.args[1].name for call in shaped.call_args_list]
    assert forms.count("PartialObjectMetadata") == 1
    assert 1 <= forms.count("") <= 3  # threads may race to make it; the event loop has one
    for lines in opened:
        lines.answer.close()
