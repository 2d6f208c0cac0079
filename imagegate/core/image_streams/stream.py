"""Image streams as values: names of tags and images in them, their tags, history and generations.

Objects are plain image.openshift.io/v1 JSON. Functions never change what they are given; they return new
objects that share unchanged parts with the old ones. Sources: openshift-apiserver,
pkg/image/apiserver/internal/imageutil/helpers.go and registry/imagestream/strategy.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from imagegate.core.references.openshift import ImageReference, is_digest
from imagegate.errors import InvalidInput

JsonObject: TypeAlias = dict[str, Any]

DOCKER_IMAGE = "DockerImage"
STREAM_TAG = "ImageStreamTag"
STREAM_IMAGE = "ImageStreamImage"
IMPORT_SUCCESS = "ImportSuccess"


@dataclass(frozen=True, slots=True)
class RegistryHosts:
    """Names of the integrated registry; empty where there is none."""

    internal: str = ""
    external: str = ""


def split_stream_tag(name: str) -> tuple[str, str]:
    """Stream and tag of an ImageStreamTag's name: exactly one ``:``, both parts, no ``@``.

    Raises:
        InvalidInput: the name has another form.
    """
    stream, colon, tag = name.partition(":")
    if not stream or not colon or not tag or ":" in tag or "@" in name:
        raise InvalidInput("ImageStreamTags must be retrieved with <name>:<tag>")
    return stream, tag


def split_stream_image(name: str) -> tuple[str, str]:
    """Stream and id of an ImageStreamImage's name: exactly one ``@``, both parts.

    Raises:
        InvalidInput: the name has another form.
    """
    stream, at, image = name.partition("@")
    if not stream or not at or not image or "@" in image:
        raise InvalidInput("ImageStreamImages must be retrieved with <name>@<id>")
    return stream, image


def is_image_id(image: str, asked: str) -> bool:
    """True if ``asked`` is a prefix of the image's name or, if that is a digest, of its hex part."""
    if image.startswith(asked):
        return True
    return is_digest(image) and image.partition(":")[2].startswith(asked)


def spec_tags(stream: Mapping[str, Any]) -> dict[str, JsonObject]:
    """Spec tags by name; the last of two tags of one name counts."""
    tags = (stream.get("spec") or {}).get("tags") or ()
    return {tag.get("name") or "": tag for tag in tags}


def status_tags(stream: Mapping[str, Any]) -> dict[str, JsonObject]:
    """Status tags (``{tag, items, conditions}``) by name; the last of two tags of one name counts."""
    tags = (stream.get("status") or {}).get("tags") or ()
    return {tag.get("tag") or "": tag for tag in tags}


def spec_tag(stream: Mapping[str, Any], tag: str) -> JsonObject | None:
    """The spec tag of this name."""
    return _last_named((stream.get("spec") or {}).get("tags"), "name", tag)


def status_tag(stream: Mapping[str, Any], tag: str) -> JsonObject | None:
    """The status tag of this name."""
    return _last_named((stream.get("status") or {}).get("tags"), "tag", tag)


def _last_named(tags: list[JsonObject] | None, key: str, name: str) -> JsonObject | None:
    for tag in reversed(tags or ()):
        if tag.get(key) == name:
            return tag
    return None


def latest_event(stream: Mapping[str, Any], tag: str) -> JsonObject | None:
    """The newest event of a tag, or None."""
    found = status_tag(stream, tag)
    items = (found or {}).get("items")
    return items[0] if items else None


def events(stream: Mapping[str, Any]) -> Iterator[tuple[str, JsonObject]]:
    """Every event of every tag, tags sorted by name, newest event first."""
    for tag, history in sorted(status_tags(stream).items()):
        for event in history.get("items") or ():
            yield tag, event


