"""The events that a write to an image stream adds to the histories of its tags.

Nobody can write the status of a stream through the stream itself: the API server empties it on creation, restores it
on update, and derives events from the spec tags that changed. The import gate validates the derived stream, and the
store writes the same object (``histories.with_histories``).
Rule: docs/spec/import-gate.md 3.2 and 6.2.1. Source: openshift-apiserver, registry/imagestream/strategy.go
(``TagVerifier``, ``tagsChanged``) and pkg/image/apiserver/internal/imageutil/helpers.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from imagegate.core.admission.access_review import Access, is_granted, refusal
from imagegate.core.admission.lookup import Unknown
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
)
from imagegate.core.image_streams.questions import Stream
from imagegate.core.image_streams.source_stream import SourceStream, SourceUnavailable, made_local, read_source
from imagegate.core.image_streams.tracking import follow, tracked_tag
from imagegate.core.kube.field_errors import FieldError, aggregate, forbidden, internal_error, invalid, not_found
from imagegate.core.kube.go_quote import go_quote
from imagegate.core.kube.status import IMAGE_GROUP
from imagegate.core.references.openshift import DEFAULT_TAG
from imagegate.errors import InvalidInput

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
            name = tracked_tag(stream, changed[name])
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
        return event if tag.reference else made_local(event, origin, self._stream, self._integrated_registry)

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
            self._others[key] = read_source(self._answers.get(Stream(namespace, name)))
        return self._others[key]
