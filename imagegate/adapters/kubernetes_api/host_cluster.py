"""Namespaces and pull secrets of the cluster whose API server hands requests for image streams on to imagegate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
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
        secrets: list[JsonObject] = []
        for type_ in types:
            query = {"fieldSelector": f"type={type_}", "limit": str(SECRETS_MAX)}
            found = self._list("secrets", "pull secrets", namespace, query, deadline_s)
            if isinstance(found, Unknown):
                return found
            if not all(_is_secret(each, namespace, type_) for each in found):
                return _foreign("pull secrets", namespace)
            secrets += found
        return Found(tuple(sorted(secrets, key=_name)), SOURCE)

    def limit_ranges(self, namespace: str, *, deadline_s: float) -> Lookup[tuple[JsonObject, ...]]:
        """See ``HostCluster``."""
        query = {"limit": str(LIMIT_RANGES_MAX)}
        found = self._list("limitranges", "LimitRanges", namespace, query, deadline_s)
        if isinstance(found, Unknown):
            return found
        if not all(isinstance(each, dict) and isinstance(each.get("spec"), dict) for each in found):
            return _foreign("LimitRanges", namespace)
        return Found(tuple(found), SOURCE)

    def _list(
        self, resource: str, called: str, namespace: str, query: Mapping[str, str], deadline_s: float
    ) -> list[Any] | Unknown:
        """The items of a list that fits one page, not checked yet; ``called`` names them in messages."""
        path = f"/api/v1/namespaces/{quote(namespace, safe='')}/{resource}"
        try:
            page = self._connection().get(path, deadline_s=deadline_s, query=query)
        except ApiError as error:
            return Unknown(f"the {called} of namespace {namespace!r} cannot be listed: {error}")
        items, metadata = page.get("items"), page.get("metadata")
        if not isinstance(items, list) or not isinstance(metadata, dict) or metadata.get("continue"):
            return Unknown(f"the list of {called} of namespace {namespace!r} is damaged or too long")
        return items


def _foreign(called: str, namespace: str) -> Unknown:
    return Unknown(f"the list of {called} of namespace {namespace!r} has something else in it")


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
