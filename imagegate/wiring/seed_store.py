"""Copies objects from files into the store, so that the image API shows them and they can be annotated."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from imagegate.core.kube.status import IMAGE_GROUP
from imagegate.ports.image_store import ImageStore, ObjectKey

JsonObject = dict[str, Any]


def seed_store(store: ImageStore, objects: Iterable[tuple[str, JsonObject]]) -> int:
    """Add the objects that the store lacks, and leave the others unchanged; the number of objects added.

    Args:
        store: the store to add them to.
        objects: plural resource name (``namespaces``, ``images``, ``imagestreams``) and object.

    Raises:
        StoreError: the store cannot be used.
    """
    return store.create_missing(_keyed(objects))


def _keyed(objects: Iterable[tuple[str, JsonObject]]) -> Iterator[tuple[ObjectKey, JsonObject]]:
    """Every object under its key, and before a stream the namespace it is in."""
    namespaces: set[str] = set()
    for resource, found in objects:
        name, namespace = found["metadata"]["name"], found["metadata"].get("namespace") or ""
        if resource == "namespaces":
            yield ObjectKey("", resource, "", name), {**found, "kind": "Namespace", "apiVersion": "v1"}
            continue
        if namespace and namespace not in namespaces:
            namespaces.add(namespace)
            plain = {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": namespace}}
            yield ObjectKey("", "namespaces", "", namespace), plain
        yield ObjectKey(IMAGE_GROUP, resource, namespace, name), found
