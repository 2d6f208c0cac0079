"""Writes that a request causes in the image API, as far as the import gate must check them.

The API server calls webhooks for the outer request only: the image stream that is written on behalf of an
ImageStreamTag, ImageTag, ImageStreamImport or ImageStreamMapping is not sent. So that stream is composed here, from
the stored one and the request. Rule: docs/spec/import-gate.md 3.3 and 3.4. Source: openshift-apiserver,
registry/imagestream, imagestreamtag, imagetag, imagestreamimport and imagestreammapping.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from imagegate.core.admission.lookup import Found, Unknown
from imagegate.core.admission.plugin import Answers, Question
from imagegate.core.admission.request import AdmissionRequest, User
from imagegate.core.image_streams.events import Derived, derive, tag_questions
from imagegate.core.image_streams.histories import add_event
from imagegate.core.image_streams.objects import (
    Event,
    MappingObject,
    Metadata,
    StreamObject,
    TagObject,
    read_image_tag,
    read_mapping,
    read_stream,
    read_stream_tag,
)
from imagegate.core.image_streams.questions import Image, Stream
from imagegate.core.image_streams.tracking import track
from imagegate.core.import_gate.findings import Finding
from imagegate.core.import_gate.gate import ImportGate
from imagegate.core.import_gate.import_write import ImportWrite
from imagegate.core.import_gate.validation import (
    split_tag_name,
    validate_image_tag,
    validate_image_tag_update,
    validate_mapping,
    validate_stream,
    validate_stream_status_update,
    validate_stream_tag,
    validate_stream_tag_update,
    validate_stream_update,
)
from imagegate.core.import_gate.write_parts import (
    NOT_IN_TIME,
    Unanswered,
    Verdict,
    Write,
    completed_metadata,
    new_stream,
    refusal_of,
    stored_stream,
)
from imagegate.core.references.openshift import ImageReference
from imagegate.errors import InvalidInput, InvalidReference

_MANAGED_ANNOTATION = "openshift.io/image.managed"


@dataclass(frozen=True, slots=True)
class StreamWrite:
    """An ImageStream that is created (``old`` is None) or updated."""

    stream: StreamObject
    old: StreamObject | None
    user: User
    sent_status: Mapping[str, tuple[Event, ...]] = field(default_factory=dict)
    """The status that came with the request. On an update it holds the events that the server derived."""
    now: str = ""
    """Time of new events, RFC 3339; empty where nothing is stored."""

    def questions(self, gate: ImportGate, answers: Answers) -> Iterable[Question]:  # noqa: ARG002
        """Streams that changed tags point to, and access to them."""
        return tag_questions(self.stream, self.old, self.user)

    def verdict(self, gate: ImportGate, answers: Answers) -> Verdict:
        """Validate the stream with the events derived from its changed tags."""
        return self.validate(gate, self.derive(gate, answers))

    def derive(self, gate: ImportGate, answers: Answers) -> Derived:
        """The stream with the events derived from its changed tags, as a store must write it."""
        return derive(
            self.stream,
            self.old,
            answers,
            user=self.user,
            now=self.now,
            integrated_registry=gate.integrated_registry,
            tells_existence=gate.behaviour.tells_existence,
        )

    def validate(self, gate: ImportGate, derived: Derived) -> Verdict:
        """The verdict on a result of ``derive``."""
        findings: list[Finding] = []
        if derived.error is not None:
            findings.append(Finding(derived.error, is_unknown=derived.is_unknown))
        stream = derived.stream
        if self.old is None:
            findings += validate_stream(gate, stream)
        else:
            histories = _with_sent(stream.status_tags, self.sent_status, self.old)
            findings += validate_stream_update(gate, replace(stream, status_tags=histories), self.old)
        return refusal_of("ImageStream", stream.metadata, findings)


@dataclass(frozen=True, slots=True)
class StatusWrite:
    """An update of ``imagestreams/status``. The server keeps the old spec."""

    stream: StreamObject
    old: StreamObject

    def questions(self, gate: ImportGate, answers: Answers) -> Iterable[Question]:  # noqa: ARG002
        """No look-ups."""
        return ()

    def verdict(self, gate: ImportGate, answers: Answers) -> Verdict:  # noqa: ARG002
        """Check references that are new in the status."""
        stream = replace(self.stream, spec_tags=self.old.spec_tags, repository=self.old.repository)
        return refusal_of("ImageStream", stream.metadata, validate_stream_status_update(gate, stream, self.old))


@dataclass(frozen=True, slots=True)
class TagWrite:
    """An ImageStreamTag or ImageTag, and the image stream behind it."""

    kind: str
    tag: TagObject
    old: TagObject | None
    user: User

    def questions(self, gate: ImportGate, answers: Answers) -> Iterable[Question]:
        """The image stream, then what its changed tag points to."""
        stream = self._stream
        if stream is None:
            return
        yield stream
        written = self._written(answers)
        if isinstance(written, StreamWrite):
            yield from written.questions(gate, answers)

    def verdict(self, gate: ImportGate, answers: Answers) -> Verdict:
        """The tag's own errors first; if there are none, those of the stream."""
        refusal = refusal_of(self.kind, self.tag.metadata, self._own_findings(gate))
        if refusal is not None or self._stream is None:
            return refusal
        written = self._written(answers)
        return written.verdict(gate, answers) if isinstance(written, StreamWrite) else written

    def _own_findings(self, gate: ImportGate) -> list[Finding]:
        if self.kind == "ImageTag":
            if self.old is None:
                return validate_image_tag(gate, self.tag)
            return validate_image_tag_update(gate, self.tag, self.old)
        if self.old is None:
            return validate_stream_tag(gate, self.tag)
        return validate_stream_tag_update(gate, self.tag, self.old)

    @property
    def _stream(self) -> Stream | None:
        name, _ = split_tag_name(self.tag.metadata.name)
        if not name or self.tag.tag is None:
            return None  # without a tag, annotations change or a tag is removed; the server refuses an empty name
        return Stream(self.tag.metadata.namespace, name)

    def _written(self, answers: Answers) -> StreamWrite | Unanswered | None:
        """The stream as it will be written; None if it is not known yet, or will not be written."""
        name, tag = split_tag_name(self.tag.metadata.name)
        stored = stored_stream(answers, Stream(self.tag.metadata.namespace, name))
        if isinstance(stored, Unanswered) or self.tag.tag is None:
            return stored if isinstance(stored, Unanswered) else None
        if self.old is None and stored is not None and tag in stored.spec_tags:
            return None  # the server answers 409
        stream = stored or new_stream(self.tag.metadata.namespace, name)
        tags = {**stream.spec_tags, tag: self.tag.tag._replace(name=tag)}
        metadata = replace(stream.metadata, generation=stream.metadata.generation + 1)  # as the server will set it
        return StreamWrite(replace(stream, metadata=metadata, spec_tags=tags), stored, self.user)


