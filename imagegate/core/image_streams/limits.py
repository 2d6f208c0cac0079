"""Limits of a namespace for images: LimitRanges of the types openshift.io/Image and openshift.io/ImageStream.

Source: openshift-apiserver, ``pkg/image/apiserver/admission/limitrange``. A stream may have no more than so many
different references in its spec (``openshift.io/image-tags``) and images in its status (``openshift.io/images``); an
image that is pushed may not be larger than ``storage``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

from imagegate.core.image_streams.stream import JsonObject, split_stream_tag
from imagegate.core.kube.quantity import Quantity
from imagegate.core.references.openshift import ImageReference
from imagegate.errors import InvalidInput

OF_IMAGE, OF_STREAM = "openshift.io/Image", "openshift.io/ImageStream"
IMAGES, TAGS, STORAGE = "openshift.io/images", "openshift.io/image-tags", "storage"


def limits_images_only(found: JsonObject) -> bool:
    """True if the object is a LimitRange whose limits are all for images and streams.

    Raises:
        InvalidInput: one of these cannot be read.
    """
    limits = (found.get("spec") or {}).get("limits") if found.get("kind") == "LimitRange" else None
    if not isinstance(limits, list):
        return False
    for type_, resources in ((OF_IMAGE, (STORAGE,)), (OF_STREAM, (IMAGES, TAGS))):
        for resource in resources:
            list(_maxima((found,), type_, resource))
    return all(isinstance(item, dict) and item.get("type") in (OF_IMAGE, OF_STREAM) for item in limits)


def grows(stream: JsonObject, old: JsonObject | None) -> bool:
    """True if the stream has a reference or an image that it had not before, so that limits count."""
    return any(now - before for now, before in zip(_used(stream), _used(old or {}), strict=True))


def stream_excess(stream: JsonObject, limit_ranges: Iterable[JsonObject]) -> str:
    """The limits that a stream exceeds, as one sentence; empty if none.

    Args:
        stream: as it would be stored.
        limit_ranges: of its namespace.

    Raises:
        InvalidInput: a limit cannot be read.
    """
    tags, images = (Quantity(Fraction(len(found))) for found in _used(stream))
    found = []
    listed = list(limit_ranges)
    for resource, usage in ((IMAGES, images), (TAGS, tags)):
        limits = list(_maxima(listed, OF_STREAM, resource))
        limit = min(limits, key=lambda each: each.value) if limits else None
        if limit is not None and usage.value > limit.value:
            found.append(_exceeded(OF_STREAM, resource, usage, limit))
    return found[0] if len(found) == 1 else f"[{', '.join(found)}]" if found else ""


def image_excess(image: Mapping[str, Any], limit_ranges: Iterable[JsonObject]) -> str:
    """The limit that a pushed image exceeds, as a sentence; empty if none.

    Raises:
        InvalidInput: a limit cannot be read.
    """
    size = (image.get("dockerImageMetadata") or {}).get("Size") or 0
    usage = Quantity(Fraction(size if isinstance(size, int) else 0), is_binary=True)
    for limit in _maxima(limit_ranges, OF_IMAGE, STORAGE):
        if usage.value > limit.value:
            return _exceeded(OF_IMAGE, STORAGE, usage, limit)
    return ""


def _exceeded(type_: str, resource: str, usage: Quantity, limit: Quantity) -> str:
    return f"requested usage of {resource} exceeds the maximum limit per {type_} ({usage} > {limit})"


def _maxima(limit_ranges: Iterable[JsonObject], type_: str, resource: str) -> Iterator[Quantity]:
    for limit_range in limit_ranges:
        limits = (limit_range.get("spec") or {}).get("limits")
        for item in limits if isinstance(limits, list) else ():
            if not isinstance(item, dict) or item.get("type") != type_:
                continue
            maximum = item.get("max")
            if isinstance(maximum, dict) and resource in maximum:
                yield Quantity.parse(maximum[resource])


def _used(stream: JsonObject) -> tuple[frozenset[str], frozenset[str]]:
    """The different references in the spec, and the different images in the status."""
    namespace = (stream.get("metadata") or {}).get("namespace") or ""
    tags = (stream.get("spec") or {}).get("tags") or ()
    references = {_reference(tag["from"], namespace) for tag in tags if tag.get("from")}
    histories = (stream.get("status") or {}).get("tags") or ()
    images = {event.get("image") or "" for history in histories for event in history.get("items") or ()}
    return frozenset(references - {""}), frozenset(images - {""})


def _reference(source: Mapping[str, Any], namespace: str) -> str:
    """A source as it is counted; empty for one that cannot be read, which other rules refuse."""
    kind, name = source.get("kind"), source.get("name") or ""
    namespace = source.get("namespace") or namespace
    try:
        if kind == "DockerImage":
            return ImageReference.parse(name).with_docker_defaults().exact
        if kind == "ImageStreamTag":
            return f"{namespace}/{':'.join(split_stream_tag(name))}"
        if kind == "ImageStreamImage":
            found = ImageReference.parse(name)
            return replace(found, namespace=found.namespace or namespace).exact if found.id else ""
    except InvalidInput:
        return ""
    return ""
