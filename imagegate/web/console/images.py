"""Images and image streams of the store, and the mark that denies an image."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, NamedTuple

from imagegate.core.image_policy.marks import DENY_ANNOTATION
from imagegate.ports.image_store import Collection, StoreError
from imagegate.service.image_api.request import ApiRequest
from imagegate.web.image_api.identity import LOCAL_ADMINISTRATOR
from imagegate.wiring.runtime import Runtime

SHOWN = 200
"""Images, and streams, on one page."""
GROUP = "image.openshift.io"

_log = logging.getLogger(__name__)


class ShownImage(NamedTuple):
    """One Image."""

    name: str
    reference: str
    annotations: tuple[tuple[str, str], ...]
    is_marked: bool


class ShownTag(NamedTuple):
    """A tag of a stream and the image it stands for."""

    name: str
    source: str
    image: str


class ShownStream(NamedTuple):
    """One image stream."""

    namespace: str
    name: str
    tags: tuple[ShownTag, ...]


class Stored(NamedTuple):
    """The contents of the store, the first ``SHOWN`` of each."""

    images: tuple[ShownImage, ...]
    streams: tuple[ShownStream, ...]
    problem: str = ""
    """Why it cannot be read."""


def stored(service: Runtime) -> Stored:
    """The images and streams of the service's store."""
    if service.images is None:
        return Stored((), (), "There is no store for images here: name a file with store.path.")
    store = service.images.store
    try:
        images = store.list_objects(Collection(GROUP, "images"), limit=SHOWN)
        streams = store.list_objects(Collection(GROUP, "imagestreams"), limit=SHOWN)
    except StoreError as error:
        return Stored((), (), f"The store cannot be read: {error}")
    return Stored(tuple(map(_image, images.items)), tuple(map(_stream, streams.items)))


def mark_problem(service: Runtime) -> str:
    """Why nobody may mark images from the console; empty if the user of this machine may."""
    if service.images is None:
        return "there is no store for images here"
    if service.aggregation is not None:
        return "the console does not know who you are in the cluster: use kubectl annotate images/DIGEST"
    return ""


def set_mark(service: Runtime, name: str, *, denied: bool) -> None:
    """Mark an Image so that policies deny it, or take the mark away.

    Raises:
        StatusError: there is no such image, or it cannot be written.
    """
    if service.images is None:
        raise ValueError("there is no store")

    def change(found: dict[str, Any]) -> dict[str, Any]:
        metadata = dict(found.get("metadata") or {})
        annotations = dict(metadata.get("annotations") or {})
        if denied:
            annotations[DENY_ANNOTATION] = "true"
        else:
            annotations.pop(DENY_ANNOTATION, None)
        return {**found, "metadata": {**metadata, "annotations": annotations}}

    request = ApiRequest(user=LOCAL_ADMINISTRATOR)
    service.images.api.images.update(request, name, change, is_patch=True)
    _log.warning("image %s from the console", "marked" if denied else "unmarked", extra={"image": name})


def image_of(service: Runtime, name: str) -> ShownImage:
    """One Image.

    Raises:
        StatusError: 404.
    """
    if service.images is None:
        raise ValueError("there is no store")
    return _image(service.images.api.images.get(ApiRequest(user=LOCAL_ADMINISTRATOR), name))


def _image(image: Mapping[str, Any]) -> ShownImage:
    metadata = image.get("metadata") or {}
    annotations = metadata.get("annotations") or {}
    return ShownImage(
        name=metadata.get("name", ""),
        reference=image.get("dockerImageReference", ""),
        annotations=tuple(sorted((key, str(value)) for key, value in annotations.items())),
        is_marked=annotations.get(DENY_ANNOTATION) == "true",
    )


def _stream(stream: Mapping[str, Any]) -> ShownStream:
    metadata, spec, status = (stream.get(part) or {} for part in ("metadata", "spec", "status"))
    current = {tag.get("tag", ""): (tag.get("items") or [{}])[0].get("image", "") for tag in status.get("tags") or ()}
    sources = {tag.get("name", ""): (tag.get("from") or {}).get("name", "") for tag in spec.get("tags") or ()}
    names = sorted({*current, *sources})
    return ShownStream(
        namespace=metadata.get("namespace", ""),
        name=metadata.get("name", ""),
        tags=tuple(ShownTag(name, sources.get(name, ""), current.get(name, "")) for name in names),
    )