def with_spec_tags(stream: JsonObject, tags: Mapping[str, JsonObject]) -> JsonObject:
    """The stream with these spec tags instead, sorted by name."""
    listed = [{**tag, "name": name} for name, tag in sorted(tags.items())]
    return {**stream, "spec": _with_list(stream.get("spec") or {}, listed)}


def with_status_tags(stream: JsonObject, tags: Mapping[str, JsonObject]) -> JsonObject:
    """The stream with these status tags instead, sorted by name."""
    listed = [{**tag, "tag": name} for name, tag in sorted(tags.items())]
    return {**stream, "status": _with_list(stream.get("status") or {}, listed)}


def _with_list(parent: Mapping[str, Any], tags: list[JsonObject]) -> JsonObject:
    changed = {key: value for key, value in parent.items() if key != "tags"}
    if tags:
        changed["tags"] = tags
    return changed


def with_spec_tag(stream: JsonObject, name: str, tag: JsonObject | None) -> JsonObject:
    """The stream with this spec tag set, or removed if ``tag`` is None."""
    tags = spec_tags(stream)
    if tag is None:
        tags.pop(name, None)
    else:
        tags[name] = tag
    return with_spec_tags(stream, tags)


def with_status_tag(stream: JsonObject, name: str, history: JsonObject | None) -> JsonObject:
    """The stream with this status tag set, or removed if ``history`` is None."""
    tags = status_tags(stream)
    if history is None:
        tags.pop(name, None)
    else:
        tags[name] = history
    return with_status_tags(stream, tags)


def without_empty_tags(stream: JsonObject) -> JsonObject:
    """The stream without status tags that have neither items nor conditions."""
    tags = status_tags(stream)
    kept = {name: tag for name, tag in tags.items() if tag.get("items") or tag.get("conditions")}
    return stream if len(kept) == len(tags) else with_status_tags(stream, kept)


def condition(history: Mapping[str, Any] | None, type_: str = IMPORT_SUCCESS) -> JsonObject | None:
    """The status tag's condition of this type."""
    for found in (history or {}).get("conditions") or ():
        if found.get("type") == type_:
            return dict(found)
    return None


def needs_import(stream: Mapping[str, Any], tag: str) -> bool:
    """True if the spec tag needs an import that has neither succeeded nor failed yet.

    Rule: docs/spec/import-gate.md 6.2.2: a DockerImage, no reference tag, and a spec generation greater than that
    of the newest event and of the ImportSuccess condition.
    """
    reference = spec_tag(stream, tag)
    if reference is None or reference.get("reference"):
        return False
    source = reference.get("from") or {}
    if source.get("kind") != DOCKER_IMAGE or not source.get("name"):
        return False
    history = status_tag(stream, tag)
    event = latest_event(stream, tag) or {}
    failed = condition(history) or {}
    done = max(event.get("generation") or 0, failed.get("generation") or 0)
    return (reference.get("generation") or 0) > done


def registry_repository(stream: Mapping[str, Any], host: str) -> str:
    """``HOST/NAMESPACE/NAME``: the stream's repository in the integrated registry of this name."""
    metadata = stream.get("metadata") or {}
    return str(ImageReference(host, metadata.get("namespace") or "", metadata.get("name") or ""))


def with_computed_status(stream: JsonObject, hosts: RegistryHosts) -> JsonObject:
    """The stream with the status fields that are computed on every read (docs/spec/import-gate.md 6.3)."""
    status = dict(stream.get("status") or {})
    if hosts.internal:
        status["dockerImageRepository"] = registry_repository(stream, hosts.internal)
    else:
        status["dockerImageRepository"] = (stream.get("spec") or {}).get("dockerImageRepository") or ""
    if hosts.external:
        status["publicDockerImageRepository"] = registry_repository(stream, hosts.external)
    else:
        status.pop("publicDockerImageRepository", None)
    return {**stream, "status": status}


ImageOf: TypeAlias = Callable[[str], JsonObject | None]
"""The Image of a digest, or None if there is none."""
