"""What the import gate reads of ImageStream, ImageStreamTag, ImageTag, -Mapping and -Import objects.

Untrusted JSON in, values out, with the defaults of image.openshift.io/v1. Fields not named here are ignored, as
Kubernetes objects grow; a field of the wrong type is refused, as the API server's decoder does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from imagegate.core.reference import ImageReference
from imagegate.errors import InvalidInput, InvalidReference

INSECURE_ANNOTATION = "openshift.io/image.insecureRepository"
DOCKER_IMAGE = "DockerImage"
STREAM_TAG = "ImageStreamTag"
STREAM_IMAGE = "ImageStreamImage"


class Source(NamedTuple):
    """A ``from``: an ObjectReference."""

    kind: str = ""
    name: str = ""
    namespace: str = ""


class ImportPolicy(NamedTuple):
    """A ``TagImportPolicy``."""

    insecure: bool = False
    scheduled: bool = False
    import_mode: str = "Legacy"


class SpecTag(NamedTuple):
    """A ``TagReference``."""

    name: str
    source: Source | None = None
    reference: bool = False
    generation: int | None = None
    import_policy: ImportPolicy = ImportPolicy()
    reference_policy: str = "Source"
    annotations: Mapping[str, str] | None = None


class Event(NamedTuple):
    """What the gate needs of a ``TagEvent``."""

    reference: str
    image: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """An ObjectMeta: the fields in use, and the whole as it was sent."""

    name: str = ""
    namespace: str = ""
    annotations: Mapping[str, str]
    raw: Mapping[str, Any]

    @property
    def is_insecure(self) -> bool:
        """Whether the annotation allows insecure transport for the whole object."""
        return self.annotations.get(INSECURE_ANNOTATION) == "true"


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamObject:
    """An ImageStream. Tags are maps as they are inside the original: the last of two tags of one name counts."""

    metadata: Metadata
    repository: str = ""
    """``spec.dockerImageRepository``"""
    spec_tags: Mapping[str, SpecTag]
    status_tags: Mapping[str, tuple[Event, ...]]
    """Newest event first."""

    @property
    def status_references(self) -> Iterator[str]:
        """The reference of every event."""
        return (event.reference for items in self.status_tags.values() for event in items)

    @property
    def spec_references(self) -> Iterator[str]:
        """``spec.dockerImageRepository`` and the source of every tag that is a DockerImage."""
        if self.repository:
            yield self.repository
        for tag in self.spec_tags.values():
            if tag.source is not None and tag.source.kind == DOCKER_IMAGE:
                yield tag.source.name


@dataclass(frozen=True, slots=True, kw_only=True)
class TagObject:
    """An ImageStreamTag (``tag``) or an ImageTag (``spec``)."""

    metadata: Metadata
    tag: SpecTag | None
    raw: Mapping[str, Any]


class ImportSource(NamedTuple):
    """An entry of ``spec.images``, or ``spec.repository``, of an ImageStreamImport."""

    source: Source
    import_policy: ImportPolicy
    reference_policy: str
    to: str | None
    """Name of the target tag; None where none is given and the source has no tag."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportObject:
    """An ImageStreamImport."""

    metadata: Metadata
    does_import: bool
    """``spec.import``: false is a dry run of the import."""
    images: tuple[ImportSource, ...]
    repository: ImportSource | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingObject:
    """An ImageStreamMapping."""

    metadata: Metadata
    repository: str
    tag: str
    image: Metadata
    image_reference: str


def read_stream(document: Mapping[str, Any]) -> StreamObject:
    """An ImageStream.

    Raises:
        InvalidInput: a field has the wrong type; the text begins with its path.
    """
    spec, status = _object(document, "spec", ""), _object(document, "status", "")
    tags = (_spec_tag(tag, at) for tag, at in _each(spec, "tags", "spec"))
    histories = (_history(tag, at) for tag, at in _each(status, "tags", "status"))
    return StreamObject(
        metadata=read_metadata(document),
        repository=_text(spec, "dockerImageRepository", "spec"),
        spec_tags={tag.name: tag for tag in tags},
        status_tags=dict(histories),
    )


def read_stream_tag(document: Mapping[str, Any]) -> TagObject:
    """An ImageStreamTag.

    Raises:
        InvalidInput: a field has the wrong type.
    """
    return _tag_object(document, "tag")


def read_image_tag(document: Mapping[str, Any]) -> TagObject:
    """An ImageTag.

    Raises:
        InvalidInput: a field has the wrong type.
    """
    return _tag_object(document, "spec")


def read_import(document: Mapping[str, Any]) -> ImportObject:
    """An ImageStreamImport.

    Raises:
        InvalidInput: a field has the wrong type.
    """
    spec = _object(document, "spec", "")
    repository = None
    if spec.get("repository") is not None:
        repository = _import_source(_object(spec, "repository", "spec"), "spec.repository")
    return ImportObject(
        metadata=read_metadata(document),
        does_import=_flag(spec, "import", "spec"),
        images=tuple(_import_source(image, at) for image, at in _each(spec, "images", "spec")),
        repository=repository,
    )


