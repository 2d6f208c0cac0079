"""All stored objects as the watch has shown them, in order, with their last changes.

One order of versions: etcd's revision counts every write of the cluster, so versions of these objects have gaps, and
only grow. ``complete`` is the version up to which every change is known here; a list, an event and a bookmark each move
it. The version of a deletion is that of its event. Changes before the last list are not known.
"""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right, insort
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import islice
from typing import NamedTuple

from imagegate.adapters.kubernetes_api.connection import ApiError
from imagegate.adapters.kubernetes_api.listing import Key
from imagegate.adapters.kubernetes_api.store.stored_form import Entry, Unreadable
from imagegate.ports.image_store import Change, Changes, ChangesExpired, ChangeType, Collection, ObjectKey

CHANGES_KEPT = 10_000
CHANGES_MAX_BYTES = 32 * 1024 * 1024
DELETIONS_KEPT = 1_000
_LAST_NAME = "\uffff"

Kind = tuple[str, str]
"""Group and resource."""
Place = tuple[str, str]
"""Namespace and name."""
Known = Entry | Unreadable


class _Record(NamedTuple):
    version: int
    type: ChangeType
    entry: Entry
    """After the change; before it, if deleted, with the version of the deletion."""
    labels_before: dict[str, str]

    def change(self) -> Change:
        entry = self.entry
        return Change(entry.key, self.type, entry.body(), self.labels_before, self.version, entry.size)


