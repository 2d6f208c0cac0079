"""Validation of image-stream objects: the import gate and all checks whose errors are reported with it.

Rule: docs/spec/import-gate.md 3, 3.1, 3.3 and 4. Source: openshift-apiserver,
pkg/image/apis/image/validation/validation.go and registry/imagestreamimport/strategy.go. Where the original iterates
over a map, in random order, errors are sorted by the tag's name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from imagegate.core.image_streams.metadata_validation import (
    namespace_name_errors,
    path_segment_errors,
    validate_metadata,
    validate_metadata_update,
)
from imagegate.core.image_streams.objects import (
    DOCKER_IMAGE,
    STREAM_IMAGE,
    STREAM_TAG,
    MappingObject,
    Metadata,
    SpecTag,
    StreamObject,
    TagObject,
)
from imagegate.core.import_gate.behaviour import Grandfather
from imagegate.core.import_gate.findings import (
    Finding,
    import_mode_errors,
    reference_errors,
    stream_name_errors,
    without_refusal,
)
from imagegate.core.import_gate.gate import ImportGate, canonical_repositories
from imagegate.core.import_gate.transport import Transport
from imagegate.core.kube.field_errors import forbidden, invalid, required
from imagegate.core.references.openshift import DEFAULT_TAG, NAME_MAX_LENGTH, ImageReference
from imagegate.errors import InvalidReference

_REFERENCE_POLICIES = ("Source", "Local")
_KINDS_TEXT = "valid values are 'DockerImage', 'ImageStreamImage', 'ImageStreamTag'"
_CHANGEABLE = ("annotations", "generation")
"""Metadata fields of an ImageStreamTag that an update may have; the generation is the server's whatever is sent."""
_NOT_COMPARED = frozenset({"selfLink"})
"""Metadata fields that users cannot change. Owners of fields are compared, as in the original."""


@dataclass(frozen=True, slots=True)
class Inherited:
    """References of the old object that stay allowed although the list may no longer allow them."""

    repositories: frozenset[str] = frozenset()
    """Canonical repositories."""
    texts: frozenset[str] = frozenset()
    """Whole references, which need no further check."""


NOTHING_INHERITED = Inherited()


def inherited(gate: ImportGate, references: Iterable[str]) -> Inherited:
    """References that stay allowed because the old object has these (docs/spec/import-gate.md 4)."""
    if gate.allows_all or gate.behaviour.grandfather is Grandfather.NONE:
        return NOTHING_INHERITED
    repositories = canonical_repositories(frozenset(references))
    texts = frozenset(repositories)
    if gate.behaviour.grandfather is Grandfather.EXACT:
        return Inherited(texts=texts)
    return Inherited(frozenset(repositories.values()), texts)


def validate_stream(gate: ImportGate, stream: StreamObject, inherited: Inherited = NOTHING_INHERITED) -> list[Finding]:
    """Errors of a new ImageStream, with the status it will have."""
    metadata = stream.metadata
    findings = without_refusal(validate_metadata(metadata, stream_name_errors, namespaced=True, path="metadata"))
    if len(f"{metadata.namespace}/{metadata.name}".encode("utf-8", "surrogatepass")) > NAME_MAX_LENGTH:
        text = f"'namespace/name' cannot be longer than {NAME_MAX_LENGTH} characters"
        findings.append(Finding(invalid("metadata.name", metadata.name, text)))
    if stream.repository:
        findings += _validate_repository(gate, stream, inherited)
    for name, tag in sorted(stream.spec_tags.items()):
        findings += validate_spec_tag(gate, tag, f"spec.tags[{name}]", metadata.is_insecure, inherited)
    for name, items in sorted(stream.status_tags.items()):
        transport = _transport_of(_is_insecure(stream, name))
        for index, event in enumerate(items):
            path = f"status.tags[{name}].items[{index}].dockerImageReference"
            if event.reference:
                findings += _check_image(gate, event.reference, path, transport, inherited)
            else:
                findings.append(Finding(required(path)))
    return findings


def validate_stream_update(gate: ImportGate, stream: StreamObject, old: StreamObject) -> list[Finding]:
    """Errors of an update of an ImageStream, also of the write at the end of an import."""
    references = [*old.spec_references, *old.status_references]
    return [
        *_metadata_update(stream.metadata, old.metadata),
        *validate_stream(gate, stream, inherited(gate, references)),
    ]


def validate_stream_status_update(gate: ImportGate, stream: StreamObject, old: StreamObject) -> list[Finding]:
    """Errors of an update of ``imagestreams/status``: only references that are not in the old status are checked."""
    findings = _metadata_update(stream.metadata, old.metadata)
    known = frozenset(old.status_references)
    places: list[tuple[str, str, bool]] = [
        (event.reference, f"status.tags[{name}].items[{index}].dockerImageReference", _is_insecure(stream, name))
        for name, items in sorted(stream.status_tags.items())
        for index, event in enumerate(items)
        if event.reference not in known
    ]
    insecure = {reference for reference, _, is_insecure in places if is_insecure}
    for reference, path, _ in places:
        findings += _check_image(gate, reference, path, _transport_of(reference in insecure), NOTHING_INHERITED)
    return findings


