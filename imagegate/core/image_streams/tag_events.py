"""The events that a write to an image stream adds to its status, before the gate looks at it.

Nobody can write the status of a stream through the stream itself: the API server empties it on creation, restores it
on update, and derives events from the spec tags that changed. Rule: docs/spec/import-gate.md 3.2. Source:
openshift-apiserver, registry/imagestream/strategy.go (``TagVerifier``, ``tagsChanged``).
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterator, Mapping
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
    read_stream,
)
from imagegate.core.image_streams.questions import Stream
from imagegate.core.kube import status as api_status
from imagegate.core.kube.field_errors import FieldError, aggregate, forbidden, internal_error, invalid, not_found
from imagegate.core.kube.go_quote import go_quote
from imagegate.core.references.openshift import DEFAULT_TAG, ImageReference, is_digest
from imagegate.errors import InvalidInput, InvalidReference

Histories: TypeAlias = dict[str, tuple[Event, ...]]

IMAGE_GROUP = "image.openshift.io"
_MATCHES_LISTED = 100
"""How many images an ambiguous id is said to match at most; the original lists them all."""
_FORMS = "must be of the form <tag>, <repo>:<tag>, <id>, or <repo>@<id>"


class Problem(NamedTuple):
    """What is wrong with one changed tag; ``is_unknown`` if it could only not be found out."""

    error: FieldError
    is_unknown: bool = False


@dataclass(frozen=True, slots=True)
class Derived:
    """The stream as the API server would validate it, and what was wrong with its changed tags."""

    stream: StreamObject
    problems: tuple[Problem, ...] = ()

    @property
    def error(self) -> FieldError | None:
        """All problems as the one internal error that the original wraps them in."""
        if not self.problems:
            return None
        texts = aggregate(problem.error for problem in self.problems)
        return internal_error("[]", f"imagestreams {go_quote(self.stream.metadata.name)} is invalid: {texts}")

    @property
    def is_unknown(self) -> bool:
        """Whether all that is wrong is that something could not be found out."""
        return bool(self.problems) and all(problem.is_unknown for problem in self.problems)


def tag_questions(stream: StreamObject, old: StreamObject | None, user: User) -> Iterator[Question]:
    """What must be known to derive events: other streams that changed tags point to, and access to them."""
    for tag in _changed_tags(stream, old):
        found = _source_of(stream, tag)
        if found is None:
            continue
        namespace, name, _ = found
        if _needs_review(stream, tag):
            yield _review(user, namespace, name)
        if (namespace, name) != (stream.metadata.namespace, stream.metadata.name):
            yield Stream(namespace, name)


def derive(
    stream: StreamObject,
    old: StreamObject | None,
    answers: Answers,
    *,
    user: User,
    integrated_registry: str = "",
    tells_existence: bool = True,
) -> Derived:
    """``stream`` with the status it would get: that of ``old``, and events for changed spec tags.

    Args:
        old: None on creation; the status then begins empty.
        integrated_registry: host of the integrated registry; references into a source stream's repository there
            become references into this stream's.
        tells_existence: a tag that points where the user may not pull from is also told to be missing there.
    """
    derivation = _Derivation(stream, old, answers, integrated_registry)
    problems = list(_verify(stream, old, answers, user))
    for tag in _changed_tags(stream, old):
        if not tells_existence and _is_refused(stream, tag, answers, user):
            continue
        outcome = derivation.event_of(tag)
        if isinstance(outcome, Problem):
            problems.append(outcome)
        elif outcome is not None:
            derivation.own.add(tag.name, outcome)
    follow(stream, old, derivation.own.histories)
    return Derived(replace(stream, status_tags=derivation.own.histories), tuple(problems))


def with_event(items: tuple[Event, ...], event: Event) -> tuple[Event, ...]:
    """A tag's history with ``event``; one that shares image or reference with the newest replaces it.

    Rule: docs/spec/import-gate.md 6.2.1, without what has no part in validation (generations, times).
    """
    if items and (items[0].reference == event.reference or items[0].image == event.image):
        return (event, *items[1:])
    return (event, *items)


def is_changed(old: SpecTag | None, new: SpecTag, namespace: str) -> bool:
    """Whether events must be derived for a spec tag (docs/spec/import-gate.md 3.2, the last paragraph)."""
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


def _review(user: User, namespace: str, stream: str) -> Access:
    return Access(user, "get", IMAGE_GROUP, "imagestreams", "layers", namespace, stream)


def _verify(stream: StreamObject, old: StreamObject | None, answers: Answers, user: User) -> Iterator[Problem]:
    """May the user pull from the other projects that changed tags point to?"""
    refused: list[Problem] = []
    for tag in _changed_tags(stream, old):
        if tag.source is None or not _needs_review(stream, tag):
            continue
        path = f"spec.tags[{tag.name}].from"
        found = _source_of(stream, tag)
        if found is None:
            yield Problem(invalid(f"{path}.name", tag.source.name, _FORMS))
            continue
        namespace, name, _ = found
        answer = answers.get(_review(user, namespace, name))
        if not is_granted(answer):
            said = refusal(answer)
            text = f"{namespace}/{name}: {go_quote(said.reason)} {go_quote(said.evaluation_error)}"
            refused.append(Problem(forbidden(path, text), answer is None or isinstance(answer, Unknown)))
    yield from refused


def _is_refused(stream: StreamObject, tag: SpecTag, answers: Answers, user: User) -> bool:
    """Whether the tag points into a project whose streams the user is not known to be allowed to pull from."""
    found = _source_of(stream, tag)
    if found is None or not _needs_review(stream, tag):
        return False
    namespace, name, _ = found
    return not is_granted(answers.get(_review(user, namespace, name)))


class _Origin:
    """A stream that tags point to: its histories, and its images found by prefix without a walk through all."""

    def __init__(self, stream: StreamObject, histories: Histories) -> None:
        self.namespace, self.name = stream.metadata.namespace, stream.metadata.name
        self.histories = histories
        self._images: dict[str, Event] | None = None
        """Made when the first id is asked for."""
        self._prefixes: list[tuple[str, str]] = []
        """(what an id may be a prefix of, name of the image), sorted."""

    def add(self, tag: str, event: Event) -> None:
        """Put an event into the history of a tag."""
        self.histories[tag] = with_event(self.histories.get(tag, ()), event)
        if self._images is not None:
            if event.image not in self._images:
                for prefix in _prefixes_of(event.image):
                    insort(self._prefixes, prefix)
            self._images[event.image] = event

    def newest(self, kind: str, tag_or_id: str) -> Event | None:
        """The event that a tag or an id names.

        Raises:
            InvalidInput: no image, or more than one, has the id.
        """
        if kind == STREAM_TAG:
            items = self.histories.get(tag_or_id or DEFAULT_TAG, ())
            return items[0] if items else None
        if self._images is None:
            histories = (items for _, items in sorted(self.histories.items()))
            self._images = {event.image: event for items in histories for event in items}
            self._prefixes = sorted(prefix for image in self._images for prefix in _prefixes_of(image))
        matching = self._matching(tag_or_id)
        if len(matching) == 1:
            return self._images[matching[0]]
        if not matching:
            raise InvalidInput(api_status.not_found("imagestreamimage", tag_or_id).message)
        why = f"multiple images match the prefix {go_quote(tag_or_id)}: {', '.join(matching)}"
        raise InvalidInput(api_status.conflict("imagestreamimage", tag_or_id, why).message)

    def _matching(self, prefix: str) -> list[str]:
        """Names of images that have the prefix, sorted; of very many only the first few."""
        found: set[str] = set()
        for index in range(bisect_left(self._prefixes, (prefix, "")), len(self._prefixes)):
            text, image = self._prefixes[index]
            if not text.startswith(prefix) or len(found) == _MATCHES_LISTED:
                break
            found.add(image)
        return sorted(found)


def _prefixes_of(image: str) -> list[tuple[str, str]]:
    """What an id may be a prefix of to mean this image: its name, and the hex part of a digest."""
    found = [(image, image)]
    if is_digest(image):
        found.append((image.partition(":")[2], image))
    return found


class _Derivation:
    """Derives the events of one write; every other stream is read once."""

    def __init__(
        self, stream: StreamObject, old: StreamObject | None, answers: Answers, integrated_registry: str
    ) -> None:
        self._stream = stream
        self._answers = answers
        self._integrated_registry = integrated_registry
        self.own = _Origin(stream, dict(old.status_tags) if old is not None else {})
        self._others: dict[tuple[str, str], _Origin | _NoOrigin] = {}

    def event_of(self, tag: SpecTag) -> Event | Problem | None:
        """The event of a changed tag; None if it adds none."""
        source = tag.source or Source()
        if source.kind == DOCKER_IMAGE and source.name:
            return Event(source.name) if tag.reference else None
        path = f"spec.tags[{tag.name}].from.name"
        found = _source_of(self._stream, tag)
        if found is None:
            return Problem(invalid(path, source.name, _FORMS))
        namespace, name, tag_or_id = found
        origin = self._origin(namespace, name)
        if isinstance(origin, _NoOrigin):
            if origin.is_absent:
                return Problem(not_found(path, source.name))
            text = f"unable to retrieve image stream: {origin.why}"
            return Problem(invalid(path, source.name, text), origin.is_unknown)
        try:
            event = origin.newest(source.kind, tag_or_id)
        except InvalidInput as error:
            return Problem(invalid(path, source.name, f"error generating tag event: {error}"))
        if event is None or tag.reference:
            return event
        return _made_local(event, origin, self._stream, self._integrated_registry)

    def _origin(self, namespace: str, name: str) -> _Origin | _NoOrigin:
        key = (namespace, name)
        if key == (self.own.namespace, self.own.name):
            return self.own
        if key not in self._others:
            self._others[key] = _read_origin(self._answers.get(Stream(namespace, name)))
        return self._others[key]


class _NoOrigin(NamedTuple):
    """A stream that tags point to, and that is not to be had."""

    why: str = ""
    is_absent: bool = False
    is_unknown: bool = False


def _read_origin(answer: Lookup[Any] | None) -> _Origin | _NoOrigin:
    if isinstance(answer, Absent):
        return _NoOrigin(is_absent=True)
    if not isinstance(answer, Found):
        is_unknown = answer is None or isinstance(answer, Unknown)
        return _NoOrigin(answer.why if answer is not None else "not asked", is_unknown=is_unknown)
    try:
        stream = read_stream(answer.value)
    except InvalidInput as error:
        return _NoOrigin(str(error))
    return _Origin(stream, dict(stream.status_tags))


def _made_local(event: Event, origin: _Origin, stream: StreamObject, integrated_registry: str) -> Event:
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
    """Give tags that track a changed tag of the same stream its event, and those that track them in turn.

    Changes ``histories``, which are those of ``stream`` as far as they are known.
    """
    followers: dict[str, list[str]] = {}
    for name, tag in sorted(stream.spec_tags.items()):
        followed = _followed_tag(stream, tag)
        if followed is not None:
            followers.setdefault(followed, []).append(name)
    before: Mapping[str, tuple[Event, ...]] = old.status_tags if old is not None else {}
    waiting = deque(name for name in sorted(histories) if name in followers and _differs(histories, before, name))
    seen = set(waiting)
    while waiting:
        followed = waiting.popleft()
        for name in followers[followed]:
            histories[name] = with_event(histories.get(name, ()), histories[followed][0])
            if name in followers and name not in seen:
                seen.add(name)
                waiting.append(name)


def _differs(histories: Histories, before: Mapping[str, tuple[Event, ...]], name: str) -> bool:
    items, old_items = histories[name], before.get(name, ())
    return bool(items) and (not old_items or items[0] != old_items[0])


def _followed_tag(stream: StreamObject, tag: SpecTag) -> str | None:
    source = tag.source
    if source is None or source.kind != STREAM_TAG:
        return None
    if source.namespace and source.namespace != stream.metadata.namespace:
        return None
    name, colon, followed = source.name.partition(":")
    if not colon:
        return source.name
    return followed or DEFAULT_TAG if name == stream.metadata.name else None
