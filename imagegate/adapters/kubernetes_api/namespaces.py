"""Namespaces of the cluster: watched, and fetched where the watch does not show one yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagegate.adapters.kubernetes_api.connection import JsonObject
from imagegate.adapters.kubernetes_api.fetched import Fetcher
from imagegate.adapters.kubernetes_api.watched import Watched
from imagegate.core.admission.lookup import Found, Lookup
from imagegate.core.image_streams.questions import Namespace
from imagegate.ports.image_streams import Namespaces

PATH = "/api/v1/namespaces"
SOURCE = "cluster"


class ClusterNamespaces:
    """``ports.image_streams.Namespaces``.

    A pod may be created the moment after its namespace was: a namespace that the watch does not show is fetched, and
    only the API server's own 404 says that there is none.
    """

    def __init__(self, watched: Watched[JsonObject], fetcher: Fetcher) -> None:
        self._watched = watched
        self._fetcher = fetcher

    def watched(self, question: Namespace) -> Lookup[JsonObject] | None:
        """The namespace as the watch shows it; None if it does not. Never waits."""
        found = self._watched.get("", question.name)
        return None if found is None else Found(found, SOURCE)

    def namespace(self, question: Namespace, *, deadline_s: float) -> Lookup[JsonObject]:
        """From the watch, else from the API server."""
        return self.watched(question) or self._fetcher.fetch("v1", "namespaces", "", question.name, deadline_s)


def slimmed(namespace: JsonObject) -> JsonObject:
    """Name, labels, annotations, and whether it is being deleted: all that decisions need."""
    metadata = namespace.get("metadata") or {}
    kept = {key: metadata[key] for key in ("name", "labels", "annotations", "deletionTimestamp") if key in metadata}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": kept}


if TYPE_CHECKING:  # mypy checks each adapter against its port
    _: type[Namespaces] = ClusterNamespaces
