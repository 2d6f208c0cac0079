"""Image streams that must be imported without a user's request, and the ImageStreamImport for each.

Source: docs/spec/import-gate.md 6.5. Source: openshift-controller-manager, pkg/image/controller (``needsImport``,
``needsScheduling``, ``resetScheduledTags``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from imagegate.core.image_streams.objects import INSECURE_ANNOTATION
from imagegate.core.image_streams.stream import DOCKER_IMAGE, latest_event, needs_import, spec_tags, with_spec_tags
from imagegate.core.imports.image_object import JsonObject
from imagegate.core.imports.outcome import CHECK_ANNOTATION
from imagegate.core.references.openshift import ImageReference
from imagegate.errors import InvalidReference


def is_scheduled(stream: Mapping[str, Any]) -> bool:
    """True if the stream has a tag that is imported on a schedule."""
    return any(_is_scheduled_tag(stream, tag) for tag in spec_tags(stream).values())


def due_import(stream: JsonObject) -> JsonObject | None:
    """The import of a scheduled stream that is due; None if no tag is scheduled.

    The tags' generations are raised here only, so that an import which finds nothing new writes nothing.
    """
    generation = int((stream.get("metadata") or {}).get("generation") or 0) + 1
    tags = {
        name: {**tag, "generation": generation} if _is_scheduled_tag(stream, tag) else tag
        for name, tag in spec_tags(stream).items()
    }
    return pending_import(with_spec_tags(stream, tags))


def pending_import(stream: JsonObject) -> JsonObject | None:
    """The import that a stream needs at once; None if it needs none.

    It needs one if it was never imported, or if a tag's generation is newer than that of its last import.
    """
    metadata, spec = stream.get("metadata") or {}, stream.get("spec") or {}
    annotations = metadata.get("annotations") or {}
    tags = {name: tag for name, tag in spec_tags(stream).items() if _is_importable(tag)}
    never_asked = not annotations.get(CHECK_ANNOTATION)
    repository = str(spec.get("dockerImageRepository") or "") if never_asked else ""
    if not (repository or (never_asked and tags) or any(needs_import(stream, name) for name in tags)):
        return None
    wanted = [
        name for name, tag in tags.items() if repository or tag.get("generation") is None or needs_import(stream, name)
    ]
    if not repository and not wanted:
        return None
    body: JsonObject = {"import": True, "images": [_import_entry(name, tags[name]) for name in sorted(wanted)]}
    if repository:
        insecure = annotations.get(INSECURE_ANNOTATION) == "true"
        source = {"kind": DOCKER_IMAGE, "name": repository}
        body["repository"] = {"from": source, "importPolicy": {"insecure": insecure}}
    identity = {key: metadata[key] for key in ("name", "namespace", "resourceVersion", "uid") if metadata.get(key)}
    head = {"kind": "ImageStreamImport", "apiVersion": "image.openshift.io/v1"}
    return {**head, "metadata": identity, "spec": body, "status": {}}


def _import_entry(name: str, tag: Mapping[str, Any]) -> JsonObject:
    return {
        "from": {"kind": DOCKER_IMAGE, "name": tag["from"]["name"]},
        "to": {"name": name},
        "importPolicy": dict(tag.get("importPolicy") or {}),
        "referencePolicy": dict(tag.get("referencePolicy") or {}),
    }


def _is_importable(tag: Mapping[str, Any]) -> bool:
    source = tag.get("from") or {}
    return source.get("kind") == DOCKER_IMAGE and bool(source.get("name")) and not tag.get("reference")


def _is_scheduled_tag(stream: Mapping[str, Any], tag: Mapping[str, Any]) -> bool:
    """A tag by digest cannot change: it is only retried until it has been imported once."""
    if not _is_importable(tag) or not (tag.get("importPolicy") or {}).get("scheduled"):
        return False
    try:
        reference = ImageReference.parse(tag["from"]["name"])
    except InvalidReference:
        return False
    return not reference.id or not _is_imported(stream, tag)


def _is_imported(stream: Mapping[str, Any], tag: Mapping[str, Any]) -> bool:
    newest = latest_event(stream, str(tag.get("name") or ""))
    return newest is not None and tag.get("generation") is not None and newest.get("generation") == tag["generation"]
