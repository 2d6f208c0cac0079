"""Complete lists of a resource, within limits."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from imagegate.adapters.kubernetes_api.connection import AnswerTooLarge, ApiError, Connection, JsonObject

PAGE = 500
SMALLER = 8
"""Pages that are too large are asked for again with so many times fewer objects."""
PAGE_S = 60.0
"""Time for one page."""
LIST_S = 300.0
"""Time for all pages: the API server keeps a list for about five minutes."""
OBJECTS_MAX = 250_000

Key = tuple[str, str]
"""Namespace and name."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Listed(Generic[T]):
    """All objects of a resource."""

    objects: dict[Key, T]
    version: str
    """Resource version of the list."""


def list_all(
    connection: Connection,
    path: str,
    slimmed: Callable[[JsonObject], T],
    selection: Mapping[str, str],
    heard: Callable[[], None],
    *,
    paged: bool = True,
) -> Listed[T]:
    """All objects, page by page, and the version that they are of.

    Args:
        selection: part of the query that restricts the objects.
        heard: called after each page.
        paged: False: in one answer.

    Raises:
        ApiError: a page is missing, damaged or beyond a limit. A part of a list is never a result.
    """
    objects: dict[Key, T] = {}
    more, until = "", time.monotonic() + LIST_S
    limit = PAGE if paged else 0
    while True:
        query = {**selection, "limit": str(limit), **({"continue": more} if more else {})}
        try:
            page = connection.get(path, deadline_s=PAGE_S, query=query)
        except AnswerTooLarge:
            if limit <= 1:
                raise
            limit = max(1, limit // SMALLER)  # whoever creates objects chooses their size, up to that of etcd
            continue
        objects.update((key_of(each), slimmed(each)) for each in _items(page))
        metadata = page.get("metadata")
        version, following = (text_of(metadata, name) for name in ("resourceVersion", "continue"))
        heard()
        if not following:
            if not version:
                raise ApiError(f"the list of {path} has no resourceVersion")
            return Listed(objects, version)
        if following == more or len(objects) > OBJECTS_MAX or time.monotonic() > until:
            raise ApiError(
                f"the list of {path} does not end: {len(objects)} objects so far (at most {OBJECTS_MAX}, "
                f"within {LIST_S:.0f} s)"
            )
        more = following


def resource_is_absent(connection: Connection, path: str) -> bool:
    """True if the API server's discovery says that it has no such resource.

    A 404 alone is no proof: a proxy, or an API server that has only just begun, may answer so.

    Args:
        path: ``/apis/GROUP/VERSION/RESOURCE``.

    Raises:
        ApiError: discovery fails.
    """
    _, _, group, version, resource = path.split("/")
    groups = connection.get("/apis", deadline_s=PAGE_S).get("groups")
    if not isinstance(groups, list) or not groups:
        raise ApiError("the API server's list of API groups has no groups")
    if group not in [text_of(each, "name") for each in groups]:
        return True
    try:
        resources = connection.get(f"/apis/{group}/{version}", deadline_s=PAGE_S).get("resources")
    except ApiError as error:
        if error.status == 404:
            return True
        raise
    if not isinstance(resources, list):
        raise ApiError(f"the API server's list of resources of {group}/{version} has no resources")
    return resource not in [text_of(each, "name") for each in resources]


def _items(page: JsonObject) -> Iterator[JsonObject]:
    items = page.get("items")
    if not isinstance(items, list):
        raise ApiError("a list has no items")
    return _objects(items)


def _objects(items: list[Any]) -> Iterator[JsonObject]:
    for item in items:
        if not isinstance(item, dict):
            raise ApiError("an item of a list is not an object")
        yield item


def key_of(found: JsonObject) -> Key:
    """Namespace (empty for cluster scope) and name.

    Raises:
        ApiError: it has no name.
    """
    metadata = found.get("metadata")
    name = text_of(metadata, "name")
    if not name:
        raise ApiError("an object of the API has no name")
    return text_of(metadata, "namespace"), name


def text_of(parent: object, name: str) -> str:
    """A string of a mapping; empty where there is none."""
    value = parent.get(name) if isinstance(parent, dict) else None
    return value if isinstance(value, str) else ""
