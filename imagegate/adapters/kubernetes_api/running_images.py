"""Images of the pods of a namespace, listed when they are asked for and cached for some seconds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from imagegate.adapters.kubernetes_api.connection import ApiError, Connection, JsonObject
from imagegate.caching import TimedCache
from imagegate.core.admission.lookup import Found, Lookup, Unknown
from imagegate.core.admission.running_images import RunningImages
from imagegate.core.admission.workload import EVERYTHING, InvalidObject, dig, pod_images
from imagegate.core.kube.go_quote import go_quote
from imagegate.ports.running_images import RunningPods

SOURCE = "cluster"
PAGE = 250
PODS_MAX = 20_000
IMAGES_MAX = 2_000
CACHED_MAX = 64


class ClusterPods:
    """``ports.running_images.RunningPods``. Lists are cached for ``ttl_s`` seconds, failures are not."""

    def __init__(self, connection: Callable[[], Connection], *, ttl_s: float) -> None:
        self._connection = connection
        self._ttl_s = ttl_s
        self._found: TimedCache[str, tuple[str, ...]] = TimedCache(CACHED_MAX)

    def cached(self, question: RunningImages) -> Lookup[tuple[str, ...]] | None:
        """The images, if they were listed lately."""
        found = self._found.get(question.namespace)
        return None if found is None else Found(found, SOURCE)

    def images(self, question: RunningImages, *, deadline_s: float) -> Lookup[tuple[str, ...]]:
        """List the pods page by page."""
        cached = self.cached(question)
        if cached is not None:
            return cached
        try:
            found = tuple(sorted(self._list(question.namespace, time.monotonic() + deadline_s)))
        except (ApiError, InvalidObject) as error:
            return Unknown(f"the pods of namespace {go_quote(question.namespace)} could not be listed: {error}")
        self._found.put(question.namespace, found, ttl_s=self._ttl_s)
        return Found(found, SOURCE)

    def _list(self, namespace: str, until: float) -> set[str]:
        connection = self._connection()
        path = f"/api/v1/namespaces/{quote(namespace, safe='')}/pods"
        images: set[str] = set()
        pods, more = 0, ""
        while True:
            query = {"limit": str(PAGE), **({"continue": more} if more else {})}
            page = connection.get(path, deadline_s=until - time.monotonic(), query=query)
            items, metadata = page.get("items"), page.get("metadata")
            if not isinstance(items, list):
                raise ApiError("a list has no items")
            for pod in items:
                images.update(_images(pod))
            pods += len(items)
            if pods > PODS_MAX or len(images) > IMAGES_MAX:
                raise ApiError(f"there are more than {PODS_MAX:,} pods or {IMAGES_MAX:,} images")
            more = _continue(metadata)
            if not more:
                return images


def _images(pod: Any) -> Iterator[str]:
    if not isinstance(pod, dict):
        raise ApiError("an item of a list is not an object")
    for use in pod_images(dig(pod, ("spec",)) or {}, "spec", EVERYTHING):
        if use.name:
            yield use.name


def _continue(metadata: JsonObject | object) -> str:
    value = metadata.get("continue") if isinstance(metadata, dict) else None
    return value if isinstance(value, str) else ""


if TYPE_CHECKING:  # mypy checks each adapter against its port
    _: type[RunningPods] = ClusterPods
