"""The journal: lists and changes in one order of versions."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from imagegate.adapters.kubernetes_api.connection import ApiError
from imagegate.adapters.kubernetes_api.store import journal as module
from imagegate.adapters.kubernetes_api.store.journal import Journal, Known
from imagegate.adapters.kubernetes_api.store.stored_form import Entry, Unreadable, document_of, read
from imagegate.adapters.kubernetes_api.store.written_version import WrittenVersion
from imagegate.core.image_streams.terms import terms_of
from imagegate.ports.image_store import ChangesExpired, ChangeType, Collection, ObjectKey

STREAMS = Collection("image.openshift.io", "imagestreams")


def known(name: str, version: int, *, uid: str = "", namespace: str = "shop", **labels: str) -> Known:
    key = ObjectKey(*STREAMS[:2], namespace, name)
    found = document_of(key, {"metadata": {"name": name, "namespace": namespace, "labels": labels}}, "imagegate")
    found["metadata"] |= {"resourceVersion": str(version), "uid": uid or f"uid of {name}"}
    return read(found, terms_of)


def broken(name: str, version: int) -> Known:
    was = known(name, version)
    assert isinstance(was, Entry)
    return Unreadable(was.name, was.key, version, was.uid, "somebody was here")


def listed(journal: Journal, version: int, *objects: Known) -> None:
    journal.listed({("imagegate", each.name): each for each in objects}, str(version))


def changed(journal: Journal, before: Known | None, after: Known | None, version: int) -> None:
    journal.changed(before, after, str(version))
    journal.reached(str(version))


def names(journal: Journal, **options: Any) -> list[str]:
    return [each.key.name for each in journal.select(STREAMS, options.get("after"), options.get("most", 0))]


def seen(journal: Journal, since: int) -> list[tuple[str, str, int]]:
    found = journal.changes(since, None, 99).changes
    return [(change.type.value, change.key.name, change.version) for change in found]


def test_a_list_begins_it() -> None:
    journal = Journal()
    listed(journal, 10, known("b", 3), known("a", 7))
    assert (names(journal), journal.complete, len(journal)) == (["a", "b"], 10, 2)
    assert journal.changes(10, None, 9).changes == ()
    with pytest.raises(ChangesExpired):
        journal.changes(9, None, 9)


def test_changes_are_in_order_and_a_deletion_has_the_version_of_its_event() -> None:
    journal = Journal()
    listed(journal, 10)
    first, second = known("a", 12, x="1"), known("a", 15, x="2")
    changed(journal, None, first, 12)
    changed(journal, first, second, 15)
    changed(journal, second, None, 21)
    journal.reached("30")
    assert seen(journal, 10) == [("ADDED", "a", 12), ("MODIFIED", "a", 15), ("DELETED", "a", 21)]
    found = journal.changes(10, STREAMS, 9)
    assert [change.labels_before for change in found.changes] == [{}, {"x": "1"}, {"x": "2"}]
    assert found.changes[2].object["metadata"]["resourceVersion"] == "21"
    assert found.version == 30
    assert names(journal) == []
    assert journal.wait_for_deletion("uid of a", 0) == 21


def test_a_part_of_the_changes_ends_at_its_last_one() -> None:
    journal = Journal()
    listed(journal, 10)
    for version in (11, 12, 13):
        changed(journal, None, known(f"n{version}", version), version)
    assert journal.changes(10, None, 2).version == 12
    assert journal.changes(12, None, 2).version == 13


def test_a_second_list_goes_on_where_only_changes_can_have_happened() -> None:
    journal = Journal()
    listed(journal, 10, known("a", 3))
    listed(journal, 20, known("a", 3), known("c", 18), known("b", 15))
    assert seen(journal, 10) == [("ADDED", "b", 15), ("ADDED", "c", 18)]
    listed(journal, 30, known("a", 25), known("c", 18), known("b", 15))
    assert seen(journal, 18) == [("MODIFIED", "a", 25)]


@pytest.mark.parametrize(
    "now",
    [
        [],
        [known("a", 12, uid="another")],
        [known("a", 2)],
        [broken("a", 12)],
    ],
    ids=["deleted", "deleted and made anew", "went back", "unreadable"],
)
def test_a_second_list_that_does_not_tell_everything_begins_anew(now: list[Known]) -> None:
    journal = Journal()
    listed(journal, 10, known("a", 3))
    listed(journal, 20, *now)
    with pytest.raises(ChangesExpired):
        journal.changes(10, None, 9)
    assert journal.complete == 20


def test_a_deletion_that_only_a_list_shows_is_known() -> None:
    journal = Journal()
    listed(journal, 10, known("a", 3))
    listed(journal, 20)
    assert journal.wait_for_deletion("uid of a", 0) == 20


def test_of_an_object_that_cannot_be_read_watchers_learn_by_listing_again() -> None:
    journal = Journal()
    good, bad = known("a", 3), broken("a", 12)
    listed(journal, 10, good)
    changed(journal, good, bad, 12)
    assert names(journal) == []
    assert journal.unreadable() == journal.unreadable_in(STREAMS) == [bad]
    assert journal.unreadable_in(Collection("", "pods")) == []
    with pytest.raises(ChangesExpired):
        journal.changes(10, None, 9)
    changed(journal, bad, known("a", 14), 14)
    assert (names(journal), journal.unreadable()) == (["a"], [])


def test_one_that_does_not_say_what_it_is_may_be_anything() -> None:
    journal = Journal()
    listed(journal, 10, Unreadable("x", ObjectKey("", "", "", ""), 3, "u", "no spec"))
    assert journal.unreadable_in(STREAMS) == journal.unreadable_in(Collection("", "pods", "shop"))
    assert len(journal.unreadable_in(STREAMS)) == 1


def test_old_changes_are_forgotten_by_number_and_by_size(monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(changes_kept=10)
    listed(journal, 10)
    for version in range(11, 40):
        changed(journal, None, known(f"n{version}", version), version)
    assert len(seen(journal, 35)) == 4
    with pytest.raises(ChangesExpired):
        journal.changes(15, None, 9)
    monkeypatch.setattr(module, "CHANGES_MAX_BYTES", 1)
    changed(journal, None, known("z", 50), 50)
    assert len(journal.changes(49, None, 9).changes) == 1


def test_namespaces_do_not_reach_into_each_other() -> None:
    journal = Journal()
    every = [known(name, 3, namespace=namespace) for namespace in ("a", "a-b", "b") for name in ("x", "y")]
    listed(journal, 10, *every)
    inside = journal.select(STREAMS._replace(namespace="a"), None)
    assert [each.key[2:] for each in inside] == [("a", "x"), ("a", "y")]
    later = journal.select(STREAMS, ("a", "y"), 2)
    assert [each.key[2:] for each in later] == [("a-b", "x"), ("a-b", "y")]


def test_a_reader_waits_for_a_version() -> None:
    journal = Journal()
    listed(journal, 10)
    assert not journal.wait_for(11, 0.01)
    threading.Timer(0.05, lambda: journal.reached("12")).start()
    assert journal.wait_for(11, 5)


def test_versions_must_be_numbers() -> None:
    with pytest.raises(ApiError):
        Journal().reached("abc")


def test_types_are_those_of_the_port() -> None:
    journal = Journal()
    listed(journal, 1)
    changed(journal, None, known("a", 2), 2)
    assert journal.changes(1, None, 9).changes[0].type is ChangeType.ADDED


def test_the_written_version_goes_up_and_can_be_set_back() -> None:
    written = WrittenVersion()
    assert written.now() == 0
    written.raise_to(7)
    written.raise_to(5)
    assert written.now() == 7
    written.set_back_to(9)
    assert written.now() == 7
    written.set_back_to(3)
    assert written.now() == 3
