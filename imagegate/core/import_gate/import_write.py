"""An ImageStreamImport, and the image stream that it writes if everything is found.

Rule: docs/spec/import-gate.md 3.3. Source: openshift-apiserver, registry/imagestreamimport.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from imagegate.core.admission.access_review import Access, is_granted
from imagegate.core.admission.lookup import Found
from imagegate.core.admission.plugin import Answers, Question
from imagegate.core.admission.request import AdmissionRequest
from imagegate.core.image_streams.histories import add_event
from imagegate.core.image_streams.objects import (
    DOCKER_IMAGE,
    Event,
    ImportObject,
    ImportSource,
    Source,
    SpecTag,
    StreamObject,
    read_import,
)
from imagegate.core.image_streams.questions import Stream
from imagegate.core.image_streams.tracking import follow
from imagegate.core.import_gate.gate import ImportGate
from imagegate.core.import_gate.import_validation import validate_import, validate_import_registries
from imagegate.core.import_gate.validation import validate_stream, validate_stream_update
from imagegate.core.import_gate.write_parts import (
    Unanswered,
    Verdict,
    completed_metadata,
    new_stream,
    refusal_of,
    stored_stream,
)
from imagegate.core.kube.status import IMAGE_GROUP
from imagegate.core.references.openshift import ImageReference
from imagegate.errors import InvalidReference

EVERY_TAG = "*"
"""Represents the tags of a repository import, which are not known before they are listed."""


@dataclass(frozen=True, slots=True)
class ImportWrite:
    """An ImageStreamImport, and the image stream that it creates or updates."""

    import_: ImportObject
    request: AdmissionRequest

    @classmethod
    def of(cls, document: Mapping[str, Any], request: AdmissionRequest) -> ImportWrite:
        """Read the import that a request creates.

        Raises:
            InvalidInput: a field has the wrong type.
        """
        import_ = read_import(document)
        return cls(replace(import_, metadata=completed_metadata(import_.metadata, request)), request)

    def questions(self, gate: ImportGate, answers: Answers) -> Iterable[Question]:  # noqa: ARG002
        """The user's privileges, where they matter, and the stream."""
        import_ = self.import_
        if validate_import_registries(gate, import_):
            yield from self._access_reviews(gate)
        if import_.does_import:
            yield Stream(import_.metadata.namespace, import_.metadata.name)

    def verdict(self, gate: ImportGate, answers: Answers) -> Verdict:
        """The import's own errors; then its registries, for users without privileges; then the stream's."""
        import_ = self.import_
        metadata = import_.metadata
        refusal = refusal_of("ImageStreamImport", metadata, validate_import(gate, import_))
        if refusal is not None:
            return refusal
        findings = validate_import_registries(gate, import_)
        if findings:
            reviews = [answers.get(review) for review in self._access_reviews(gate)]
            if not any(is_granted(answer) for answer in reviews):
                unknown = any(not isinstance(answer, Found) for answer in reviews)
                return refusal_of(
                    "ImageStreamImport", metadata, [finding._replace(is_unknown=unknown) for finding in findings]
                )
            if gate.behaviour.bypass_is_full:
                return None
        if not import_.does_import:
            return None
        stored = stored_stream(answers, Stream(metadata.namespace, metadata.name))
        if isinstance(stored, Unanswered):
            return stored
        stream = _imported_stream(
            stored or new_stream(metadata.namespace, metadata.name), stored, _import_targets(import_)
        )
        if stored is None:
            return refusal_of("ImageStream", stream.metadata, validate_stream(gate, stream))
        return refusal_of("ImageStream", stream.metadata, validate_stream_update(gate, stream, stored))

    def _access_reviews(self, gate: ImportGate) -> list[Access]:
        """The rights that let a user import from anywhere (docs/spec/import-gate.md 3.3 step 1)."""
        user = self.request.user
        reviews = [
            Access(user, "create", IMAGE_GROUP, "images"),
            Access(user, "create", IMAGE_GROUP, "imagestreammapping"),
        ]
        if gate.behaviour.reviews_mappings:
            reviews.append(Access(user, "create", IMAGE_GROUP, "imagestreammappings", namespace=self.request.namespace))
        return reviews


class _Target(NamedTuple):
    """A tag that an import writes."""

    tag: str
    entry: ImportSource


def _import_targets(import_: ImportObject) -> Iterator[_Target]:
    """Tags in the order in which an import writes them; images without a target are fetched and not stored."""
    if import_.repository is not None:
        yield _Target(EVERY_TAG, import_.repository)
    for image in import_.images:
        if image.to:
            yield _Target(image.to, image)


def _imported_stream(stream: StreamObject, old: StreamObject | None, targets: Iterable[_Target]) -> StreamObject:
    """The stream as an import writes it if everything is found. The digest is not known, its repository is."""
    tags, histories = dict(stream.spec_tags), dict(stream.status_tags)
    for name, entry in targets:
        before = tags.get(name)
        policy = before.reference_policy if before is not None else entry.reference_policy
        tags[name] = SpecTag(
            name,
            Source(DOCKER_IMAGE, entry.source.name),
            import_policy=entry.import_policy,
            reference_policy=policy,
            annotations=before.annotations if before is not None else None,
        )
        event = Event(_repository_of(entry.source.name), f"to be imported from {entry.source.name}")
        histories[name] = add_event(histories.get(name, ()), event)
    written = replace(stream, spec_tags=tags)
    follow(written, old, histories)
    return replace(written, status_tags=histories)


def _repository_of(text: str) -> str:
    try:
        return ImageReference.parse(text).as_repository().exact or text
    except InvalidReference:
        return text
