"""Streams of namespaces that the cluster no longer has.

The cluster's namespace controller deletes the streams of a namespace before the namespace. It cannot where the
APIService was not there at that time, and a stream that was imported for minutes may be stored a moment too late. A new
namespace of the same name must not find them.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

from imagegate.core.admission.lookup import Absent, Found
from imagegate.core.kube.deletion import BACKGROUND
from imagegate.ports.host_cluster import HostCluster
from imagegate.ports.image_store import Collection, ImageStore, ObjectChanged, ObjectKey, ObjectMissing
from imagegate.service.image_api.host_cluster import LOOK_UP_S
from imagegate.service.image_api.stored import StoredObjects

EVERY_S = 60.0
ALWAYS_THERE = "kube-system"
"""A namespace of every cluster: an API server that does not have it is not believed."""
AT_ONCE = 100
_LAST_NAME = "\uffff"
_log = logging.getLogger(__name__)


class Orphans:
    """Removes them, in rounds.

    A namespace must be seen, and then be absent in two rounds. Nothing is deleted for one answer, as of an API server
    that has only begun; and one that was never there may still come, for instance to a store from another cluster.

    Args:
        store: has the objects.
        streams: the resource whose objects are removed.
        cluster: has the namespaces.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        store: ImageStore,
        streams: StoredObjects,
        cluster: HostCluster,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._streams = streams
        self._cluster = cluster
        self._clock = clock
        self._next_at = clock()
        self._absent: set[str] = set()
        """Namespaces that were absent in the last round."""
        self._seen: set[str] = set()
        """Namespaces that were there in an earlier one."""

    def run_round(self, ends: Callable[[], bool] = lambda: False) -> None:
        """Look at every namespace in the store, if that was not done within ``EVERY_S``.

        Args:
            ends: True once the round should stop, before the next namespace is removed.

        Raises:
            StoreError: the store cannot be read or written.
        """
        if self._clock() < self._next_at:
            return
        self._next_at = self._clock() + EVERY_S
        if not isinstance(self._cluster.namespace(ALWAYS_THERE, deadline_s=LOOK_UP_S), Found):
            self._absent = set()
            return
        absent = {namespace for namespace in self._namespaces() if self._is_absent(namespace)}
        for namespace in absent & self._absent & self._seen:
            if ends():
                return
            self._remove(namespace)
        for namespace in sorted(absent - self._absent - self._seen):
            _log.warning("the store has image streams of namespace %s, which does not exist", namespace)
        self._absent = absent

    def _is_absent(self, namespace: str) -> bool:
        found = self._cluster.namespace(namespace, deadline_s=LOOK_UP_S)
        if isinstance(found, Found):
            self._seen.add(namespace)
        return isinstance(found, Absent)

    def _namespaces(self) -> Iterator[str]:
        """The namespaces that have streams, each once; reads one stream of each."""
        every = Collection(self._streams.resource.group, self._streams.resource.name)
        after: tuple[str, str] | None = None
        while items := self._store.list_objects(every, limit=1, after=after).items:
            namespace = items[0]["metadata"]["namespace"]
            yield namespace
            after = (namespace, _LAST_NAME)

    def _remove(self, namespace: str) -> None:
        resource = self._streams.resource
        inside = Collection(resource.group, resource.name, namespace)
        after: tuple[str, str] | None = None
        while True:
            page = self._store.list_objects(inside, limit=AT_ONCE, after=after)
            for found in page.items:
                key = ObjectKey(resource.group, resource.name, namespace, found["metadata"]["name"])
                with suppress(ObjectMissing, ObjectChanged):  # changed meanwhile: the next round looks at it again
                    self._streams.remove(key, found, BACKGROUND)
                    _log.warning("%s %s/%s removed: its namespace is gone", resource.name, namespace, key.name)
            after = page.after
            if after is None:
                return
