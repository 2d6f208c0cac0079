"""Single objects of the cluster, fetched when they are asked for and cached for some seconds."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

import orjson

from imagegate.adapters.kubernetes_api.connection import ApiError, Connection, JsonObject, api_root
from imagegate.caching import BoundedCache, TimedCache
from imagegate.core.admission.lookup import Absent, Found, Impossible, Lookup, Unknown
from imagegate.core.admission.owners import Owner
from imagegate.core.enforcement.questions import Secret, ServiceAccount
from imagegate.core.kube.go_quote import go_quote
from imagegate.ports.cluster import Owners, Secrets, ServiceAccounts

SOURCE = "cluster"
CACHED_MAX = 4096
CACHED_MAX_BYTES = 32 * 1024 * 1024
"""Size of all cached objects as JSON: whoever may create Secrets chooses theirs, up to 1 MiB each."""
RESOURCES_S = 600.0
"""How long the resources of an API version are cached."""
_API_VERSION = re.compile(r"(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?/)?v[0-9][a-z0-9]*")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.:_-]*")

_Place = tuple[str, str, str, str]
"""API version, resource, namespace and name."""


class _Kept(NamedTuple):
    found: JsonObject
    size: int
    """In bytes, as JSON."""
    until: float


class Fetcher:
    """Fetches objects and caches what was found; absences and failures are asked for again.

    Args:
        ttl_s: seconds for which an object is cached.
    """

    def __init__(self, connection: Callable[[], Connection], *, ttl_s: float) -> None:
        self._connection = connection
        self._ttl_s = ttl_s
        self._objects: BoundedCache[_Place, _Kept] = BoundedCache(
            CACHED_MAX, most_weight=CACHED_MAX_BYTES, weight=lambda kept: kept.size
        )
        self._resources: TimedCache[str, Mapping[str, tuple[str, bool]]] = TimedCache(CACHED_MAX)

    def cached(self, api_version: str, resource: str, namespace: str, name: str) -> Lookup[JsonObject] | None:
        """The object, if it was fetched lately. Never waits."""
        kept = self._objects.get((api_version, resource, namespace, name))
        return None if kept is None or kept.until <= time.monotonic() else Found(kept.found, SOURCE)

    def fetch(
        self, api_version: str, resource: str, namespace: str, name: str, deadline_s: float
    ) -> Lookup[JsonObject]:
        """One object. ``Absent`` has the text of the API server's 404."""
        cached = self.cached(api_version, resource, namespace, name)
        if cached is not None:
            return cached
        if not _NAME.fullmatch(name) or (namespace and not _NAME.fullmatch(namespace)):
            return Impossible(f"{go_quote(name)} is no name of an object")
        inside = f"/namespaces/{quote(namespace, safe='')}" if namespace else ""
        path = f"{api_root(api_version)}{inside}/{resource}/{quote(name, safe=':')}"
        try:
            found = self._connection().get(path, deadline_s=deadline_s)
        except ApiError as error:
            if error.status == 404:
                return Absent(str(error), resource)
            return Unknown(f"{resource} {go_quote(name)}: {error}")
        kept = _Kept(found, len(orjson.dumps(found)), time.monotonic() + self._ttl_s)
        self._objects.put((api_version, resource, namespace, name), kept)
        return Found(found, SOURCE)

    def resource_of(self, api_version: str, kind: str, deadline_s: float) -> Lookup[tuple[str, bool]]:
        """The plural resource of a kind, and True if it is namespaced; as the API server's discovery says."""
        if not _API_VERSION.fullmatch(api_version):
            return Impossible(f"{go_quote(api_version)} is no API version")
        kinds = self._resources.get(api_version)
        if kinds is None:
            try:
                kinds = _kinds(self._connection().get(api_root(api_version), deadline_s=deadline_s))
            except ApiError as error:
                if error.status == 404:
                    return Absent(str(error), "")
                return Unknown(f"resources of {api_version}: {error}")
            self._resources.put(api_version, kinds, ttl_s=RESOURCES_S)
        found = kinds.get(kind)
        return Absent(f"no kind {go_quote(kind)} in {api_version}") if found is None else Found(found, SOURCE)


class FetchedObjects:
    """``ports.cluster``: Secrets, service accounts and owners."""

    def __init__(self, fetcher: Fetcher) -> None:
        self._fetcher = fetcher

    def secret(self, question: Secret, *, deadline_s: float) -> Lookup[JsonObject]:
        """See ``ports.cluster.Secrets``."""
        return self._fetcher.fetch("v1", "secrets", question.namespace, question.name, deadline_s)

    def cached_secret(self, question: Secret) -> Lookup[JsonObject] | None:
        """The Secret, if it was fetched lately."""
        return self._fetcher.cached("v1", "secrets", question.namespace, question.name)

    def service_account(self, question: ServiceAccount, *, deadline_s: float) -> Lookup[JsonObject]:
        """See ``ports.cluster.ServiceAccounts``."""
        return self._fetcher.fetch("v1", "serviceaccounts", question.namespace, question.name, deadline_s)

    def cached_service_account(self, question: ServiceAccount) -> Lookup[JsonObject] | None:
        """The service account, if it was fetched lately."""
        return self._fetcher.cached("v1", "serviceaccounts", question.namespace, question.name)

    def owner(self, question: Owner, *, deadline_s: float) -> Lookup[JsonObject]:
        """See ``ports.cluster.Owners``."""
        resource = self._fetcher.resource_of(question.api_version, question.kind, deadline_s)
        if not isinstance(resource, Found):
            return resource
        plural, is_namespaced = resource.value
        namespace = question.namespace if is_namespaced else ""
        return self._fetcher.fetch(question.api_version, plural, namespace, question.name, deadline_s)


def _kinds(discovered: JsonObject) -> dict[str, tuple[str, bool]]:
    """Plural name and scope of each kind, without subresources."""
    found: dict[str, tuple[str, bool]] = {}
    resources: Any = discovered.get("resources")
    for each in resources if isinstance(resources, list) else ():
        name, kind = (each.get("name"), each.get("kind")) if isinstance(each, dict) else (None, None)
        if isinstance(name, str) and isinstance(kind, str) and _NAME.fullmatch(name):
            found.setdefault(kind, (name, each.get("namespaced") is True))
    return found


if TYPE_CHECKING:  # mypy checks each adapter against its port
    _: tuple[type[Owners], type[Secrets], type[ServiceAccounts]] = (FetchedObjects, FetchedObjects, FetchedObjects)
