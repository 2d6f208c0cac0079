"""Tags that track another tag of the same image stream, and get its events.

Source: openshift-apiserver, pkg/image/apiserver/internal/imageutil/helpers.go (``UpdateChangedTrackingTags``,
``UpdateTrackingTags``).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from imagegate.core.image_streams.histories import Histories, History, add_event, with_histories
from imagegate.core.image_streams.objects import STREAM_TAG, Event, SpecTag, StreamObject, read_stream
from imagegate.core.image_streams.stream import JsonObject
from imagegate.core.references.openshift import DEFAULT_TAG


def follow(stream: StreamObject, old: StreamObject | None, histories: Histories) -> None:
    """Give tags that track a changed tag of the same stream its event.

    A tag is changed if its newest event differs from that of ``old`` in any field, the generation included. Tags that
    track the trackers follow in a new stream only.
    Changes ``histories``, which are those of ``stream`` as far as they are known.
    Source: ``UpdateChangedTrackingTags``, which follows one step, in random order.
    """
    trackers = _trackers_by_tag(stream)
    before: Mapping[str, History] = old.status_tags if old is not None else {}
    waiting = deque(
        name for name in sorted(histories) if histories[name] and histories[name][:1] != before.get(name, ())[:1]
    )
    seen = set(waiting)  # every tag passes its event on once, so that tags tracking each other end
    while waiting:
        tracked = waiting.popleft()
        for name in _give_to_trackers(trackers, tracked, histories[tracked][0], histories):
            if old is None and name not in seen:
                seen.add(name)
                waiting.append(name)


def track(stream: StreamObject, tag: str, event: Event, histories: Histories) -> None:
    """Give ``event`` to the tags that track ``tag`` of the same stream, one step only, as a pushed image does.

    Changes ``histories``. Source: ``UpdateTrackingTags``.
    """
    _give_to_trackers(_trackers_by_tag(stream), tag, event, histories)


def with_followed_tags(stream: JsonObject, old: JsonObject | None) -> JsonObject:
    """The stored stream after ``follow``."""
    new = read_stream(stream)
    histories = dict(new.status_tags)
    follow(new, read_stream(old) if old is not None else None, histories)
    return with_histories(stream, histories)


def with_tracking_tags(stream: JsonObject, tag: str, event: Event) -> JsonObject:
    """The stored stream after ``track``."""
    new = read_stream(stream)
    histories = dict(new.status_tags)
    track(new, tag, event, histories)
    return with_histories(stream, histories)


def _give_to_trackers(trackers: Mapping[str, list[str]], tag: str, event: Event, histories: Histories) -> list[str]:
    """Tags whose histories changed."""
    changed = []
    for name in trackers.get(tag, ()):
        history = histories.get(name, ())
        after = add_event(history, event)
        if after is not history:
            histories[name] = after
            changed.append(name)
    return changed


def _trackers_by_tag(stream: StreamObject) -> dict[str, list[str]]:
    """Tags of the stream that track another one, by the tag that they track."""
    trackers: dict[str, list[str]] = {}
    for name, tag in sorted(stream.spec_tags.items()):
        tracked = tracked_tag(stream, tag)
        if tracked is not None:
            trackers.setdefault(tracked, []).append(name)
    return trackers


def tracked_tag(stream: StreamObject, tag: SpecTag) -> str | None:
    """The tag that an ImageStreamTag of the same stream names, as ``TAG`` or ``STREAM:TAG``."""
    source = tag.source
    if source is None or source.kind != STREAM_TAG:
        return None
    if source.namespace and source.namespace != stream.metadata.namespace:
        return None
    name, colon, tracked = source.name.partition(":")
    if not colon:
        return source.name
    return tracked or DEFAULT_TAG if name == stream.metadata.name else None
