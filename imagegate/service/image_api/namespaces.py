"""Namespaces of the dry cluster: those that are always there, and the service accounts that each of them has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from imagegate.core.image_api.resources import NAMESPACES, SERVICE_ACCOUNTS
from imagegate.ports.image_store import Collection, ImageStore, ObjectKey
from imagegate.service.image_api.request import JsonObject

NAMESPACES_AT_START = ("default", "openshift")
ACCOUNTS = ("builder", "default", "deployer")
"""Service accounts of a project. Source: OpenShift's controller-manager, ``ServiceAccountController``."""


def create_first_namespaces(store: ImageStore) -> None:
    """Create the namespaces that are always there, and the service accounts that namespaces of the store lack."""
    store.create_missing((_key(NAMESPACES.name, "", name), _namespace(name)) for name in NAMESPACES_AT_START)
    found = store.list_objects(Collection(NAMESPACES.group, NAMESPACES.name, "")).items
    create_accounts(store, (each["metadata"]["name"] for each in found))


def create_accounts(store: ImageStore, namespaces: Iterable[str]) -> None:
    """Create the service accounts that these namespaces lack."""
    store.create_missing(_accounts(namespaces))


def _accounts(namespaces: Iterable[str]) -> Iterator[tuple[ObjectKey, JsonObject]]:
    for namespace in namespaces:
        for name in ACCOUNTS:
            metadata = {"name": name, "namespace": namespace}
            account = {"kind": SERVICE_ACCOUNTS.kind, "apiVersion": SERVICE_ACCOUNTS.api_version, "metadata": metadata}
            yield _key(SERVICE_ACCOUNTS.name, namespace, name), account


def _key(resource: str, namespace: str, name: str) -> ObjectKey:
    return ObjectKey("", resource, namespace, name)


def _namespace(name: str) -> JsonObject:
    return {
        "kind": NAMESPACES.kind,
        "apiVersion": NAMESPACES.api_version,
        "metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name}},
        "spec": {},
        "status": {"phase": "Active"},
    }
