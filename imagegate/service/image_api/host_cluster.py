"""Namespaces and pull secrets, for the image API: of the dry cluster, or of the cluster behind a port."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from imagegate.core.admission.lookup import Absent, Found, Lookup, Unknown
from imagegate.core.image_api.resources import LIMIT_RANGES, NAMESPACES, SECRETS, ApiResource
from imagegate.core.kube.deletion import is_being_deleted
from imagegate.core.kube.status import Cause, Status, StatusError, forbidden, not_found
from imagegate.core.registry.pull_secrets import (
    EXCLUDE_ANNOTATION,
    SECRET_TYPES,
    InvalidPullSecret,
    PullSecret,
    read_pull_secret,
)
from imagegate.ports.host_cluster import HostCluster
from imagegate.ports.image_store import Collection, ImageStore, ObjectKey, StoreBusy, StoreError
from imagegate.ports.pull_secrets import NamespacePullSecrets
from imagegate.service.image_api.request import JsonObject

LOOK_UP_S = 5.0


class StoredCluster:
    """``HostCluster`` of a dry cluster: namespaces and Secrets are in the store as well."""

    def __init__(self, store: ImageStore) -> None:
        self._store = store

    def namespace(self, name: str, *, deadline_s: float) -> Lookup[JsonObject]:  # noqa: ARG002
        """See ``HostCluster``; a store that cannot be read raises ``StoreError`` as for any other object."""
        found = self._store.get(ObjectKey(NAMESPACES.group, NAMESPACES.name, "", name))
        return Absent(name, NAMESPACES.name) if found is None else Found(found, "store")

    def secrets(
        self,
        namespace: str,
        types: tuple[str, ...],
        *,
        deadline_s: float,  # noqa: ARG002
    ) -> Lookup[tuple[JsonObject, ...]]:
        """See ``HostCluster``."""
        return self._listed(SECRETS, namespace, lambda secret: secret.get("type") in types)

    def limit_ranges(self, namespace: str, *, deadline_s: float) -> Lookup[tuple[JsonObject, ...]]:  # noqa: ARG002
        """See ``HostCluster``."""
        return self._listed(LIMIT_RANGES, namespace, None)

    def _listed(
        self, resource: ApiResource, namespace: str, matches: Callable[[JsonObject], bool] | None
    ) -> Lookup[tuple[JsonObject, ...]]:
        try:
            page = self._store.list_objects(Collection(resource.group, resource.name, namespace), matches=matches)
        except StoreError as error:
            return Unknown(str(error), retryable=isinstance(error, StoreBusy))
        return Found(page.items, "store")


def check_namespace(host: HostCluster, resource: ApiResource, namespace: str, name: str) -> None:
    """Check that the namespace of a new object exists and is not being deleted.

    Source: kubernetes, the admission plug-in NamespaceLifecycle, which servers behind the aggregation layer run
    themselves.

    Raises:
        StatusError: 404 or 403; 503 if it cannot be found out.
    """
    found = host.namespace(namespace, deadline_s=LOOK_UP_S)
    if isinstance(found, Unknown):
        why = f"namespace {namespace!r} cannot be looked up: {found.why}"
        raise StatusError(Status(code=503, reason="ServiceUnavailable", message=why, retry_after_s=1))
    if not isinstance(found, Found):
        raise StatusError(not_found(NAMESPACES.name, namespace, group=""))
    if is_being_deleted(found.value):
        raise StatusError(_terminating(resource, namespace, name))


def _terminating(resource: ApiResource, namespace: str, name: str) -> Status:
    why = f"unable to create new content in namespace {namespace} because it is being terminated"
    status = forbidden(resource.name, name, why, group=resource.group)
    cause = Cause("NamespaceTerminating", f"namespace {namespace} is being terminated", "metadata.namespace")
    return replace(status, causes=(cause,))


def pull_secrets_of(host: HostCluster, namespace: str, *, deadline_s: float = LOOK_UP_S) -> Lookup[list[JsonObject]]:
    """The Secrets of a namespace that imports may use."""
    found = host.secrets(namespace, SECRET_TYPES, deadline_s=deadline_s)
    return Found([each for each in found.value if not _is_excluded(each)]) if isinstance(found, Found) else found


def _is_excluded(secret: JsonObject) -> bool:
    annotations = secret["metadata"].get("annotations") or {}
    return annotations.get(EXCLUDE_ANNOTATION) == "true"


class PullSecretsOf:
    """The port ``NamespacePullSecrets`` over a cluster's Secrets."""

    def __init__(self, host: HostCluster) -> None:
        self._host = host

    def pull_secrets(self, namespace: str, *, deadline_s: float) -> Lookup[tuple[PullSecret, ...]]:
        """The pull secrets of a namespace that can be read, by name."""
        found = pull_secrets_of(self._host, namespace, deadline_s=deadline_s)
        if not isinstance(found, Found):
            return found
        return Found(tuple(each for secret in found.value for each in _readable(secret)))


def _readable(secret: JsonObject) -> list[PullSecret]:
    try:
        return [read_pull_secret(secret)]
    except InvalidPullSecret:
        return []


if TYPE_CHECKING:  # mypy checks each adapter against its port
    _: tuple[type[HostCluster], type[NamespacePullSecrets]] = (StoredCluster, PullSecretsOf)