class Journal:
    """``watched.Listener`` of the custom resources. Every method may be called by any thread.

    Args:
        changes_kept: number of changes that a watcher may fall behind.
    """

    def __init__(self, *, changes_kept: int = CHANGES_KEPT) -> None:
        self._changes_kept = changes_kept
        self._moved = threading.Condition()
        self._known: dict[str, Known] = {}
        """By name of the custom resource."""
        self._unreadable: dict[str, Unreadable] = {}
        self._places: dict[Kind, list[tuple[str, str, str]]] = {}
        """Namespace, name, and name of the custom resource; sorted."""
        self._with_term: dict[str, set[str]] = {}
        self._records: list[_Record] = []
        self._record_bytes = 0
        self._first = 0
        """Every change after this version is among the records."""
        self.complete = 0
        """Every change up to this version is known."""
        self._deletions: OrderedDict[str, int] = OrderedDict()
        """Versions of the last deletions, by uid of the custom resource."""

    # The thread of the watch

    def listed(self, objects: Mapping[Key, Known | None], version: str) -> None:
        """See ``Listener``. Changes that a list shows are recorded, if nothing but them can have happened."""
        now = {key[1]: each for key, each in objects.items() if each is not None}
        number = _number(version)
        with self._moved:
            changed = [each for name, each in now.items() if self._known.get(name) != each]
            if self._can_record(now, changed):
                for each in sorted(changed, key=lambda one: one.version):
                    self._apply(self._known.get(each.name), each, each.version)
            else:
                self._begin(now, number)
            self.complete = number
            self._moved.notify_all()

    def changed(self, before: Known | None, after: Known | None, version: str) -> None:
        """See ``Listener``."""
        with self._moved:
            self._apply(before, after, _number(version))

    def reached(self, version: str) -> None:
        """See ``Listener``."""
        with self._moved:
            self.complete = _number(version)
            self._moved.notify_all()

    def _can_record(self, now: Mapping[str, Known], changed: Iterable[Known]) -> bool:
        """True if nothing was deleted or made anew since the last change: then the records can go on."""
        if not self.complete or self._known.keys() - now.keys():
            return False
        return all(
            each.version > self.complete and (each.name not in self._known or self._known[each.name].uid == each.uid)
            for each in changed
        )

    def _begin(self, now: Mapping[str, Known], version: int) -> None:
        for gone in {each.uid for each in self._known.values()} - {each.uid for each in now.values()}:
            self._note_deletion(gone, version)
        self._known, self._unreadable, self._places, self._with_term = {}, {}, {}, {}
        self._begin_records(version)
        for each in now.values():
            self._add(each, in_order=False)
        for places in self._places.values():
            places.sort()

    def _apply(self, before: Known | None, after: Known | None, version: int) -> None:
        if before is not None:
            self._remove(before)
            if after is None:
                self._note_deletion(before.uid, version)
        if after is not None:
            self._add(after)
        self._record(before, after, version)

    def _note_deletion(self, uid: str, version: int) -> None:
        self._deletions[uid] = version
        while len(self._deletions) > DELETIONS_KEPT:
            self._deletions.popitem(last=False)

    def _add(self, found: Known, *, in_order: bool = True) -> None:
        self._known[found.name] = found
        if isinstance(found, Unreadable):
            self._unreadable[found.name] = found
            return
        key = found.key
        places = self._places.setdefault((key.group, key.resource), [])
        place = (key.namespace, key.name, found.name)
        if in_order:
            insort(places, place)
        else:
            places.append(place)
        for term in found.terms:
            self._with_term.setdefault(term, set()).add(found.name)

    def _remove(self, found: Known) -> None:
        self._known.pop(found.name, None)
        if isinstance(found, Unreadable):
            self._unreadable.pop(found.name, None)
            return
        key = found.key
        places = self._places[key.group, key.resource]
        index = bisect_left(places, (key.namespace, key.name, found.name))
        del places[index : index + 1]
        for term in found.terms:
            names = self._with_term.get(term, set())
            names.discard(found.name)
            if not names:
                self._with_term.pop(term, None)

    def _record(self, before: Known | None, after: Known | None, version: int) -> None:
        if isinstance(before, Unreadable) or isinstance(after, Unreadable):
            self._begin_records(version)  # watchers list again: an error, until it is repaired or deleted
            return
        labels = before.labels() if before is not None else {}
        if after is not None:
            type_ = ChangeType.ADDED if before is None else ChangeType.MODIFIED
            record = _Record(version, type_, after, labels)
        elif before is not None:
            record = _Record(version, ChangeType.DELETED, replace(before, version=version), labels)
        else:
            return
        self._records.append(record)
        self._record_bytes += len(record.entry.content)
        if len(self._records) > self._changes_kept or self._record_bytes > CHANGES_MAX_BYTES:
            self._forget_some()

    def _begin_records(self, version: int) -> None:
        self._records, self._record_bytes, self._first = [], 0, version

    def _forget_some(self) -> None:
        """Forget the older half, so that it is not done for every change."""
        gone = max(1, len(self._records) // 2)
        self._first = self._records[gone - 1].version
        self._record_bytes -= sum(len(each.entry.content) for each in self._records[:gone])
        self._records = self._records[gone:]

    # Readers

    def wait_for(self, version: int, timeout_s: float) -> bool:
        """Wait until every change up to a version is known; False if that takes longer."""
        with self._moved:
            return self._moved.wait_for(lambda: self.complete >= version, timeout_s)

    def wait_for_deletion(self, uid: str, timeout_s: float) -> int | None:
        """The version of the deletion of a custom resource, once it is known; None if that takes longer."""
        with self._moved:
            self._moved.wait_for(lambda: uid in self._deletions, timeout_s)
            return self._deletions.get(uid)

    def at(self, name: str) -> Known | None:
        """The object in a custom resource."""
        return self._known.get(name)

    def unreadable(self) -> list[Unreadable]:
        """Every custom resource that cannot be read."""
        with self._moved:
            return list(self._unreadable.values())

    def unreadable_in(self, collection: Collection) -> list[Unreadable]:
        """Custom resources that may be objects of a collection, and cannot be read."""
        return [each for each in self.unreadable() if _may_be_in(each.key, collection)]

    def __len__(self) -> int:
        return len(self._known) - len(self._unreadable)

    def select(self, collection: Collection, after: Place | None, most: int = 0) -> list[Entry]:
        """Objects of a collection by namespace and name, after one of them, at most so many (0: all)."""
        with self._moved:
            places = self._places.get((collection.group, collection.resource), [])
            first, last = _bounds(places, collection.namespace, after)
            if most:
                last = min(last, first + most)
            found = (self._known[name] for _, _, name in islice(places, first, last))
            return [each for each in found if isinstance(each, Entry)]

    def count(self, collection: Collection, after: Place) -> int:
        """Number of objects of a collection after one of them."""
        with self._moved:
            places = self._places.get((collection.group, collection.resource), [])
            first, last = _bounds(places, collection.namespace, after)
            return max(last - first, 0)

    def kinds(self) -> list[Kind]:
        """Group and resource of all objects, in order."""
        with self._moved:
            return sorted(kind for kind, places in self._places.items() if places)

    def having(self, kind: Kind, term: str) -> list[Entry]:
        """Objects of a kind with a search term, by namespace and name."""
        with self._moved:
            known = [self._known[name] for name in self._with_term.get(term, ())]
        found = [each for each in known if isinstance(each, Entry) and (each.key.group, each.key.resource) == kind]
        return sorted(found, key=lambda each: each.key)

    def changes(self, since: int, collection: Collection | None, limit: int) -> Changes:
        """See ``ImageStore.changes``; ``since`` is not after ``complete``."""
        with self._moved:
            if since < self._first:
                raise ChangesExpired(f"too old resource version: {since} ({self._first})")
            first = bisect_right(self._records, since, key=lambda record: record.version)
            later = islice(self._records, first, None)
            found = list(islice((each for each in later if _is_in(each.entry.key, collection)), limit))
            version = found[-1].version if len(found) == limit else self.complete
        return Changes(tuple(record.change() for record in found), version)


def _bounds(places: list[tuple[str, str, str]], namespace: str | None, after: Place | None) -> tuple[int, int]:
    """The first index and the one after the last of the places of a namespace, after a namespace and name."""
    first = bisect_right(places, (*after, _LAST_NAME)) if after is not None else 0
    if namespace is None:
        return first, len(places)
    first = max(first, bisect_left(places, (namespace, "", "")))
    return first, bisect_left(places, (f"{namespace}\0", "", ""))


def _is_in(key: ObjectKey, collection: Collection | None) -> bool:
    if collection is None:
        return True
    kind = (collection.group, collection.resource)
    return (key.group, key.resource) == kind and collection.namespace in (None, key.namespace)


def _may_be_in(key: ObjectKey, collection: Collection) -> bool:
    """True if an object that cannot be read belongs to a collection, or does not say where it belongs."""
    return not key.resource or _is_in(key, collection)


def _number(version: str) -> int:
    if not version.isdecimal():
        raise ApiError(f"the resourceVersion {version!r} is not a number, so that changes have no order")
    return int(version)
