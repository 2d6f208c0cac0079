"""The port ``ImageStore`` over custom resources of the Kubernetes API.

``get`` asks the API server, and so do writes: each sees what any replica has written. Lists and changes come from the
journal, which a watch fills; they wait until it shows whatever a process of this replica has written.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from imagegate.adapters.kubernetes_api.connection import ApiError, Connection, JsonObject
from imagegate.adapters.kubernetes_api.listing import list_all, text_of
from imagegate.adapters.kubernetes_api.store.journal import CHANGES_KEPT, Journal, Known
from imagegate.adapters.kubernetes_api.store.requests import CLOCK, Requests
from imagegate.adapters.kubernetes_api.store.stored_form import (
    GROUP,
    KIND_LABEL,
    Entry,
    TermsOf,
    Unreadable,
    document_of,
    kind_label,
    name_of,
    read,
)
from imagegate.adapters.kubernetes_api.store.written_version import WrittenVersion
from imagegate.adapters.kubernetes_api.watched import Watched
from imagegate.core.image_streams.terms import terms_of
from imagegate.ports.image_store import (
    Changes,
    ChangesExpired,
    Collection,
    ImageStore,
    ObjectChanged,
    ObjectExists,
    ObjectKey,
    ObjectMissing,
    Page,
    StoreError,
    StoreTimeout,
)

RELIST_S = 3600.0
"""Tens of thousands of Images take hundreds of megabytes to list."""
SHOWN_S = 2.0
"""A list waits so long for the watch to show a write of this replica; it takes milliseconds."""
OWN_SHOWN_S = 1.0
"""A write waits so long before it is answered; what it wrote is stored in any case."""
NEWS_S = 0.05
DELETE_ATTEMPTS = 20
BROKEN_SHOWN = 3


class KubernetesStore:
    """See ``ports.image_store.ImageStore``. Follows nothing until ``watch`` is started, in each process.

    Without that, as in a command, every list is asked for anew.

    Args:
        connection: of this process.
        namespace: in which the custom resources are.
        now: the clock, for ``creationTimestamp``.
        changes_kept: number of changes that a watcher may fall behind.
    """

    def __init__(
        self,
        connection: Callable[[], Connection],
        namespace: str,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        changes_kept: int = CHANGES_KEPT,
        terms: TermsOf = terms_of,
    ) -> None:
        self._connection = connection
        self._requests = Requests(connection, namespace)
        self._now = now
        self._terms_of = terms
        self._written = WrittenVersion()
        self.journal = Journal(changes_kept=changes_kept)
        """The objects as the watch shows them: for decisions, which ask nothing."""
        self.watch: Watched[Known | None] = Watched(
            connection, self._requests.path, self._kept, relist_s=RELIST_S, listener=self.journal
        )

    def create(self, key: ObjectKey, body: dict[str, Any]) -> dict[str, Any]:
        """See the port."""
        metadata = dict(body.get("metadata") or {})
        metadata["uid"] = metadata.get("uid") or str(uuid.uuid4())
        if not metadata.get("creationTimestamp"):
            metadata["creationTimestamp"] = self._now().strftime("%Y-%m-%dT%H:%M:%SZ")
        document = document_of(key, {**body, "metadata": metadata}, self._requests.namespace)
        return self._shown(self._requests.create(document), key)

    def create_missing(self, objects: Iterable[tuple[ObjectKey, dict[str, Any]]]) -> int:
        """See the port. Each by itself, in this order."""
        created = 0
        for key, body in objects:
            if self.journal.at(name_of(key)) is not None:
                continue
            try:
                self.create(key, body)
                created += 1
            except ObjectExists:
                continue
        return created

    def get(self, key: ObjectKey) -> dict[str, Any] | None:
        """See the port."""
        found = self._requests.read(name_of(key))
        return None if found is None else self._readable(found, key).body()

    def update(self, key: ObjectKey, body: dict[str, Any], *, version: str) -> dict[str, Any]:
        """See the port. The API server itself writes nothing if nothing changes."""
        if not version.isdecimal():
            raise ObjectChanged(f"{key.resource} {key.name} has no version {version!r}")
        document = document_of(key, body, self._requests.namespace, version=version)
        return self._shown(self._requests.replace(document), key)

    def delete(self, key: ObjectKey, *, version: str | None = None, uid: str | None = None) -> dict[str, Any]:
        """See the port."""
        for _ in range(DELETE_ATTEMPTS):
            found = self._requests.read(name_of(key))
            if found is None:
                raise ObjectMissing(f"{key.resource} {key.name} does not exist")
            body = self._readable(found, key).body()
            metadata = body["metadata"]
            if version is not None and version != metadata["resourceVersion"]:
                raise ObjectChanged(f"{key.resource} {key.name} has version {metadata['resourceVersion']}")
            if uid is not None and uid != metadata.get("uid"):
                raise ObjectChanged(f"{key.resource} {key.name} has another uid")
            try:
                self._requests.delete(found)
            except ObjectChanged:
                continue  # if a version was asked for, the next read shows another one
            return {**body, "metadata": {**metadata, "resourceVersion": str(self._version_of_deletion(found))}}
        raise StoreTimeout(f"{key.resource} {key.name}: other writers change it all the time")

    def list_objects(
        self,
        collection: Collection,
        *,
        limit: int = 0,
        after: tuple[str, str] | None = None,
        matches: Callable[[dict[str, Any]], bool] | None = None,
    ) -> Page:
        """See the port."""
        entries, version = self._selected(collection, after, limit + 1 if limit and matches is None else 0)
        items: list[dict[str, Any]] = []
        for entry in entries:
            body = entry.body()
            if matches is not None and not matches(body):
                continue
            if limit and len(items) == limit:
                last = items[-1]["metadata"]
                return Page(tuple(items), version, (last.get("namespace") or "", last["name"]))
            items.append(body)
        return Page(tuple(items), version, None)

    def count_after(self, collection: Collection, after: tuple[str, str]) -> int:
        """See the port. Without a watch, all objects are listed for it."""
        if not self.watch.follows:
            return len(self._listed(collection, after)[0])
        self._catch_up()
        return self.journal.count(collection, after)

    def kinds(self) -> list[tuple[str, str]]:
        """See the port. What imagegate keeps for itself is no object of the image API."""
        self._catch_up()
        unreadable = self.journal.unreadable()
        if unreadable:
            raise StoreError(str(unreadable[0]))
        return [kind for kind in self.journal.kinds() if kind[0] != GROUP]

    def find(self, group: str, resource: str, term: str) -> list[dict[str, Any]]:
        """See the port."""
        if not self.watch.follows:
            entries, _ = self._listed(Collection(group, resource), None)
            return [entry.body() for entry in entries if term in entry.terms]
        self._catch_up()
        return [entry.body() for entry in self.journal.having((group, resource), term)]

    def changes(self, since: str, collection: Collection | None = None, *, limit: int) -> Changes:
        """See the port."""
        if not since.isdecimal():
            raise ChangesExpired(f"{since!r} is not a resource version of this store")
        self._catch_up()
        if not self.knows(since):
            raise ChangesExpired(f"Too large resource version: {since}, current: {self.journal.complete}")
        return self.journal.changes(int(since), collection, limit)

    def knows(self, version: str) -> bool:
        """See the port. The version may be one of another replica that this watch has no reason to reach."""
        number = int(version)
        if self.journal.wait_for(number, NEWS_S):
            return True
        if number > self._requests.newest_version():
            return False
        if not self.watch.follows:
            self._list()
        elif not self.journal.wait_for(self._requests.touch_clock(), SHOWN_S):
            raise StoreTimeout(f"the store is behind the Kubernetes API: {self.watch.state.failure or 'no word'}")
        return self.journal.complete >= number

    @contextmanager
    def commits(self) -> Iterator[Callable[[], object]]:
        """See the port."""
        yield lambda: self.journal.complete

    def version(self) -> str:
        """See the port."""
        self._catch_up()
        return str(self.journal.complete)

    def trouble(self) -> str:
        """See the port."""
        missing = self.missing()
        if missing:
            return missing
        broken = self.journal.unreadable()
        more = f"; and {len(broken) - BROKEN_SHOWN} more" if len(broken) > BROKEN_SHOWN else ""
        return "; ".join(map(str, broken[:BROKEN_SHOWN])) + more

    def missing(self) -> str:
        """Why nothing is known of the objects yet; empty once they were listed."""
        state = self.watch.state
        return (
            "" if state.synced else f"the store is not known yet: {self.watch.path}: {state.failure or 'being listed'}"
        )

    def release(self) -> None:
        """See the port. Each process has a connection of its own."""

    def _kept(self, found: JsonObject) -> Known | None:
        """The journal's entry of a custom resource; None of the clock."""
        return None if found["metadata"]["name"] == CLOCK else read(found, self._terms_of)

    def _readable(self, found: JsonObject, key: ObjectKey) -> Entry:
        known = read(found, self._terms_of)
        if isinstance(known, Unreadable):
            raise StoreError(str(known))
        if known.key != key:
            raise StoreError(f"the API server answered with {known.name} for {name_of(key)}")
        return known

    def _selected(self, collection: Collection, after: tuple[str, str] | None, most: int) -> tuple[list[Entry], str]:
        """Objects in order, at most so many (0: all), and the version they are of.

        Raises:
            StoreError: one that cannot be read may be among them. A part of a list is never a result.
        """
        if not self.watch.follows:
            return self._listed(collection, after)
        self._catch_up()
        version = str(self.journal.complete)
        unreadable = self.journal.unreadable_in(collection)
        if unreadable:
            raise StoreError(str(unreadable[0]))
        return self.journal.select(collection, after, most), version

    def _listed(self, collection: Collection, after: tuple[str, str] | None) -> tuple[list[Entry], str]:
        """Objects of a collection as the API server lists them now."""
        label = kind_label(collection.group, collection.resource)
        selection, heard = {"labelSelector": f"{KIND_LABEL}={label}"}, lambda: None
        try:
            listed = list_all(self._connection(), self.watch.path, self._kept, selection, heard)
        except ApiError as error:
            raise StoreTimeout(f"the store cannot be listed: {error}") from error
        if not listed.version.isdecimal():
            raise StoreError(f"the list of {self.watch.path} has a resourceVersion that is not a number")
        entries = []
        for each in listed.objects.values():
            if isinstance(each, Unreadable):
                raise StoreError(str(each))
            if each is not None and _is_after(each.key, collection, after):
                entries.append(each)
        return sorted(entries, key=lambda entry: entry.key), listed.version

    def _shown(self, found: JsonObject, key: ObjectKey) -> dict[str, Any]:
        """The object that was written, once the journal of this process has it."""
        entry = self._readable(found, key)
        self._written.raise_to(entry.version)
        if self.watch.follows:
            self.journal.wait_for(entry.version, OWN_SHOWN_S)
        return entry.body()

    def _version_of_deletion(self, found: JsonObject) -> int:
        """The version of a deletion, which the API server tells only watches; without a watch, one that is later."""
        version = None
        if self.watch.follows:
            version = self.journal.wait_for_deletion(text_of(found["metadata"], "uid"), OWN_SHOWN_S)
        if version is None:
            try:
                return self._requests.newest_version()
            except StoreError:  # it is deleted all the same
                return int(found["metadata"]["resourceVersion"])
        self._written.raise_to(version)
        return version

    def _catch_up(self) -> None:
        """Wait until the journal shows everything that this replica has written.

        Raises:
            StoreError: nothing was listed yet, or the watch is behind.
        """
        if not self.watch.follows:
            self._list()
            return
        missing = self.missing()
        if missing:
            raise StoreTimeout(missing)
        written = self._written.now()
        if self.journal.wait_for(written, SHOWN_S):
            return
        newest = self._requests.newest_version()
        if newest < written:
            self._written.set_back_to(newest)  # etcd was restored
            return
        # A restored etcd may have passed ``written`` by changes of other kinds, which this watch is not told.
        if not self.journal.wait_for(self._requests.touch_clock(), SHOWN_S):
            raise StoreTimeout(f"the store is behind the Kubernetes API: {self.watch.state.failure or 'no word'}")

    def _list(self) -> None:
        self.watch.list_once()
        failure = self.watch.state.failure
        if failure:
            raise StoreTimeout(f"the store cannot be listed: {failure}")


def _is_after(key: ObjectKey, collection: Collection, after: tuple[str, str] | None) -> bool:
    """True for objects of a collection after a namespace and name."""
    is_inside = key[:2] == collection[:2] and collection.namespace in (None, key.namespace)
    return is_inside and (after is None or key[2:] > after)


if TYPE_CHECKING:  # mypy checks each adapter against its port
    _: type[ImageStore] = KubernetesStore
