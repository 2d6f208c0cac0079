"""Events in the tag histories of image streams: the rule that adds one, and the events that a write to a stream adds.

Nobody can write the status of a stream through the stream itself: the API server empties it on creation, restores it
on update, and derives events from the spec tags that changed. The import gate validates the derived stream, and the
store writes the same object (``with_histories``).
Rule: docs/spec/import-gate.md 3.2 and 6.2.1. Source: openshift-apiserver, registry/imagestream/strategy.go
(``TagVerifier``, ``tagsChanged``) and pkg/image/apiserver/internal/imageutil/helpers.go.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeAlias

from imagegate.core.admission.access_review import Access, is_granted, refusal
from imagegate.core.admission.lookup import Absent, Found, Lookup, Unknown
from imagegate.core.admission.plugin import Answers, Question
from imagegate.core.admission.request import User
from imagegate.core.image_streams.objects import (
    DOCKER_IMAGE,
    STREAM_IMAGE,
    STREAM_TAG,
    Event,
    Source,
    SpecTag,
    StreamObject,
    read_history,
    read_stream,
)
from imagegate.core.image_streams.questions import Stream
from imagegate.core.image_streams.stream import JsonObject, status_tag, status_tags, with_status_tag, with_status_tags
from imagegate.core.kube import status as api_status
from imagegate.core.kube.field_errors import FieldError, aggregate, forbidden, internal_error, invalid, not_found
from imagegate.core.kube.go_quote import go_quote
from imagegate.core.kube.status import IMAGE_GROUP
from imagegate.core.references.openshift import DEFAULT_TAG, ImageReference, is_digest
from imagegate.errors import InvalidInput, InvalidReference

History: TypeAlias = tuple[Event, ...]
"""The events of one tag, newest first."""
Histories: TypeAlias = dict[str, History]

_MATCHES_LISTED = 100
"""Maximum number of images listed for an ambiguous id, so that a message stays short; the original lists them all."""
_FORMS = "must be of the form <tag>, <repo>:<tag>, <id>, or <repo>@<id>"


class Problem(NamedTuple):
    """An error in one changed tag; ``is_unknown`` if a look-up failed."""

    error: FieldError
    is_unknown: bool = False


@dataclass(frozen=True, slots=True)
class Derived:
    """The stream as the API server validates and stores it, and the errors in its changed tags."""

    stream: StreamObject
    problems: tuple[Problem, ...] = ()

    @property
    def error(self) -> FieldError | None:
        """All problems as the one internal error that the original wraps them in."""
        if not self.problems:
            return None
        errors = aggregate(problem.error for problem in self.problems)
        return internal_error("[]", f"imagestreams {go_quote(self.stream.metadata.name)} is invalid: {errors}")

    @property
    def is_unknown(self) -> bool:
        """True if failed look-ups are the only problems."""
        return bool(self.problems) and all(problem.is_unknown for problem in self.problems)


def tag_questions(stream: StreamObject, old: StreamObject | None, user: User) -> Iterator[Question]:
    """Look-ups needed to derive events: other streams that changed tags point to, and the user's access to them."""
    for tag in _changed_tags(stream, old):
        target = _source_of(stream, tag)
        if target is None:
            continue
        namespace, name, _ = target
        if _needs_review(stream, tag):
            yield _access_review(user, namespace, name)
        if (namespace, name) != (stream.metadata.namespace, stream.metadata.name):
            yield Stream(namespace, name)


