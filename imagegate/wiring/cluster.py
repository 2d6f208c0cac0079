"""The cluster behind the settings' ``cluster`` block: what is asked of its API, and what is watched."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from imagegate.adapters.kubernetes_api import namespaces
from imagegate.adapters.kubernetes_api.access_reviews import ClusterAccessReviews
from imagegate.adapters.kubernetes_api.connection import Connection, Credentials
from imagegate.adapters.kubernetes_api.fetched import FetchedObjects, Fetcher
from imagegate.adapters.kubernetes_api.host_cluster import ClusterHost
from imagegate.adapters.kubernetes_api.image_config import ClusterImageConfig
from imagegate.adapters.kubernetes_api.image_streams import ClusterImageStreams
from imagegate.adapters.kubernetes_api.mirror_sets import ClusterMirrors
from imagegate.adapters.kubernetes_api.policies import ClusterPolicies
from imagegate.adapters.kubernetes_api.running_images import ClusterPods
from imagegate.adapters.kubernetes_api.watched import Watched
from imagegate.core.admission.access_review import Access, PathAccess
from imagegate.core.admission.owners import Owner
from imagegate.core.admission.plugin import Question
from imagegate.core.admission.running_images import RunningImages
from imagegate.core.enforcement.questions import Secret, ServiceAccount
from imagegate.core.image_streams.questions import Namespace
from imagegate.errors import InvalidSettings
from imagegate.service.health import Check
from imagegate.service.review.lookups import Answerer
from imagegate.settings.enforcement import CisePathSettings
from imagegate.settings.load import Settings
from imagegate.settings.sections import KUBERNETES
from imagegate.wiring.behaviours import cise_behaviour
from imagegate.wiring.cluster_watch import Watch, never_synced, troubles, watch_of
from imagegate.wiring.guard import own_namespace

if TYPE_CHECKING:
    from datetime import datetime

    from imagegate.adapters.kubernetes_api.store.objects import KubernetesStore
    from imagegate.service.denial_events.teller import DenialEvents

SYNC_WITHIN_S = 5.0
"""A process that serves waits so long for the first lists, so that it denies nothing that another one allows."""
STORED_WITHIN_S = 40.0
"""For stored objects, which may be many. Less than the time after which a worker without a heartbeat is replaced."""
BROKEN_SHOWN = 5


class Cluster:
    """Look-ups in one cluster.

    Args:
        settings: with a ``cluster`` block.
        keeps: open the store in the cluster, if the settings name it.

    Raises:
        InvalidAccess: it cannot be reached with the settings' credentials.
    """

    def __init__(self, settings: Settings, *, keeps: bool = False) -> None:
        chosen = settings.cluster
        if chosen is None:
            raise InvalidSettings("cluster: required")
        self._credentials = Credentials(chosen.kubeconfig, chosen.context)
        self._made = (os.getpid(), Connection(self._credentials))
        self._making = threading.Lock()
        fetcher = Fetcher(self.connection, ttl_s=chosen.cache_s)
        self._watched = Watched(self.connection, namespaces.PATH, namespaces.slimmed)
        self._namespaces = namespaces.ClusterNamespaces(self._watched, fetcher)
        uncached = Fetcher(self.connection, ttl_s=0)
        self.host = ClusterHost(self.connection, namespaces.ClusterNamespaces(self._watched, uncached))
        """Namespaces and pull secrets for the image API."""
        self._objects = FetchedObjects(fetcher)
        self._pods = ClusterPods(self.connection, ttl_s=chosen.cache_s)
        self._reviews = ClusterAccessReviews(self.connection, ttl_s=chosen.cache_s)
        self._tells_events = chosen.events
        self.cache_s = chosen.cache_s
        """How long answers are cached."""
        self.policies = _policies(self.connection, settings) if chosen.policies else None
        """The policy objects, if they are watched."""
        self.mirrors = ClusterMirrors(self.connection) if settings.registry.cluster_mirrors else None
        """The mirrors of registries, if their objects are watched."""
        self.image_streams = ClusterImageStreams(self.connection, self._namespaces) if chosen.image_streams else None
        """The platform's image streams, if they are watched."""
        self.image_config = ClusterImageConfig(self.connection) if chosen.image_config else None
        """OpenShift's configuration of images, if it is watched."""
        self.store = _store(self.connection, settings) if keeps else None
        """The store of the image API, if it is in the cluster."""
        self._changed = threading.Event()

    @property
    def _watches(self) -> tuple[Watched[Any], ...]:
        watched: list[Watched[Any]] = [self._watched]
        for each in (self.policies, self.mirrors, self.image_streams, self.image_config):
            watched += () if each is None else each.watches
        if self.store is not None:
            watched.append(self.store.watch)
        return tuple(watched)

    def connection(self) -> Connection:
        """The connection of this process: sockets must not be shared over a fork."""
        if self._made[0] != os.getpid():
            with self._making:
                if self._made[0] != os.getpid():
                    self._made = (os.getpid(), Connection(self._credentials))
        return self._made[1]

    def answerers(self) -> dict[type[Question], Answerer]:
        """Look-ups that take the place of those in files."""
        objects = self._objects
        return {
            Namespace: Answerer(self._namespaces.namespace, cached=self._namespaces.watched),
            Secret: Answerer(objects.secret, cached=objects.cached_secret),
            ServiceAccount: Answerer(objects.service_account, cached=objects.cached_service_account),
            Owner: Answerer(objects.owner),
            Access: Answerer(self._reviews.access, cached=self._reviews.cached),
            PathAccess: Answerer(self._reviews.access, cached=self._reviews.cached),
            RunningImages: Answerer(self._pods.images, cached=self._pods.cached),
        }

    def denial_events(self, clock: Callable[[], datetime]) -> DenialEvents | None:
        """Events for the owners of denied objects, if the settings want them."""
        if not self._tells_events:
            return None
        from imagegate.adapters.kubernetes_api.events import ClusterEvents
        from imagegate.service.denial_events.teller import DenialEvents

        return DenialEvents(self._objects, ClusterEvents(self.connection), clock=clock)

    def snapshot(self) -> object:
        """Another object whenever a namespace has changed: see ``Answers.snapshot``."""
        return self._watched.snapshot

    def start(self, renew: Callable[[], None]) -> None:
        """Follow the cluster, in a process that serves; once in each, after the fork.

        Returns once everything was listed, or after ``SYNC_WITHIN_S``; while stored objects come, later.

        Args:
            renew: puts changed policy objects in force; called in a thread of its own.
        """
        listened = [each for each in (self.policies, self.image_config) if each is not None]
        for each in listened:
            each.listen(self._changed.set)
        if listened:
            threading.Thread(target=self._keep_renewing, args=(renew,), name="policy objects", daemon=True).start()
        for watch in self._watches:
            watch.start()
        until = time.monotonic() + SYNC_WITHIN_S
        for watch in self._watches:
            watch.wait(max(0.0, until - time.monotonic()))
        if self.store is not None and not self.store.watch.state.failure:  # pages are coming
            self.store.watch.wait(STORED_WITHIN_S)
        renew()

    def list_once(self) -> None:
        """List what is otherwise watched, for a command that decides once."""
        unlisted: list[Watched[Any]] = [self._watched]  # a command decides in few namespaces: they are fetched
        if self.store is not None:  # lists by itself
            unlisted.append(self.store.watch)
        for watch in self._watches:
            if watch not in unlisted:
                watch.list_once()

    def watches(self) -> list[Watch]:
        """How current everything that is watched is."""
        return list(map(watch_of, self._watches))

    def broken_policies(self) -> int:
        """Number of policy objects that cannot be read."""
        return 0 if self.policies is None else sum(1 for _ in self.policies.broken())

    def checks(self) -> list[Check]:
        """For ``/readyz``. Not ready before everything was listed; later decisions go on from the last state."""
        checks = [Check("namespaces", lambda: never_synced([self._watched]), stops=True)]
        if self.policies is not None:
            watches = self.policies.watches
            checks.append(Check("cluster policies", lambda: never_synced(watches), stops=True))
            checks.append(Check("policy objects", lambda: _few(self.policies)))
        if self.mirrors is not None:
            mirrors = self.mirrors.watches
            checks.append(Check("cluster mirrors", lambda: never_synced(mirrors), stops=True))
            checks.append(Check("mirror objects", lambda: _few(self.mirrors)))
        if self.image_streams is not None:
            streams = self.image_streams.watches
            checks.append(Check("image streams", lambda: never_synced(streams), stops=True))
        if self.image_config is not None:
            config = self.image_config.watches
            checks.append(Check("image configuration", lambda: never_synced(config), stops=True))
        if self.store is not None:
            watch = self.store.watch
            checks.append(Check("stored objects", lambda: never_synced([watch]), stops=True))
        return [*checks, Check("cluster", lambda: troubles(self._watches))]

    def _keep_renewing(self, renew: Callable[[], None]) -> None:
        while True:
            self._changed.wait()
            self._changed.clear()  # before, not after: what changes meanwhile is seen in the next round
            renew()


def _few(objects: ClusterPolicies | ClusterMirrors | None) -> str:
    """The first few objects that cannot be read."""
    broken = [] if objects is None else list(objects.broken())
    more = f"; and {len(broken) - BROKEN_SHOWN} more" if len(broken) > BROKEN_SHOWN else ""
    return "; ".join(broken[:BROKEN_SHOWN]) + more


def _store(connection: Callable[[], Connection], settings: Settings) -> KubernetesStore | None:
    if settings.store.kind != KUBERNETES:
        return None
    from imagegate.adapters.kubernetes_api.store.objects import KubernetesStore  # what takes time: when used

    return KubernetesStore(connection, settings.store.namespace or own_namespace(settings.guard))


def _policies(connection: Callable[[], Connection], settings: Settings) -> ClusterPolicies:
    given = settings.cise or CisePathSettings()
    return ClusterPolicies(connection, cise_behaviour(given).groups, cluster_domain=given.cluster_domain)