@dataclass(frozen=True, slots=True)
class MappingWrite:
    """An ImageStreamMapping: a pushed image becomes an event of a tag."""

    mapping: MappingObject

    @classmethod
    def of(cls, document: Mapping[str, Any], request: AdmissionRequest) -> MappingWrite:
        """Read the mapping that a request creates.

        Raises:
            InvalidInput: a field has the wrong type.
        """
        mapping = read_mapping(document)
        return cls(replace(mapping, metadata=completed_metadata(mapping.metadata, request)))

    def questions(self, gate: ImportGate, answers: Answers) -> Iterable[Question]:  # noqa: ARG002
        """The stream, and the image if it may exist already."""
        mapping = self.mapping
        yield Stream(mapping.metadata.namespace, mapping.metadata.name)
        if _is_managed(mapping.image):
            yield Image(mapping.image.name)

    def verdict(self, gate: ImportGate, answers: Answers) -> Verdict:
        """The mapping's own errors; then the stream's status with the new event."""
        mapping = self.mapping
        if not mapping.image_reference and gate.integrated_registry:
            own = ImageReference(
                gate.integrated_registry, mapping.metadata.namespace, mapping.metadata.name, id=mapping.image.name
            )
            mapping = replace(mapping, image_reference=own.exact)
        refusal = refusal_of("ImageStreamMapping", mapping.metadata, validate_mapping(mapping))
        if refusal is not None:
            return refusal
        stored = stored_stream(answers, Stream(mapping.metadata.namespace, mapping.metadata.name))
        if isinstance(stored, Unanswered) or stored is None:
            return stored  # without a stream the server answers 404
        reference = mapping.image_reference
        if _is_managed(mapping.image):
            known = answers.get(Image(mapping.image.name))
            if known is None or isinstance(known, Unknown):  # which reference is written depends on it
                return Unanswered(f"image {mapping.image.name}", NOT_IN_TIME if known is None else known.why)
            if isinstance(known, Found):
                reference = _local_reference(gate, stored, mapping.image.name) or reference
        histories = dict(stored.status_tags)
        event = Event(reference, mapping.image.name, stored.metadata.generation)
        before = histories.get(mapping.tag, ())
        histories[mapping.tag] = add_event(before, event)
        if histories[mapping.tag] is not before:
            track(stored, mapping.tag, event, histories)
        stream = replace(stored, status_tags=histories)
        return refusal_of("ImageStream", stream.metadata, validate_stream_status_update(gate, stream, stored))


