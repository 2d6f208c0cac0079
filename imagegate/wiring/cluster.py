"""The cluster behind the settings' ``cluster`` block: what is asked of its API, and what is watched."""

from __future__ import annotations

import os
import threading

from imagegate.adapters.kubernetes_api import namespaces
from imagegate.adapters.kubernetes_api.access_reviews import ClusterAccessReviews
from imagegate.adapters.kubernetes_api.connection import Connection, Credentials
from imagegate.adapters.kubernetes_api.fetched import FetchedObjects, Fetcher
from imagegate.adapters.kubernetes_api.running_images import ClusterPods
from imagegate.adapters.kubernetes_api.watched import Watched
from imagegate.core.admission.access_review import Access
from imagegate.core.admission.owners import Owner
from imagegate.core.admission.plugin import Question
from imagegate.core.admission.running_images import RunningImages
from imagegate.core.enforcement.questions import Secret, ServiceAccount
from imagegate.core.image_streams.questions import Namespace
from imagegate.service.health import Check
from imagegate.service.review.lookups import Answerer
from imagegate.settings.sections import ClusterSettings

STALE_S = 180.0
"""A watch that the API server has said nothing in for so long is reported; with bookmarks it speaks every minute."""


class Cluster:
    """Look-ups in one cluster.

    Raises:
        InvalidAccess: it cannot be reached with the settings' credentials.
    """

    def __init__(self, settings: ClusterSettings) -> None:
        self._credentials = Credentials(settings.kubeconfig, settings.context)
        self._made = (os.getpid(), Connection(self._credentials))
        self._making = threading.Lock()
        fetcher = Fetcher(self.connection, ttl_s=settings.cache_s)
        self._watched = Watched(self.connection, namespaces.PATH, namespaces.slimmed)
        self._namespaces = namespaces.ClusterNamespaces(self._watched, fetcher)
        self._objects = FetchedObjects(fetcher)
        self._reviews = ClusterAccessReviews(self.connection, ttl_s=settings.cache_s)
        self._pods = ClusterPods(self.connection, ttl_s=settings.cache_s)

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
            RunningImages: Answerer(self._pods.images, cached=self._pods.cached),
        }

    def snapshot(self) -> object:
        """Another object whenever a namespace has changed: see ``Answers.snapshot``."""
        return self._watched.snapshot

    def start(self) -> None:
        """Follow the cluster, in a process that serves; once in each, after the fork."""
        self._watched.start()

    def checks(self) -> list[Check]:
        """For ``/readyz``. Not ready before all namespaces were listed; later decisions go on from the last state."""
        return [Check("namespaces", self._never_synced, stops=True), Check("cluster", self._trouble)]

    def _never_synced(self) -> str:
        state = self._watched.state
        return "" if state.synced else f"not listed yet: {state.failure or 'the API server is answering'}"

    def _trouble(self) -> str:
        state = self._watched.state
        if not state.synced or (not state.failure and state.silent_s < STALE_S):
            return ""
        why = state.failure or "no word"
        return f"namespaces are as they were {state.silent_s:.0f} s ago, when the API server was last heard from: {why}"