def derive(
    stream: StreamObject,
    old: StreamObject | None,
    answers: Answers,
    *,
    user: User,
    now: str = "",
    integrated_registry: str = "",
    tells_existence: bool = True,
) -> Derived:
    """``stream`` with the status it will have: that of ``old``, and events for changed spec tags.

    Args:
        stream: as prepared for the write, generations set.
        old: the stored stream, None on creation; the status then begins empty.
        answers: results for ``tag_questions``.
        user: sender of the request.
        now: time of new events, RFC 3339; empty where nothing is stored.
        integrated_registry: host of the integrated registry; references into a source stream's repository there
            become references into this stream's.
        tells_existence: report a missing source also to users who may not pull from its project.
    """
    derivation = _Derivation(stream, old, answers, integrated_registry, now)
    problems = list(_access_problems(stream, old, answers, user))
    for tag in _sources_first(stream, _changed_tags(stream, old)):
        if not tells_existence and _is_refused(stream, tag, answers, user):
            continue
        outcome = derivation.event_of(tag)
        if isinstance(outcome, Problem):
            problems.append(outcome)
        elif outcome is not None:
            derivation.own.add(tag.name, outcome._replace(generation=stream.metadata.generation))
    if old is None:  # an update of the original compares the new status with itself, and finds nothing to follow
        follow(stream, None, derivation.own.histories)
    return Derived(replace(stream, status_tags=derivation.own.histories), tuple(problems))


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


def is_changed(old: SpecTag | None, new: SpecTag, namespace: str) -> bool:
    """True if events must be derived for a spec tag (docs/spec/import-gate.md 3.2, the last paragraph)."""
    if new.source is None:
        return False
    if old is None:
        return True
    if not new.source.kind and not new.source.name:
        return False
    before = old.source or Source()
    return (
        (before.namespace or namespace) != (new.source.namespace or namespace)
        or before.name != new.source.name
        or old.reference != new.reference
        or old.import_policy.import_mode != new.import_policy.import_mode
        or (new.generation == 0 and old.generation not in (None, 0))
    )


def _changed_tags(stream: StreamObject, old: StreamObject | None) -> Iterator[SpecTag]:
    before: Mapping[str, SpecTag] = old.spec_tags if old is not None else {}
    for name, tag in sorted(stream.spec_tags.items()):
        if is_changed(before.get(name), tag, stream.metadata.namespace):
            yield tag


def _sources_first(stream: StreamObject, tags: Iterable[SpecTag]) -> Iterator[SpecTag]:
    """The tags, each after the tag of the same stream that it names; in the original the order is random."""
    changed = {tag.name: tag for tag in tags}
    seen: set[str] = set()
    for first in changed:
        chain: list[SpecTag] = []
        name: str | None = first
        while name is not None and name in changed and name not in seen:
            seen.add(name)
            chain.append(changed[name])
            name = _tracked_tag(stream, changed[name])
        yield from reversed(chain)


def _source_of(stream: StreamObject, tag: SpecTag) -> tuple[str, str, str] | None:
    """Namespace, stream, and tag or id, that a tag points to; None if it points to no stream."""
    source = tag.source
    if source is None or source.kind not in (STREAM_TAG, STREAM_IMAGE):
        return None
    parts = source.name.split(":" if source.kind == STREAM_TAG else "@")
    if len(parts) > 2:
        return None
    name, rest = (stream.metadata.name, parts[0]) if len(parts) == 1 else (parts[0], parts[1])
    return source.namespace or stream.metadata.namespace, name, rest


def _needs_review(stream: StreamObject, tag: SpecTag) -> bool:
    return bool(tag.source and tag.source.namespace and tag.source.namespace != stream.metadata.namespace)


def _access_review(user: User, namespace: str, stream: str) -> Access:
    return Access(user, "get", IMAGE_GROUP, "imagestreams", "layers", namespace, stream)


def _access_problems(stream: StreamObject, old: StreamObject | None, answers: Answers, user: User) -> Iterator[Problem]:
    """Problems where the user may not pull from the other projects that changed tags point to."""
    refused: list[Problem] = []
    for tag in _changed_tags(stream, old):
        if tag.source is None or not _needs_review(stream, tag):
            continue
        path = f"spec.tags[{tag.name}].from"
        target = _source_of(stream, tag)
        if target is None:
            yield Problem(invalid(f"{path}.name", tag.source.name, _FORMS))
            continue
        namespace, name, _ = target
        answer = answers.get(_access_review(user, namespace, name))
        if not is_granted(answer):
            said = refusal(answer)
            detail = f"{namespace}/{name}: {go_quote(said.reason)} {go_quote(said.evaluation_error)}"
            refused.append(Problem(forbidden(path, detail), answer is None or isinstance(answer, Unknown)))
    yield from refused


