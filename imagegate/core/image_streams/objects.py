"""Typed values of ImageStream, ImageStreamTag, ImageTag, ImageStreamMapping and ImageStreamImport objects.

Untrusted JSON in, values out, with the defaults of image.openshift.io/v1. Fields not named here are ignored, as
Kubernetes objects grow; a field of the wrong type is refused, as the API server's decoder does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeVar

from imagegate.core.references.openshift import ImageReference
from imagegate.errors import InvalidInput, InvalidReference

T = TypeVar("T")

INSECURE_ANNOTATION = "openshift.io/image.insecureRepository"
DOCKER_IMAGE = "DockerImage"
STREAM_TAG = "ImageStreamTag"
STREAM_IMAGE = "ImageStreamImage"
LEGACY = "Legacy"


class Source(NamedTuple):
    """A ``from``: an ObjectReference."""

    kind: str = ""
    name: str = ""
    namespace: str = ""


class ImportPolicy(NamedTuple):
    """A ``TagImportPolicy``."""

    insecure: bool = False
    scheduled: bool = False
    import_mode: str = LEGACY


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
    """A ``TagEvent``."""

    reference: str
    """``dockerImageReference``"""
    image: str = ""
    generation: int = 0
    created: str = ""
    """RFC 3339, as it was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """An ObjectMeta: the fields in use, and the whole object as it was sent."""

    name: str = ""
    namespace: str = ""
    annotations: Mapping[str, str]
    generation: int = 0
    raw: Mapping[str, Any]

    @property
    def is_insecure(self) -> bool:
        """True if the annotation allows insecure transport for the whole object."""
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
        InvalidInput: a field has the wrong type; the message begins with its path.
    """
    spec, status = _object(document, "spec"), _object(document, "status")
    with _within("spec"):
        tags = _list_of(spec, "tags", read_spec_tag)
        repository = _string(spec, "dockerImageRepository")
    with _within("status"):
        histories = _list_of(status, "tags", _history)
    return StreamObject(
        metadata=_metadata(document),
        repository=repository,
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


def read_import(document: Mapping[str, Any], *, import_mode: str = LEGACY) -> ImportObject:
    """An ImageStreamImport; ``import_mode`` is used where the document sets none.

    Raises:
        InvalidInput: a field has the wrong type.
    """
    spec = _object(document, "spec")
    with _within("spec"):
        repository = None
        if spec.get("repository") is not None:
            entry = _object(spec, "repository")
            with _within("repository"):
                repository = _import_source(entry, import_mode)
        images = _list_of(spec, "images", lambda entry: _import_source(entry, import_mode))
        does_import = _boolean(spec, "import")
    return ImportObject(
        metadata=_metadata(document), does_import=does_import, images=tuple(images), repository=repository
    )


def read_mapping(document: Mapping[str, Any]) -> MappingObject:
    """An ImageStreamMapping.

    Raises:
        InvalidInput: a field has the wrong type.
    """
    image = _object(document, "image")
    with _within("image"):
        image_metadata = _metadata(image)
        reference = _string(image, "dockerImageReference")
    return MappingObject(
        metadata=_metadata(document),
        repository=_string(document, "dockerImageRepository"),
        tag=_string(document, "tag"),
        image=image_metadata,
        image_reference=reference,
    )


def _metadata(document: Mapping[str, Any]) -> Metadata:
    raw = _object(document, "metadata")
    with _within("metadata"):
        return Metadata(
            name=_string(raw, "name"),
            namespace=_string(raw, "namespace"),
            annotations=_strings(raw, "annotations") or {},
            generation=_integer(raw, "generation") or 0,
            raw=raw,
        )


def _tag_object(document: Mapping[str, Any], field: str) -> TagObject:
    tag = None
    if document.get(field) is not None:
        found = _object(document, field)
        with _within(field):
            tag = read_spec_tag(found)
    return TagObject(metadata=_metadata(document), tag=tag, raw=document)


def read_spec_tag(tag: Mapping[str, Any]) -> SpecTag:
    """A spec tag of an ImageStream.

    Raises:
        InvalidInput: a field has the wrong type.
    """
    return SpecTag(
        _string(tag, "name"),
        _source(tag) if tag.get("from") is not None else None,
        _boolean(tag, "reference"),
        _integer(tag, "generation"),
        _import_policy(tag),
        _reference_policy(tag),
        _strings(tag, "annotations"),
    )


def _history(tag: Mapping[str, Any]) -> tuple[str, tuple[Event, ...]]:
    return _string(tag, "tag"), read_history(tag)


def read_history(tag: Mapping[str, Any]) -> tuple[Event, ...]:
    """The events of a status tag.

    Raises:
        InvalidInput: a field has the wrong type.
    """
    return tuple(_list_of(tag, "items", _event))


def _event(item: Mapping[str, Any]) -> Event:
    return Event(
        _string(item, "dockerImageReference"),
        _string(item, "image"),
        _integer(item, "generation") or 0,
        _string(item, "created"),
    )


def _import_source(entry: Mapping[str, Any], import_mode: str) -> ImportSource:
    source = _source(entry)
    policy = _import_policy(entry, import_mode)
    if entry.get("to") is None:
        return ImportSource(source, policy, _reference_policy(entry), tag_of(source.name))
    target = _object(entry, "to")
    with _within("to"):
        to = _string(target, "name")
    return ImportSource(source, policy, _reference_policy(entry), to)


def tag_of(name: str) -> str | None:
    """The tag in an image reference; None if it has none or cannot be read."""
    try:
        return ImageReference.parse(name).tag or None
    except InvalidReference:
        return None


def _source(parent: Mapping[str, Any]) -> Source:
    source = _object(parent, "from")
    with _within("from"):
        return Source(_string(source, "kind"), _string(source, "name"), _string(source, "namespace"))


def _import_policy(parent: Mapping[str, Any], import_mode: str = LEGACY) -> ImportPolicy:
    policy = _object(parent, "importPolicy")
    if not policy:
        return ImportPolicy(import_mode=import_mode)
    with _within("importPolicy"):
        return ImportPolicy(
            _boolean(policy, "insecure"), _boolean(policy, "scheduled"), _string(policy, "importMode") or import_mode
        )


def _reference_policy(parent: Mapping[str, Any]) -> str:
    policy = _object(parent, "referencePolicy")
    if not policy:
        return "Source"
    with _within("referencePolicy"):
        return _string(policy, "type") or "Source"


class _WrongType(InvalidInput):
    """A field of the wrong type. Its path is built while the error travels up, so that valid objects cost no paths."""

    def __init__(self, path: str, said: str) -> None:
        super().__init__(f"{path}: {said}")
        self.path = path
        self.said = said


class _within:  # noqa: N801 - used as a statement
    """Puts a key before the path of an error inside the block."""

    __slots__ = ("_key",)

    def __init__(self, key: str) -> None:
        self._key = key

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> Literal[False]:
        if isinstance(error, _WrongType):
            between = "" if error.path.startswith("[") else "."
            raise _WrongType(f"{self._key}{between}{error.path}", error.said) from None
        return False


def _object(parent: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = parent.get(key)
    if value is None:
        return _NOTHING
    if not isinstance(value, dict):
        raise _wrong_type(key, "an object", value)
    return value


_NOTHING: Mapping[str, Any] = {}


def _list_of(parent: Mapping[str, Any], key: str, read: Callable[[Mapping[str, Any]], T]) -> list[T]:
    """The objects of a list, each read by ``read``; null entries are empty objects, as in Go."""
    values = parent.get(key)
    if values is None:
        return []
    if not isinstance(values, list):
        raise _wrong_type(key, "a list", values)
    found: list[T] = []
    try:
        for value in values:
            if value is not None and not isinstance(value, dict):
                raise _wrong_type("", "an object", value)
            found.append(read(value or _NOTHING))
    except _WrongType as error:
        between = "." if error.path else ""
        raise _WrongType(f"{key}[{len(found)}]{between}{error.path}", error.said) from None
    return found


def _string(parent: Mapping[str, Any], key: str) -> str:
    value = parent.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _wrong_type(key, "a string", value)
    return value


def _boolean(parent: Mapping[str, Any], key: str) -> bool:
    value = parent.get(key)
    if value is None:
        return False
    if not isinstance(value, bool):
        raise _wrong_type(key, "true or false", value)
    return value


def _integer(parent: Mapping[str, Any], key: str) -> int | None:
    value = parent.get(key)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool):
        raise _wrong_type(key, "an integer", value)
    return value


def _strings(parent: Mapping[str, Any], key: str) -> Mapping[str, str] | None:
    value = parent.get(key)
    if value is None:
        return None
    if not isinstance(value, dict):
        raise _wrong_type(key, "an object", value)
    for name, text in value.items():
        if text is not None and not isinstance(text, str):
            raise _wrong_type(f"{key}[{name}]", "a string", text)
    return {name: text or "" for name, text in value.items()}


def _wrong_type(path: str, expected: str, value: object) -> _WrongType:
    return _WrongType(path, f"expected {expected}, got {value!r:.80}")