def validate_stream_tag(gate: ImportGate, tag: TagObject) -> list[Finding]:
    """Errors of a new ImageStreamTag."""
    findings = without_refusal(validate_metadata(tag.metadata, path_segment_errors, namespaced=True, path="metadata"))
    return [*findings, *_validate_stream_tag_spec(gate, tag, NOTHING_INHERITED)]


def validate_stream_tag_update(gate: ImportGate, tag: TagObject, old: TagObject) -> list[Finding]:
    """Errors of an update of an ImageStreamTag: only annotations and ``tag`` may change."""
    findings = without_refusal(validate_metadata_update(tag.metadata, old.metadata))
    findings += _validate_stream_tag_spec(gate, tag, _inherited_from_tag(gate, old))
    if _fixed_part(tag.raw) != _fixed_part(old.raw):
        findings.append(Finding(invalid("metadata", "", "may not update fields other than metadata.annotations")))
    return findings


def validate_image_tag(gate: ImportGate, tag: TagObject) -> list[Finding]:
    """Errors of a new ImageTag."""
    findings = without_refusal(validate_metadata(tag.metadata, path_segment_errors, namespaced=True, path="metadata"))
    if tag.tag is None:
        findings.append(Finding(required("spec", "spec is a required field during creation")))
        return findings
    return [*findings, *_validate_image_tag_spec(gate, tag, tag.tag, NOTHING_INHERITED)]


def validate_image_tag_update(gate: ImportGate, tag: TagObject, old: TagObject) -> list[Finding]:
    """Errors of an update of an ImageTag: only ``spec`` may change; without one the spec tag is removed."""
    findings = without_refusal(validate_metadata_update(tag.metadata, old.metadata))
    if tag.tag is not None:
        findings += _validate_image_tag_spec(gate, tag, tag.tag, _inherited_from_tag(gate, old))
    if _metadata_part(tag.raw) != _metadata_part(old.raw):
        findings.append(Finding(invalid("metadata", "", "may not update fields other than spec")))
    if _without_empty(tag.raw.get("status")) != _without_empty(old.raw.get("status")):
        findings.append(Finding(invalid("status", "", "may not update fields other than spec")))
    return findings


def validate_mapping(mapping: MappingObject) -> list[Finding]:
    """Errors of an ImageStreamMapping. The list is checked later, when the stream's status is updated."""
    errors = validate_metadata(mapping.metadata, path_segment_errors, namespaced=True, path="metadata")
    if mapping.repository:
        errors += reference_errors("dockerImageRepository", mapping.repository)
    elif not mapping.metadata.name:
        errors += [required("name"), required("dockerImageRepository")]
    namespace = mapping.metadata.namespace
    wrong = namespace_name_errors(namespace)
    if wrong:
        errors.append(invalid("metadata.namespace", namespace, ", ".join(wrong)))
    if not mapping.tag:
        errors.append(required("tag"))
    errors += validate_metadata(mapping.image, path_segment_errors, namespaced=False, path="image.metadata")
    if mapping.image_reference:
        errors += reference_errors("image.dockerImageReference", mapping.image_reference)
    else:
        errors.append(required("image.dockerImageReference"))
    return without_refusal(errors)


def validate_spec_tag(
    gate: ImportGate, tag: SpecTag, path: str, is_insecure: bool, inherited: Inherited
) -> list[Finding]:
    """Errors of a ``TagReference`` at ``path``; ``is_insecure`` is the annotation of its object."""
    findings: list[Finding] = []
    source = tag.source
    if source is not None:
        if not source.name:
            findings.append(Finding(required(f"{path}.from.name")))
        if source.kind == DOCKER_IMAGE:
            transport = _transport_of(tag.import_policy.insecure or is_insecure)
            if source.name:
                findings += _check_image(gate, source.name, f"{path}.from.name", transport, inherited)
            elif gate.behaviour.gates_missing_name:
                findings += _check_list(gate, "", ImageReference(), f"{path}.from.name", transport, inherited)
        elif source.kind not in (STREAM_TAG, STREAM_IMAGE):
            findings.append(Finding(required(f"{path}.from.kind", _KINDS_TEXT)))
        elif tag.import_policy.scheduled:
            text = "only tags pointing to Docker repositories may be scheduled for background import"
            findings.append(Finding(invalid(f"{path}.importPolicy.scheduled", True, text)))
    if tag.reference_policy not in _REFERENCE_POLICIES:
        text = 'valid values are "Source", "Local"'
        findings.append(Finding(invalid(f"{path}.referencePolicy.type", tag.reference_policy, text)))
    return [*findings, *without_refusal(import_mode_errors(tag.import_policy, f"{path}.importPolicy"))]


