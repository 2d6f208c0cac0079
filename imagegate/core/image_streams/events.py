"""The events that a write to a stream adds to its tags' histories, as they are stored.

``core.image_streams.tag_events`` finds out what is wrong with changed tags; this is for streams with which nothing is
wrong. Rule: docs/spec/import-gate.md 3.2. Source: openshift-apiserver, registry/imagestream/strategy.go
(``tagsChanged``).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeAlias

from imagegate.core.image_streams.stream import (
    DOCKER_IMAGE,
    STREAM_IMAGE,
    STREAM_TAG,
    JsonObject,
    events,
    is_image_id,
    is_tag_changed,
    latest_event,
    spec_tags,
    status_tags,
    with_event,
    with_tracking_tags,
)
from imagegate.core.references.openshift import DEFAULT_TAG, ImageReference
from imagegate.errors import InvalidReference

StreamOf: TypeAlias = Callable[[str, str], JsonObject | None]
"""The stream of a namespace and name, or None."""


def with_derived_events(
    stream: JsonObject, old: JsonObject | None, stream_of: StreamOf, *, now: str, integrated_registry: str = ""
) -> JsonObject:
    """The stream with an event for every changed spec tag that adds one, and for tags that track those.

    Args:
        stream: as prepared for the write, generations set.
        old: the stored stream, None on creation.
        stream_of: other streams that tags point to.
        now: the time, RFC 3339.
        integrated_registry: host whose repository of a source stream becomes that of this stream.
    """
    metadata = stream.get("metadata") or {}
    namespace, generation = metadata.get("namespace") or "", metadata.get("generation") or 0
    old_tags = spec_tags(old or {})
    for name, tag in sorted(spec_tags(stream).items()):
        before = old_tags.get(name)
        if not tag.get("from") or (before is not None and not is_tag_changed(before, tag, namespace)):
            continue
        event = _event_of(stream, tag, stream_of, now, integrated_registry)
        if event is not None:
            stream, _ = with_event(stream, name, {**event, "generation": generation})
    return with_followed_tags(stream, old)


def with_followed_tags(stream: JsonObject, old: JsonObject | None) -> JsonObject:
    """The stream with the newest event of every tag that differs from ``old`` given to the tags that track it."""
    waiting = deque(
        name for name in sorted(status_tags(stream)) if latest_event(stream, name) != latest_event(old or {}, name)
    )
    seen = set(waiting)
    while waiting:
        name = waiting.popleft()
        event = latest_event(stream, name)
        if event is None:
            continue
        followed = with_tracking_tags(stream, name, event)
        changed = sorted(
            tag
            for tag in status_tags(followed)
            if tag not in seen and latest_event(followed, tag) != latest_event(stream, tag)
        )
        seen.update(changed)
        waiting.extend(changed)
        stream = followed
    return stream


def _event_of(
    stream: JsonObject, tag: Mapping[str, Any], stream_of: StreamOf, now: str, integrated_registry: str
) -> JsonObject | None:
    source = tag["from"]
    if source.get("kind") == DOCKER_IMAGE and source.get("name"):
        if not tag.get("reference"):
            return None
        return {"created": now, "dockerImageReference": source["name"], "image": ""}
    if source.get("kind") not in (STREAM_TAG, STREAM_IMAGE):
        return None
    metadata = stream.get("metadata") or {}
    mark = ":" if source["kind"] == STREAM_TAG else "@"
    name, _, rest = ("", "", source.get("name") or "")
    if mark in rest:
        name, _, rest = rest.partition(mark)
    own = (metadata.get("namespace") or "", metadata.get("name") or "")
    where = (source.get("namespace") or own[0], name or own[1])
    origin = stream if where == own else stream_of(*where)
    if origin is None:
        return None
    event = _newest(origin, source["kind"], rest, now)
    if event is None or tag.get("reference"):
        return event
    return _made_local(event, where, own, integrated_registry)


def _newest(origin: JsonObject, kind: str, tag_or_id: str, now: str) -> JsonObject | None:
    if kind == STREAM_TAG:
        return latest_event(origin, tag_or_id or DEFAULT_TAG)
    matching = [event for _, event in events(origin) if is_image_id(event.get("image") or "", tag_or_id)]
    return {**matching[-1], "created": now} if matching else None


def _made_local(
    event: JsonObject, origin: tuple[str, str], own: tuple[str, str], integrated_registry: str
) -> JsonObject:
    """The event, pointing to this stream's repository where it pointed to its source's in the integrated registry."""
    if not integrated_registry:
        return event
    try:
        reference = ImageReference.parse(event.get("dockerImageReference") or "")
    except InvalidReference:
        return event
    if (reference.registry, reference.namespace, reference.name) != (integrated_registry, *origin):
        return event
    return {**event, "dockerImageReference": replace(reference, namespace=own[0], name=own[1]).exact}
