"""Storage of the image API's objects: any group and resource, with versions, conflicts and changes to watch.

The same contract fits a file that several processes share and a Kubernetes API behind it. A confirmed write
is durable; a write with an old version is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

from imagegate.errors import ImagegateError


class StoreError(ImagegateError):
    """The store cannot serve; nothing was changed. ``str()`` says why."""


class StoreBusy(StoreError):
    """Other processes held the lock of the store for too long; trying again may help."""


class StoreTimeout(StoreError):
    """The disk or server under the store does not answer; trying again may help.

    A write may have been made: ``str()`` says so. Its version tells.
    """


class StoreFull(StoreError):
    """There is no space left to write."""


class ObjectTooLarge(StoreError):
    """The store takes no object of this size."""


class ObjectExists(StoreError):
    """There is an object of this name already."""


class ObjectMissing(StoreError):
    """There is no object of this name."""


class ObjectChanged(StoreError):
    """The object no longer has the version (or uid) that the writer read."""


class ChangesExpired(StoreError):
    """Changes since that version are no longer known; list again."""


class ObjectKey(NamedTuple):
    """Name of an object. ``resource`` is plural, ``namespace`` empty for cluster-scoped objects."""

    group: str
    resource: str
    namespace: str
    name: str


class Collection(NamedTuple):
    """Objects that are listed or watched together; ``namespace`` None means all namespaces."""

    group: str
    resource: str
    namespace: str | None = None


class ChangeType(StrEnum):
    """Kind of a change to an object."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"


@dataclass(frozen=True, slots=True)
class Change:
    """One change. ``object`` is the object after it (before it, if deleted) with the change's resourceVersion."""

    key: ObjectKey
    type: ChangeType
    object: dict[str, Any]
    labels_before: dict[str, str]
    """The object's labels before the change, so that a watcher sees objects leave its selector."""
    version: int
    size: int
    """Bytes of the object as it is stored."""


class Changes(NamedTuple):
    """Changes in the order in which they were made, and the version up to which these are all."""

    changes: tuple[Change, ...]
    version: int


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list, ordered by namespace and name."""

    items: tuple[dict[str, Any], ...]
    version: str
    """The store's version when the list began; watching from it misses nothing."""
    after: tuple[str, str] | None
    """Namespace and name to continue after; None: the list is complete."""


class ImageStore(Protocol):
    """Objects as plain JSON, shared by all threads and processes.

    The store sets ``metadata.resourceVersion`` on every write, and ``uid`` and ``creationTimestamp`` on creation
    where they are missing. Objects given out belong to the caller.

    Every method raises ``StoreError`` if the store cannot serve.
    """

    def create(self, key: ObjectKey, body: dict[str, Any]) -> dict[str, Any]:
        """Store a new object and return it as stored.

        Raises:
            ObjectExists: the name is taken.
        """

    def create_missing(self, objects: Iterable[tuple[ObjectKey, dict[str, Any]]]) -> int:
        """Store the objects whose names are free; returns their number."""

    def get(self, key: ObjectKey) -> dict[str, Any] | None:
        """The object, or None."""

    def update(self, key: ObjectKey, body: dict[str, Any], *, version: str) -> dict[str, Any]:
        """Replace the object of this ``version`` and return it. An equal body is not written: same version.

        Raises:
            ObjectMissing: there is none.
            ObjectChanged: it has another version.
        """

    def delete(self, key: ObjectKey, *, version: str | None = None, uid: str | None = None) -> dict[str, Any]:
        """Remove the object and return its last state.

        Args:
            key: its name.
            version: only if it has this version.
            uid: only if it has this uid.

        Raises:
            ObjectMissing: there is none.
            ObjectChanged: it has another version or uid.
        """

    def list_objects(
        self,
        collection: Collection,
        *,
        limit: int = 0,
        after: tuple[str, str] | None = None,
        matches: Callable[[dict[str, Any]], bool] | None = None,
    ) -> Page:
        """Objects of a collection that match, at most ``limit`` of them (0: all), continuing ``after`` a name."""

    def count_after(self, collection: Collection, after: tuple[str, str]) -> int:
        """Number of objects of a collection after a namespace and name. Reads no objects."""

    def kinds(self) -> list[tuple[str, str]]:
        """Group and resource of all objects, in order."""

    def find(self, group: str, resource: str, term: str) -> list[dict[str, Any]]:
        """Objects of a resource that have this search term (``core.image_streams.terms``), by namespace and name."""

    def changes(self, since: str, collection: Collection | None = None, *, limit: int) -> Changes:
        """Changes after version ``since``, of one collection or of all objects, the first ``limit`` of them.

        Raises:
            ChangesExpired: ``since`` is too old, not reached yet, or no version of this store.
        """

    def knows(self, version: str) -> bool:
        """True if reads show every change up to this version, a number; a moment is waited for them."""

    def commits(self) -> AbstractContextManager[Callable[[], object]]:
        """A function that tells one thread whether to look for changes.

        Its result differs from the one before whenever something was written meanwhile, by any process. Costs
        microseconds.
        """

    def version(self) -> str:
        """The store's current version."""

    def trouble(self) -> str:
        """The reason the store cannot be read, now or a moment ago, for an operator; empty if it can. Never raises."""

    def release(self) -> None:
        """Close what a fork must not inherit; it is opened again when it is needed."""