def _is_refused(stream: StreamObject, tag: SpecTag, answers: Answers, user: User) -> bool:
    """True if the tag points into another project, and the user's right to pull from there is not confirmed."""
    target = _source_of(stream, tag)
    if target is None or not _needs_review(stream, tag):
        return False
    namespace, name, _ = target
    return not is_granted(answers.get(_access_review(user, namespace, name)))


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


def _prefixes_of(image: str) -> list[tuple[str, str]]:
    """Strings that an id of this image may be a prefix of: its name, and the hex part of a digest."""
    prefixes = [(image, image)]
    if is_digest(image):
        prefixes.append((image.partition(":")[2], image))
    return prefixes


class _Derivation:
    """Derives the events of one write; every other stream is read once."""

    def __init__(
        self, stream: StreamObject, old: StreamObject | None, answers: Answers, integrated_registry: str, now: str
    ) -> None:
        self._stream = stream
        self._answers = answers
        self._integrated_registry = integrated_registry
        self._now = now
        self.own = SourceStream(stream, dict(old.status_tags) if old is not None else {})
        self._others: dict[tuple[str, str], SourceStream | SourceUnavailable] = {}

    def event_of(self, tag: SpecTag) -> Event | Problem | None:
        """The event of a changed tag, without generation; None if the tag adds none."""
        source = tag.source or Source()
        if source.kind == DOCKER_IMAGE and source.name:
            return Event(source.name, created=self._now) if tag.reference else None
        path = f"spec.tags[{tag.name}].from.name"
        target = _source_of(self._stream, tag)
        if target is None:
            return Problem(invalid(path, source.name, _FORMS))
        namespace, name, tag_or_id = target
        origin = self._source_stream(namespace, name)
        if isinstance(origin, SourceUnavailable):
            if origin.is_absent:
                return Problem(not_found(path, source.name))
            detail = f"unable to retrieve image stream: {origin.why}"
            return Problem(invalid(path, source.name, detail), origin.is_unknown)
        try:
            event = origin.newest(source.kind, tag_or_id)
        except InvalidInput as error:
            return Problem(invalid(path, source.name, f"error generating tag event: {error}"))
        if event is None:
            return None
        if source.kind == STREAM_IMAGE:
            event = event._replace(created=self._now)
        elif origin is self.own:
            self._date_newest(tag_or_id or DEFAULT_TAG)
        return event if tag.reference else _made_local(event, origin, self._stream, self._integrated_registry)

    def _date_newest(self, tag: str) -> None:
        """Give the newest event of a tag the stream's generation, as it has in the original once another names it.

        Not while its own import is still to be done, which would then be taken for done.
        """
        event = self.own.histories[tag][0]
        specified = self._stream.spec_tags.get(tag)
        is_waiting = specified is not None and (specified.generation or 0) > event.generation
        if not is_waiting:
            dated = event._replace(generation=self._stream.metadata.generation)
            self.own.histories[tag] = (dated, *self.own.histories[tag][1:])

    def _source_stream(self, namespace: str, name: str) -> SourceStream | SourceUnavailable:
        key = (namespace, name)
        if key == (self.own.namespace, self.own.name):
            return self.own
        if key not in self._others:
            self._others[key] = _read_source(self._answers.get(Stream(namespace, name)))
        return self._others[key]


def _read_source(answer: Lookup[Any] | None) -> SourceStream | SourceUnavailable:
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


def _made_local(event: Event, origin: SourceStream, stream: StreamObject, integrated_registry: str) -> Event:
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
        tracked = _tracked_tag(stream, tag)
        if tracked is not None:
            trackers.setdefault(tracked, []).append(name)
    return trackers


def _tracked_tag(stream: StreamObject, tag: SpecTag) -> str | None:
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