def _validate_repository(gate: ImportGate, stream: StreamObject, inherited: Inherited) -> list[Finding]:
    path, text = "spec.dockerImageRepository", stream.repository
    errors = reference_errors(path, text)
    if not errors:
        reference = ImageReference.parse(text)
        if reference.tag:
            errors.append(invalid(path, text, "the repository name may not contain a tag"))
        if reference.id:
            errors.append(invalid(path, text, "the repository name may not contain an ID"))
    if errors:
        return without_refusal(errors)
    return _check_image(gate, text, path, _transport_of(stream.metadata.is_insecure), inherited)


def _validate_stream_tag_spec(gate: ImportGate, tag: TagObject, inherited: Inherited) -> list[Finding]:
    if tag.tag is None:
        return []
    findings = validate_spec_tag(gate, tag.tag, "tag", tag.metadata.is_insecure, inherited)
    annotations = tag.tag.annotations
    if annotations is not None and dict(annotations) != dict(tag.metadata.annotations):
        text = "tag annotations must not be provided or must be equal to the object meta annotations"
        findings.append(Finding(invalid("tag.annotations", "<map>", text)))
    return findings


def _validate_image_tag_spec(gate: ImportGate, tag: TagObject, spec: SpecTag, inherited: Inherited) -> list[Finding]:
    findings: list[Finding] = []
    _, wanted = split_tag_name(tag.metadata.name)
    if not wanted or spec.name != wanted:
        findings.append(Finding(invalid("spec.name", spec.name, "must match image tag name")))
    return [*findings, *validate_spec_tag(gate, spec, "spec", tag.metadata.is_insecure, inherited)]


def split_tag_name(name: str) -> tuple[str, str]:
    """Stream and tag of ``STREAM:TAG``: split at the first colon, an empty tag is ``latest``.

    Two empty strings without a colon. Less strict than the name by which an ImageStreamTag is read
    (``stream.split_stream_tag``), as in the original.
    """
    stream, colon, tag = name.partition(":")
    return (stream, tag or DEFAULT_TAG) if colon else ("", "")


def _inherited_from_tag(gate: ImportGate, old: TagObject) -> Inherited:
    source = old.tag.source if old.tag is not None else None
    if source is None or source.kind != DOCKER_IMAGE:
        return NOTHING_INHERITED
    return inherited(gate, [source.name])


def _check_image(gate: ImportGate, text: str, path: str, transport: Transport, inherited: Inherited) -> list[Finding]:
    """Errors of ``text`` as a reference that the list must allow."""
    if text in inherited.texts:
        return []
    try:
        reference = ImageReference.parse(text)
    except InvalidReference as error:
        return [Finding(invalid(path, text, str(error)), text)]
    return _check_list(gate, text, reference, path, transport, inherited)


def _check_list(
    gate: ImportGate, text: str, reference: ImageReference, path: str, transport: Transport, inherited: Inherited
) -> list[Finding]:
    admission = gate.admit_at(path, reference, transport, repositories=inherited.repositories)
    return [] if admission.allowed else [Finding(forbidden(path, admission.error), text, True, hint=admission.hint)]


def _is_insecure(stream: StreamObject, tag: str) -> bool:
    spec_tag = stream.spec_tags.get(tag)
    return stream.metadata.is_insecure or (spec_tag is not None and spec_tag.import_policy.insecure)


def _transport_of(insecure: bool) -> Transport:
    return Transport.ANY if insecure else Transport.SECURE


def _metadata_update(new: Metadata, old: Metadata) -> list[Finding]:
    """No errors if the metadata is the stored object's own: the write is composed here, and files have no version."""
    return [] if new is old else without_refusal(validate_metadata_update(new, old))


def _fixed_part(raw: Mapping[str, Any]) -> Any:
    """The parts of an ImageStreamTag that an update may not change."""
    metadata = {key: value for key, value in (raw.get("metadata") or {}).items() if key not in _CHANGEABLE}
    return _without_empty([_without_bookkeeping(metadata), raw.get("image"), raw.get("conditions")])


def _metadata_part(raw: Mapping[str, Any]) -> Any:
    return _without_empty(_without_bookkeeping(raw.get("metadata") or {}))


def _without_bookkeeping(metadata: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in metadata.items() if key not in _NOT_COMPARED}


def _without_empty(value: Any) -> Any:
    """The value without what Go omits: null, false, zero, empty strings, lists and objects."""
    if isinstance(value, Mapping):
        kept = {key: _without_empty(item) for key, item in value.items()}
        return {key: item for key, item in kept.items() if item is not None} or None
    if isinstance(value, list):
        return [_without_empty(item) for item in value] or None
    return value or None
