"""The histories of an image stream's tags: the rule that adds an event, and the stored form.

Rule: docs/spec/import-gate.md 6.2.1. Source: openshift-apiserver, pkg/image/apiserver/internal/imageutil/helpers.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from imagegate.core.image_streams.objects import Event, read_history
from imagegate.core.image_streams.stream import JsonObject, status_tag, status_tags, with_status_tag, with_status_tags

History: TypeAlias = tuple[Event, ...]
"""The events of one tag, newest first."""
Histories: TypeAlias = dict[str, History]


def add_event(history: History, event: Event) -> History:
    """The history with ``event`` as its newest; the same object if nothing changed.

    An event that shares image or reference with the newest one replaces these fields and the generation there; the
    creation time stays. Rule: docs/spec/import-gate.md 6.2.1. Source: ``AddTagEventToImageStream``.
    """
    if not history:
        return (event,)
    newest = history[0]
    if newest.reference != event.reference and newest.image != event.image:
        return (event, *history)
    renewed = event._replace(created=newest.created)
    return history if renewed == newest else (renewed, *history[1:])


def with_event(stream: JsonObject, tag: str, event: Event) -> tuple[JsonObject, bool]:
    """The stored stream with ``event`` in the history of ``tag``, and True if that changed anything.

    Any change clears the tag's conditions.
    """
    history = status_tag(stream, tag) or {}
    before = read_history(history)
    after = add_event(before, event)
    if after is before:
        return stream, False
    return with_status_tag(stream, tag, _written_history(history, before, after)), True


def with_histories(stream: JsonObject, histories: Mapping[str, History]) -> JsonObject:
    """The stored stream with these histories in its status; a changed history clears the tag's conditions."""
    tags = status_tags(stream)
    changed = {}
    for name, after in histories.items():
        history = tags.get(name) or {}
        before = read_history(history)
        if after != before:
            changed[name] = _written_history(history, before, after)
    return with_status_tags(stream, {**tags, **changed}) if changed else stream


def _written_history(history: Mapping[str, Any], before: History, after: History) -> JsonObject:
    """The status tag. Unchanged events stay exactly as they were stored, with fields that are not read."""
    stored = list(history.get("items") or ())
    same = 0
    while same < min(len(before), len(after)) and before[-1 - same] == after[-1 - same]:
        same += 1
    new = [
        {
            "created": event.created,
            "dockerImageReference": event.reference,
            "image": event.image,
            "generation": event.generation,
        }
        for event in after[: len(after) - same]
    ]
    return {"items": [*new, *stored[len(stored) - same :]]}
