"""The objects that a watch is about: how they are read from the store, and how a change of one is seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from imagegate.core.image_streams.shown_images import with_shown_metadata
from imagegate.ports.image_store import Change, Changes, ChangeType, Collection, ImageStore, Page
from imagegate.service.image_api.request import JsonObject, ListOptions

_BOOKMARKS: Mapping[str, JsonObject] = {
    "ImageStream": {
        "metadata": {"namespace": "default"},
        "spec": {"lookupPolicy": {"local": False}},
        "status": {"dockerImageRepository": ""},
    },
    "Image": with_shown_metadata({}),
}
"""Fields of the empty object that the original makes a bookmark of, by kind."""
AT_ONCE = 20
"""Objects read at once for one watch, each at most as large as a request: they wait in memory until they are sent."""


def bookmark_object(kind: str, api_version: str, metadata: JsonObject) -> JsonObject:
    """The object of a bookmark: a version, and no object of the collection."""
    empty = _BOOKMARKS.get(kind, {})
    return {**empty, "kind": kind, "apiVersion": api_version, "metadata": {**empty.get("metadata", {}), **metadata}}


@dataclass(frozen=True, slots=True)
class WatchedObjects:
    """A collection, restricted by selectors."""

    store: ImageStore
    collection: Collection
    options: ListOptions
    shown: Callable[[JsonObject], JsonObject]
    """An object as it is read."""

    def listed(self, after: tuple[str, str] | None) -> Page:
        """Some of the objects as they are now, after a namespace and name."""
        matches = None if self.options.selects_all else self.options.matches
        return self.store.list_objects(self.collection, limit=AT_ONCE, after=after, matches=matches)

    def changes(self, since: str) -> Changes:
        """Some changes after a version.

        Raises:
            ChangesExpired: they are no longer stored, or there is no such version.
        """
        return self.store.changes(since, self.collection, limit=AT_ONCE)

    def seen_object(self, change: Change, type_: ChangeType) -> JsonObject:
        """The object of a change as a watch shows it: one that leaves its selection has its labels from before."""
        if type_ is not ChangeType.DELETED or change.type is ChangeType.DELETED:
            return self.shown(change.object)
        metadata = {key: value for key, value in change.object["metadata"].items() if key != "labels"}
        labels = {"labels": change.labels_before} if change.labels_before else {}
        return self.shown({**change.object, "metadata": {**metadata, **labels}})

    def seen_as(self, change: Change) -> ChangeType | None:
        """How a watch sees a change: objects that enter its selection are added, those that leave it are deleted.

        Returns:
            None if it does not see it.
        """
        group, resource, namespace = self.collection
        key = change.key
        if key.resource != resource or key.group != group or namespace not in (None, key.namespace):
            return None
        if self.options.selects_all:
            return change.type
        now = self.options.matches(change.object)
        metadata = {**change.object["metadata"], "labels": change.labels_before}
        before = self.options.matches({**change.object, "metadata": metadata})
        if change.type is ChangeType.DELETED:
            return ChangeType.DELETED if before else None
        if change.type is ChangeType.ADDED:
            return ChangeType.ADDED if now else None
        if now:
            return ChangeType.MODIFIED if before else ChangeType.ADDED
        return ChangeType.DELETED if before else None