def read_write(request: AdmissionRequest) -> Write:
    """The writes of a request.

    Raises:
        InvalidInput: the request has no object, an update has no old object, or a field has the wrong type.
    """
    document = request.object
    if document is None:
        raise InvalidInput("request.object: required")
    is_update = request.operation == "UPDATE"
    old = request.old_object
    if is_update and old is None:
        raise InvalidInput("request.oldObject: required for an update")
    resource = request.resource.resource
    if resource == "imagestreams":
        stream = read_stream(document)
        stream = replace(stream, metadata=completed_metadata(stream.metadata, request))
        old_stream = read_stream(old) if old is not None and is_update else None
        if request.sub_resource and old_stream is not None:
            return StatusWrite(stream, old_stream)
        return StreamWrite(stream, old_stream, request.user, stream.status_tags)
    if resource == "imagestreamtags":
        old_tag = read_stream_tag(old) if old is not None and is_update else None
        return TagWrite("ImageStreamTag", _prepared_tag(read_stream_tag(document), request), old_tag, request.user)
    if resource == "imagetags":
        old_tag = read_image_tag(old) if old is not None and is_update else None
        return TagWrite("ImageTag", _prepared_tag(read_image_tag(document), request), old_tag, request.user)
    if resource == "imagestreamimports":
        return ImportWrite.of(document, request)
    return MappingWrite.of(document, request)


def _prepared_tag(tag: TagObject, request: AdmissionRequest) -> TagObject:
    metadata = completed_metadata(tag.metadata, request)
    spec = tag.tag
    if request.operation == "CREATE" and spec is not None and not spec.name:
        spec = spec._replace(name=split_tag_name(metadata.name)[1])
    return replace(tag, metadata=metadata, tag=spec)


def _with_sent(
    histories: Mapping[str, tuple[Event, ...]], sent: Mapping[str, tuple[Event, ...]], old: StreamObject
) -> Mapping[str, tuple[Event, ...]]:
    """The derived histories, and the sent ones where these have references that are not in old or derived events.

    The server derives events before it calls the webhook, also for tags whose renewal is not visible here.
    """
    if sent == histories:
        return histories
    known = set(old.status_references)
    known.update(event.reference for items in histories.values() for event in items)
    extra = {tag: items for tag, items in sent.items() if any(event.reference not in known for event in items)}
    return {**histories, **extra} if extra else histories


def _is_managed(image: Metadata) -> bool:
    return image.annotations.get(_MANAGED_ANNOTATION) == "true"


def _local_reference(gate: ImportGate, stream: StreamObject, digest: str) -> str:
    """The image in the stream's own repository; empty if it has none."""
    metadata = stream.metadata
    if gate.integrated_registry:
        return ImageReference(gate.integrated_registry, metadata.namespace, metadata.name, id=digest).exact
    try:
        return replace(ImageReference.parse(stream.repository), id=digest).exact
    except InvalidReference:
        return ""
