"""Streams that tags point to: the newest event of a tag, or the event of the image that an id names."""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import replace
from typing import Any, NamedTuple

from imagegate.core.admission.lookup import Absent, Found, Lookup, Unknown
from imagegate.core.image_streams.histories import Histories, History, add_event
from imagegate.core.image_streams.objects import STREAM_TAG, Event, StreamObject, read_stream
from imagegate.core.kube import status as api_status
from imagegate.core.kube.go_quote import go_quote
from imagegate.core.references.openshift import DEFAULT_TAG, ImageReference, is_digest
from imagegate.errors import InvalidInput, InvalidReference

_MATCHES_LISTED = 100
"""Maximum number of images listed for an ambiguous id, so that a message stays short; the original lists them all."""


class SourceStream:
    """A stream that tags point to: its histories, with an index that finds images by prefix."""

    def __init__(self, stream: StreamObject, histories: Histories) -> None:
        self.namespace, self.name = stream.metadata.namespace, stream.metadata.name
        self.histories = histories
        self._images: dict[str, dict[str, Event]] | None = None
        """Image -> tag -> event. Built by the first look-up of an id: most streams never need it."""
        self._prefixes: list[tuple[str, str]] = []
        """Sorted pairs (string that an id may be a prefix of, name of the image)."""

    def add(self, tag: str, event: Event) -> None:
        """Put an event into the history of a tag."""
        before = self.histories.get(tag, ())
        after = self.histories[tag] = add_event(before, event)
        if self._images is not None and after is not before:
            self._update_index(self._images, tag, before, after)

    def _update_index(self, images: dict[str, dict[str, Event]], tag: str, before: History, after: History) -> None:
        if len(after) == len(before) and before[0].image != after[0].image:  # the newest event was replaced
            replaced = before[0].image
            by_tag = images[replaced]
            by_tag.pop(tag, None)
            older = [event for event in after if event.image == replaced]
            if older:
                by_tag[tag] = older[-1]
            if not by_tag:
                del images[replaced]
                for prefix in _prefixes_of(replaced):
                    del self._prefixes[bisect_left(self._prefixes, prefix)]
        image = after[0].image
        if image not in images:
            for prefix in _prefixes_of(image):
                insort(self._prefixes, prefix)
        by_tag = images.setdefault(image, {})
        by_tag.pop(tag, None)  # re-inserted as the last, so that look-ups return it without sorting
        by_tag[tag] = after[0]

    def newest(self, kind: str, tag_or_id: str) -> Event | None:
        """The newest event of a tag, or the event of the image that has an id.

        Raises:
            InvalidInput: no image, or more than one, has the id.
        """
        if kind == STREAM_TAG:
            history = self.histories.get(tag_or_id or DEFAULT_TAG, ())
            return history[0] if history else None
        if self._images is None:
            self._images = {}
            for tag, history in sorted(self.histories.items()):
                for event in history:
                    self._images.setdefault(event.image, {})[tag] = event
            self._prefixes = sorted(prefix for image in self._images for prefix in _prefixes_of(image))
        matching = self._images_with_prefix(tag_or_id)
        if len(matching) == 1:
            by_tag = self._images[matching[0]]
            return by_tag[next(reversed(by_tag))]
        if not matching:
            raise InvalidInput(api_status.not_found("imagestreamimage", tag_or_id).message)
        why = f"multiple images match the prefix {go_quote(tag_or_id)}: {', '.join(matching)}"
        raise InvalidInput(api_status.conflict("imagestreamimage", tag_or_id, why).message)

    def _images_with_prefix(self, prefix: str) -> list[str]:
        """Names of images that have the prefix, sorted; at most ``_MATCHES_LISTED``."""
        images: set[str] = set()
        for index in range(bisect_left(self._prefixes, (prefix, "")), len(self._prefixes)):
            name, image = self._prefixes[index]
            if not name.startswith(prefix) or len(images) == _MATCHES_LISTED:
                break
            images.add(image)
        return sorted(images)


class SourceUnavailable(NamedTuple):
    """A referenced stream that could not be read."""

    why: str = ""
    is_absent: bool = False
    is_unknown: bool = False


def read_source(answer: Lookup[Any] | None) -> SourceStream | SourceUnavailable:
    """The stream of an answer, or why it cannot be used."""
    if isinstance(answer, Absent):
        return SourceUnavailable(is_absent=True)
    if not isinstance(answer, Found):
        is_unknown = answer is None or isinstance(answer, Unknown)
        return SourceUnavailable(answer.why if answer is not None else "not looked up", is_unknown=is_unknown)
    try:
        stream = read_stream(answer.value)
    except InvalidInput as error:
        return SourceUnavailable(str(error))
    return SourceStream(stream, dict(stream.status_tags))


def made_local(event: Event, origin: SourceStream, stream: StreamObject, integrated_registry: str) -> Event:
    """The event, pointing to this stream where it pointed to the source stream's own repository."""
    if not integrated_registry:
        return event
    try:
        reference = ImageReference.parse(event.reference)
    except InvalidReference:
        return event
    own = (integrated_registry, origin.namespace, origin.name)
    if (reference.registry, reference.namespace, reference.name) != own:
        return event
    local = replace(reference, namespace=stream.metadata.namespace, name=stream.metadata.name)
    return event._replace(reference=local.exact)


def _prefixes_of(image: str) -> list[tuple[str, str]]:
    """Strings that an id of this image may be a prefix of: its name, and the hex part of a digest."""
    prefixes = [(image, image)]
    if is_digest(image):
        prefixes.append((image.partition(":")[2], image))
    return prefixes
