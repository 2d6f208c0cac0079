"""The garbage collector: completes deletions that concern dependents, as a cluster's does.

An object deleted in the foreground waits for dependents that block it; one that orphans its dependents waits for
its reference to be removed from them. Namespaces wait for the objects in them. This happens outside of requests.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

from imagegate.core.admission.request import User
from imagegate.core.image_api.resources import NAMESPACES
from imagegate.core.kube.deletion import (
    BACKGROUND,
    FOREGROUND,
    FOREGROUND_FINALIZER,
    ORPHAN_FINALIZER,
    blocks_deletion,
    depends_on,
    finalizers_of,
    is_being_deleted,
    without_finalizer,
    without_owner,
)
from imagegate.core.kube.status import StatusError
from imagegate.ports.image_store import Collection, ImageStore, ObjectChanged, ObjectKey, ObjectMissing
from imagegate.service.image_api.request import ApiRequest, JsonObject
from imagegate.service.image_api.stored import StoredObjects

Deleted = Callable[[str, str], Iterable[JsonObject]]
"""(group, resource) -> objects that were deleted and are held."""
GARBAGE_COLLECTOR = User("system:serviceaccount:kube-system:generic-garbage-collector")
"""The user as whom a cluster's collector deletes dependents."""
_log = logging.getLogger(__name__)


class Collector:
    """Completes deletions that wait for other objects.

    Args:
        store: has the objects.
        kinds: all stored resources.
        deleted: finds objects that were deleted and are held.
        has_dependents: False where a cluster's garbage collector deletes or orphans dependents, of any kind.
    """

    def __init__(
        self, store: ImageStore, kinds: Iterable[StoredObjects], deleted: Deleted, *, has_dependents: bool = True
    ) -> None:
        self._has_dependents = has_dependents
        self._store = store
        self._kinds = tuple(kinds)
        self._deleted = deleted

    def run_round(self, ends: Callable[[], bool] = lambda: False) -> None:
        """Check every deleted object once.

        Args:
            ends: True once the round should stop, before the next object.

        Raises:
            StoreError: the store cannot be read or written.
        """
        for kind in self._kinds:
            for found in self._deleted(kind.resource.group, kind.resource.name):
                if ends():
                    return
                with suppress(ObjectMissing, ObjectChanged):  # changed meanwhile: the next round checks it again
                    self._go_on(kind, found)

    def _go_on(self, kind: StoredObjects, found: JsonObject) -> None:
        metadata, finalizers = found["metadata"], finalizers_of(found)
        uid = metadata.get("uid") or ""
        if finalizers and not self._has_dependents:
            return
        if ORPHAN_FINALIZER in finalizers:
            self._orphan_dependents(metadata.get("namespace") or None, uid)
            self._remove_finalizer(kind, found, ORPHAN_FINALIZER)
        elif FOREGROUND_FINALIZER in finalizers:
            if not self._delete_dependents(metadata.get("namespace") or None, uid):
                self._remove_finalizer(kind, found, FOREGROUND_FINALIZER)
        elif kind.resource == NAMESPACES or not finalizers:
            kind.remove(_key_of(kind, found), found, "")

    def _dependents_of(self, namespace: str | None, uid: str) -> Iterator[tuple[StoredObjects, JsonObject]]:
        for kind in self._kinds:
            if namespace is not None and not kind.resource.namespaced:
                continue
            collection = Collection(kind.resource.group, kind.resource.name, namespace)
            for found in self._store.list_objects(collection, matches=lambda item: depends_on(item, uid)).items:
                yield kind, found

    def _orphan_dependents(self, namespace: str | None, uid: str) -> None:
        for kind, found in self._dependents_of(namespace, uid):
            version = found["metadata"]["resourceVersion"]
            self._store.update(_key_of(kind, found), without_owner(found, uid), version=version)

    def _delete_dependents(self, namespace: str | None, uid: str) -> bool:
        """True if objects that block their owner are left."""
        is_blocked = False
        for kind, found in self._dependents_of(namespace, uid):
            blocks = blocks_deletion(found, uid)
            if not is_being_deleted(found) and self._may_delete(kind, found):
                with suppress(ObjectMissing):
                    held = kind.remove(_key_of(kind, found), found, FOREGROUND if blocks else BACKGROUND)
                    is_blocked |= blocks and held is not None
            else:
                is_blocked |= blocks
        return is_blocked

    def _may_delete(self, kind: StoredObjects, found: JsonObject) -> bool:
        """True unless only a user with a right of his own may delete it, such as an Image with marks."""
        try:
            kind.rules.deleted(ApiRequest(GARBAGE_COLLECTOR), found)
        except StatusError:
            return False
        return True

    def _remove_finalizer(self, kind: StoredObjects, found: JsonObject, finalizer: str) -> None:
        key, version = _key_of(kind, found), found["metadata"]["resourceVersion"]
        released = without_finalizer(found, finalizer)
        if finalizers_of(released) or kind.has_contents(released):
            self._store.update(key, released, version=version)
        else:
            self._store.delete(key, version=version)
        _log.info("%s %s: no longer held by %s", kind.resource.name, key.name, finalizer)


def _key_of(kind: StoredObjects, found: JsonObject) -> ObjectKey:
    metadata = found["metadata"]
    return ObjectKey(kind.resource.group, kind.resource.name, metadata.get("namespace") or "", metadata["name"])
