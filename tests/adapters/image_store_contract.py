"""What every ``ImageStore`` must do. An adapter's test module subclasses this and gives a ``store`` fixture."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from imagegate.core.image_streams.terms import DELETED
from imagegate.ports.image_store import (
    Changes,
    ChangesExpired,
    ChangeType,
    Collection,
    ImageStore,
    ObjectChanged,
    ObjectExists,
    ObjectKey,
    ObjectMissing,
)

GROUP = "image.openshift.io"
STREAMS = Collection(GROUP, "imagestreams")


def key(name: str = "app", namespace: str = "test", resource: str = "imagestreams", group: str = GROUP) -> ObjectKey:
    return ObjectKey(group, resource, namespace, name)


def body(name: str = "app", namespace: str = "test", **metadata: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": namespace, **metadata}, "spec": {"x": 1}}


def seen(changes: Changes) -> list[tuple[ChangeType, str]]:
    return [(change.type, change.object["metadata"]["name"]) for change in changes.changes]


class ImageStoreContract:
    def test_created_objects_have_what_the_server_gives(self, store: ImageStore) -> None:
        given = body(labels={"a": "b"})
        created = store.create(key(), given)
        assert created["metadata"]["labels"] == {"a": "b"}
        assert created["metadata"]["resourceVersion"]
        assert len(created["metadata"]["uid"]) == 36
        assert created["metadata"]["creationTimestamp"].endswith("Z")
        assert store.get(key()) == created
        assert "uid" not in given["metadata"], "the object given was changed"

    def test_uid_and_time_are_kept_where_given(self, store: ImageStore) -> None:
        created = store.create(key(), body(uid="u", creationTimestamp="2018-06-01T10:00:00Z", resourceVersion="77"))
        assert (created["metadata"]["uid"], created["metadata"]["creationTimestamp"]) == ("u", "2018-06-01T10:00:00Z")
        assert created["metadata"]["resourceVersion"] != "77"

    def test_a_name_is_taken_once(self, store: ImageStore) -> None:
        first = store.create(key(), body())
        with pytest.raises(ObjectExists):
            store.create(key(), body())
        assert store.get(key()) == first
        store.create(key(namespace="other"), body(namespace="other"))
        store.create(key(resource="images"), body())
        store.create(key(group=""), body())

    def test_what_is_not_there(self, store: ImageStore) -> None:
        assert store.get(key()) is None
        with pytest.raises(ObjectMissing):
            store.update(key(), body(), version="1")
        with pytest.raises(ObjectMissing):
            store.delete(key())

    def test_only_the_version_seen_last_is_replaced(self, store: ImageStore) -> None:
        first = store.create(key(), body())["metadata"]["resourceVersion"]
        second = store.update(key(), body(uid="u", labels={"n": "2"}), version=first)
        assert second["metadata"]["resourceVersion"] != first
        with pytest.raises(ObjectChanged):
            store.update(key(), body(uid="u", labels={"n": "3"}), version=first)
        assert store.get(key()) == second

    def test_an_equal_object_is_not_written(self, store: ImageStore) -> None:
        first = store.create(key(), body())
        version = store.version()
        assert store.update(key(), first, version=first["metadata"]["resourceVersion"]) == first
        assert store.version() == version

    def test_delete_and_its_preconditions(self, store: ImageStore) -> None:
        first = store.create(key(), body())
        for wrong in ({"version": "999999"}, {"uid": "other"}):
            with pytest.raises(ObjectChanged):
                store.delete(key(), **wrong)
        gone = store.delete(key(), version=first["metadata"]["resourceVersion"], uid=first["metadata"]["uid"])
        assert gone["metadata"]["uid"] == first["metadata"]["uid"]
        assert store.get(key()) is None
        assert store.create(key(), body())["metadata"]["uid"] != first["metadata"]["uid"]

    def test_lists_are_ordered_and_limited(self, store: ImageStore) -> None:
        names = [("b", "1"), ("a", "2"), ("a", "10"), ("c", "3")]
        for namespace, name in names:
            store.create(key(name, namespace), body(name, namespace))
        store.create(key(resource="images"), body())

        def listed(**options: Any) -> list[str]:
            items = store.list_objects(**options).items
            return [f"{item['metadata']['namespace']}/{item['metadata']['name']}" for item in items]

        assert listed(collection=STREAMS) == ["a/10", "a/2", "b/1", "c/3"]
        assert listed(collection=STREAMS._replace(namespace="a")) == ["a/10", "a/2"]
        assert listed(collection=STREAMS._replace(namespace="none")) == []
        page = store.list_objects(STREAMS, limit=3)
        assert page.after == ("b", "1")
        assert store.count_after(STREAMS, ("b", "1")) == 1
        assert store.count_after(STREAMS, ("a", "10")) == 3
        assert store.count_after(STREAMS._replace(namespace="a"), ("a", "10")) == 1
        assert store.count_after(STREAMS, ("c", "3")) == 0
        assert listed(collection=STREAMS, limit=3, after=page.after) == ["c/3"]
        assert store.list_objects(STREAMS, limit=1, after=page.after).after is None
        assert listed(collection=STREAMS, matches=lambda found: found["metadata"]["name"] > "15") == ["a/2", "c/3"]
        whole = store.list_objects(STREAMS, limit=4)
        assert (len(whole.items), whole.after) == (4, None)

    def test_list_has_the_version_to_watch_from(self, store: ImageStore) -> None:
        store.create(key("a"), body("a"))
        page = store.list_objects(STREAMS)
        store.create(key("b"), body("b"))
        assert seen(store.changes(page.version, STREAMS, limit=9)) == [(ChangeType.ADDED, "b")]

    def test_every_change_is_known_in_order(self, store: ImageStore) -> None:
        start = store.version()
        first = store.create(key("a"), body("a", labels={"l": "1"}))
        second = store.update(key("a"), body("a", labels={"l": "2"}), version=first["metadata"]["resourceVersion"])
        store.create(key("x", "other"), body("x", "other"))
        store.create(key("img", "", "images", ""), body("img", ""))
        gone = store.delete(key("a"))
        found = store.changes(start, STREAMS, limit=9)
        assert seen(found) == [
            (ChangeType.ADDED, "a"),
            (ChangeType.MODIFIED, "a"),
            (ChangeType.ADDED, "x"),
            (ChangeType.DELETED, "a"),
        ]
        changes = found.changes
        assert [change.labels_before for change in changes] == [{}, {"l": "1"}, {}, {"l": "2"}]
        assert [change.object for change in changes[:2]] == [first, second]
        assert changes[3].object == gone
        versions = [int(change.object["metadata"]["resourceVersion"]) for change in changes]
        assert versions == sorted(set(versions)) == [change.version for change in changes]
        assert all(change.size > 20 for change in changes)
        assert seen(store.changes(start, STREAMS._replace(namespace="other"), limit=9)) == [(ChangeType.ADDED, "x")]
        later = store.changes(str(versions[1]), STREAMS, limit=9)
        assert seen(later) == [(ChangeType.ADDED, "x"), (ChangeType.DELETED, "a")]
        everything = store.changes(start, limit=9)
        assert [change.key for change in everything.changes] == [
            key("a"),
            key("a"),
            key("x", "other"),
            key("img", "", "images", ""),
            key("a"),
        ]
        assert found.version == everything.version == int(store.version())

    def test_changes_are_read_in_parts(self, store: ImageStore) -> None:
        since = store.version()
        names: list[str] = []
        for name in "abcde":
            store.create(key(name), body(name))
            store.create(key(name, resource="images"), body(name))
        for _ in range(3):
            part = store.changes(since, STREAMS, limit=2)
            names += [name for _, name in seen(part)]
            since = str(part.version)
        assert names == list("abcde")
        assert since == store.version(), "the change of another resource after the last one is passed, too"

    def test_what_was_written_is_noticed(self, store: ImageStore) -> None:
        with store.commits() as news:
            before = news()
            assert news() == before
            store.create(key("a"), body("a"))
            after = news()
            assert after != before
            writer = threading.Thread(target=lambda: store.create(key("b"), body("b")))
            writer.start()
            writer.join()
            assert news() != after

    def test_a_version_of_the_future_or_of_another_store(self, store: ImageStore) -> None:
        future = str(int(store.version()) + 1_000_000)
        assert not store.knows(future)
        assert store.knows(store.version())
        for version in (future, "abc"):
            with pytest.raises(ChangesExpired):
                store.changes(version, STREAMS, limit=9)

    def test_missing_objects_are_filled_in(self, store: ImageStore) -> None:
        first = store.create(key("a"), body("a"))
        wanted = [(key(name), body(name, labels={"filled": "in"})) for name in "abc"]
        assert store.create_missing(wanted) == 2
        assert store.create_missing(wanted) == 0
        assert store.get(key("a")) == first
        found = store.get(key("b"))
        assert found is not None
        assert found["metadata"]["labels"] == {"filled": "in"}

    def test_objects_are_found_by_terms(self, store: ImageStore) -> None:
        held = {"deletionTimestamp": "2018-06-01T10:00:00Z"}
        store.create(key("b"), body("b", **held))
        first = store.create(key("a"), body("a", **held))
        store.create(key("c"), body("c"))
        store.create(key("d", resource="images"), body("d", **held))
        assert [each["metadata"]["name"] for each in store.find(GROUP, "imagestreams", DELETED)] == ["a", "b"]
        store.update(key("a"), body("a"), version=first["metadata"]["resourceVersion"])
        store.delete(key("b"))
        assert store.find(GROUP, "imagestreams", DELETED) == []

    def test_a_store_that_works_has_no_trouble(self, store: ImageStore) -> None:
        store.create(key(), body())
        assert store.trouble() == ""
        store.release()
        assert store.get(key()) is not None

    def test_of_concurrent_writers_one_wins(self, store: ImageStore) -> None:
        first = store.create(key(), body())
        barrier = threading.Barrier(4)
        won: list[str] = []

        def write(label: str) -> None:
            barrier.wait()
            try:
                store.update(key(), body(labels={"by": label}), version=first["metadata"]["resourceVersion"])
            except ObjectChanged:
                return
            won.append(label)

        threads = [threading.Thread(target=write, args=(str(number),)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(won) == 1
        stored = store.get(key())
        assert stored is not None
        assert stored["metadata"]["labels"] == {"by": won[0]}