def read_mapping(document: Mapping[str, Any]) -> MappingObject:
    """An ImageStreamMapping.

    Raises:
        InvalidInput: a field has the wrong type.
    """
    image = _object(document, "image", "")
    return MappingObject(
        metadata=read_metadata(document),
        repository=_text(document, "dockerImageRepository", ""),
        tag=_text(document, "tag", ""),
        image=read_metadata(image, "image"),
        image_reference=_text(image, "dockerImageReference", "image"),
    )


def read_metadata(document: Mapping[str, Any], path: str = "") -> Metadata:
    """The ``metadata`` of an object.

    Raises:
        InvalidInput: a field has the wrong type.
    """
    raw = _object(document, "metadata", path)
    at = _join(path, "metadata")
    return Metadata(
        name=_text(raw, "name", at),
        namespace=_text(raw, "namespace", at),
        annotations=_texts(raw, "annotations", at) or {},
        raw=raw,
    )


def _tag_object(document: Mapping[str, Any], field: str) -> TagObject:
    tag = None
    if document.get(field) is not None:
        tag = _spec_tag(_object(document, field, ""), field)
    return TagObject(metadata=read_metadata(document), tag=tag, raw=document)


def _spec_tag(tag: Mapping[str, Any], at: str) -> SpecTag:
    source = None
    if tag.get("from") is not None:
        source = _source(tag, at)
    return SpecTag(
        name=_text(tag, "name", at),
        source=source,
        reference=_flag(tag, "reference", at),
        generation=_number(tag, "generation", at),
        import_policy=_import_policy(tag, at),
        reference_policy=_reference_policy(tag, at),
        annotations=_texts(tag, "annotations", at),
    )


def _history(tag: Mapping[str, Any], at: str) -> tuple[str, tuple[Event, ...]]:
    items = tuple(
        Event(_text(item, "dockerImageReference", where), _text(item, "image", where))
        for item, where in _each(tag, "items", at)
    )
    return _text(tag, "tag", at), items


def _import_source(entry: Mapping[str, Any], at: str) -> ImportSource:
    source = _source(entry, at)
    to: str | None = None
    if entry.get("to") is not None:
        to = _text(_object(entry, "to", at), "name", _join(at, "to"))
    else:
        to = _tag_of(source.name)
    return ImportSource(source, _import_policy(entry, at), _reference_policy(entry, at), to)


def _tag_of(name: str) -> str | None:
    try:
        return ImageReference.parse(name).tag or None
    except InvalidReference:
        return None


def _source(parent: Mapping[str, Any], at: str) -> Source:
    source, at = _object(parent, "from", at), _join(at, "from")
    return Source(_text(source, "kind", at), _text(source, "name", at), _text(source, "namespace", at))


def _import_policy(parent: Mapping[str, Any], at: str) -> ImportPolicy:
    policy, at = _object(parent, "importPolicy", at), _join(at, "importPolicy")
    if not policy:
        return _DEFAULT_IMPORT_POLICY
    return ImportPolicy(
        _flag(policy, "insecure", at), _flag(policy, "scheduled", at), _text(policy, "importMode", at) or "Legacy"
    )


_DEFAULT_IMPORT_POLICY = ImportPolicy()


def _reference_policy(parent: Mapping[str, Any], at: str) -> str:
    policy = _object(parent, "referencePolicy", at)
    return _text(policy, "type", _join(at, "referencePolicy")) or "Source"


def _object(parent: Mapping[str, Any], key: str, path: str) -> Mapping[str, Any]:
    value = parent.get(key)
    if value is None:
        return _NOTHING
    if not isinstance(value, Mapping):
        raise _wrong_type(_join(path, key), "an object", value)
    return value


_NOTHING: Mapping[str, Any] = {}


def _each(parent: Mapping[str, Any], key: str, path: str) -> Iterator[tuple[Mapping[str, Any], str]]:
    """The objects of a list, each with its path; null entries are empty objects, as in Go."""
    value = parent.get(key)
    if value is None:
        return
    at = _join(path, key)
    if not isinstance(value, list):
        raise _wrong_type(at, "a list", value)
    for index, entry in enumerate(value):
        if entry is not None and not isinstance(entry, Mapping):
            raise _wrong_type(f"{at}[{index}]", "an object", entry)
        yield entry or _NOTHING, f"{at}[{index}]"


def _text(parent: Mapping[str, Any], key: str, path: str) -> str:
    value = parent.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _wrong_type(_join(path, key), "a string", value)
    return value


def _flag(parent: Mapping[str, Any], key: str, path: str) -> bool:
    value = parent.get(key)
    if value is None:
        return False
    if not isinstance(value, bool):
        raise _wrong_type(_join(path, key), "true or false", value)
    return value


def _number(parent: Mapping[str, Any], key: str, path: str) -> int | None:
    value = parent.get(key)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool):
        raise _wrong_type(_join(path, key), "an integer", value)
    return value


def _texts(parent: Mapping[str, Any], key: str, path: str) -> Mapping[str, str] | None:
    value = parent.get(key)
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise _wrong_type(_join(path, key), "an object", value)
    for name, text in value.items():
        if text is not None and not isinstance(text, str):
            raise _wrong_type(f"{_join(path, key)}[{name}]", "a string", text)
    return {name: text or "" for name, text in value.items()}


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _wrong_type(path: str, expected: str, value: object) -> InvalidInput:
    return InvalidInput(f"{path}: expected {expected}, got {value!r:.80}")
