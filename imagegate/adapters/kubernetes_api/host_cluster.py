"""Namespaces and pull secrets of the cluster whose API server hands requests for image streams on to imagegate."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import quote

from imagegate.adapters.kubernetes_api.connection import ApiError, Connection, JsonObject
from imagegate.core.admission.lookup import Found, Lookup, Unknown
from imagegate.core.image_streams.questions import Namespace
from imagegate.ports.host_cluster import HostCluster
from imagegate.ports.image_streams import Namespaces

SOURCE = "cluster"
SECRETS_MAX = 500
"""Pull secrets of one type in a namespace."""
LIMIT_RANGES_MAX = 500


class ClusterHost:
    """``ports.host_cluster.HostCluster``. Secrets are asked for at each import: nothing of them is cached.

    Args:
        namespaces: an absence must be the API server's own word, and not cached.
    """

    def __init__(self, connection: Callable[[], Connection], namespaces: Namespaces) -> None:
        self._connection = connection
        self._namespaces = namespaces

    def namespace(self, name: str, *, deadline_s: float) -> Lookup[JsonObject]:
        """See ``HostCluster``."""
        return self._namespaces.namespace(Namespace(name), deadline_s=deadline_s)

    def secrets(self, namespace: str, types: tuple[str, ...], *, deadline_s: float) -> Lookup[tuple[JsonObject, ...]]:
        """See ``HostCluster``."""
        found: list[JsonObject] = []
        path = f"/api/v1/namespaces/{quote(namespace, safe='')}/secrets"
        for type_ in types:
            query = {"fieldSelector": f"type={type_}", "limit": str(SECRETS_MAX)}
            try:
                page = self._connection().get(path, deadline_s=deadline_s, query=query)
            except ApiError as error:
                return Unknown(f"the pull secrets of namespace {namespace!r} cannot be listed: {error}")
            items, metadata = page.get("items"), page.get("metadata")
            if not isinstance(items, list) or not isinstance(metadata, dict) or metadata.get("continue"):
                return Unknown(f"the list of pull secrets of namespace {namespace!r} is damaged or too long")
            if not all(_is_secret(each, namespace, type_) for each in items):
                return Unknown(f"the list of pull secrets of namespace {namespace!r} has something else in it")
            found += items
        return Found(tuple(sorted(found, key=_name)), SOURCE)

    def limit_ranges(self, namespace: str, *, deadline_s: float) -> Lookup[tuple[JsonObject, ...]]:
        """See ``HostCluster``."""
        path, query = f"/api/v1/namespaces/{quote(namespace, safe='')}/limitranges", {"limit": str(LIMIT_RANGES_MAX)}
        try:
            page = self._connection().get(path, deadline_s=deadline_s, query=query)
        except ApiError as error:
            return Unknown(f"the LimitRanges of namespace {namespace!r} cannot be listed: {error}")
        items, metadata = page.get("items"), page.get("metadata")
        if not isinstance(items, list) or not isinstance(metadata, dict) or metadata.get("continue"):
            return Unknown(f"the list of LimitRanges of namespace {namespace!r} is damaged or too long")
        if not all(isinstance(each, dict) and isinstance(each.get("spec"), dict) for each in items):
            return Unknown(f"the list of LimitRanges of namespace {namespace!r} has something else in it")
        return Found(tuple(items), SOURCE)


def _is_secret(found: object, namespace: str, type_: str) -> bool:
    """True if the item is a Secret of the namespace and type that were asked for."""
    if not isinstance(found, dict) or found.get("type") != type_:
        return False
    metadata = found.get("metadata")
    return (
        isinstance(metadata, dict) and isinstance(metadata.get("name"), str) and metadata.get("namespace") == namespace
    )


def _name(secret: JsonObject) -> str:
    name: str = secret["metadata"]["name"]
    return name


if TYPE_CHECKING:  # mypy checks each adapter against its port
    _: type[HostCluster] = ClusterHost
