"""Objects the image API computes on reading: ImageStreamTag, ImageTag, ImageStreamImage, layers.

Nothing of this is stored. Rules: docs/spec/import-gate.md 6.3; openshift-apiserver,
pkg/image/apiserver/registry/{imagestreamtag,imagetag,imagestreamimage,imagestream/etcd}.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from imagegate.core.image_streams.stream import (
    ImageOf,
    JsonObject,
    events,
    is_image_id,
    latest_event,
    spec_tag,
    spec_tags,
    status_tag,
    status_tags,
)
from imagegate.core.kube.go_quote import go_quote
from imagegate.core.kube.status import StatusError, conflict, not_found
from imagegate.core.references.openshift import ImageReference
from imagegate.errors import InvalidReference

API_VERSION = "image.openshift.io/v1"
SCHEMA_2 = "application/vnd.docker.distribution.manifest.v2+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG_MEDIA_TYPES = {
    SCHEMA_2: "application/vnd.docker.container.image.v1+json",
    OCI_MANIFEST: "application/vnd.oci.image.config.v1+json",
}


def pull_spec(stream: Mapping[str, Any], tag: str, event: Mapping[str, Any]) -> str:
    """The pull spec of the event's image, by the tag's reference policy.

    ``stream`` must have computed status. Policy Local with a known repository and image gives the stream's own
    repository in the integrated registry; everything else the event's origin.
    """
    origin: str = event.get("dockerImageReference") or ""
    reference = spec_tag(stream, tag)
    if reference is None or (reference.get("referencePolicy") or {}).get("type") != "Local":
        return origin
    repository = (stream.get("status") or {}).get("dockerImageRepository") or ""
    image = event.get("image") or ""
    if not repository or not image:
        return origin
    try:
        parsed = ImageReference.parse(repository)
    except InvalidReference:
        return origin
    return replace(parsed, tag="", id=image).exact


def by_digest(spec: str, digest: str) -> str | None:
    """The pull spec with its tag replaced by the digest; None if it cannot be parsed or has no name."""
    try:
        parsed = ImageReference.parse(spec)
    except InvalidReference:
        return None
    return replace(parsed, tag="", id=digest).exact or None


def holds_pull_spec(stream: Mapping[str, Any], asked: ImageReference) -> bool:
    """True if an event of the stream, current or past, is pulled from ``asked``.

    ``asked`` with a digest must be the whole pull spec; without one, its repository.
    """
    wanted = asked.exact
    for tag, event in events(stream):
        spec = by_digest(pull_spec(stream, tag, event), event.get("image") or "")
        if spec is not None and wanted == (spec if asked.id else repository_of(spec)):
            return bool(wanted)
    return False


def repository_of(spec: str) -> str:
    """A pull spec without tag and digest; empty if it cannot be parsed."""
    try:
        return ImageReference.parse(spec).as_repository().exact
    except InvalidReference:
        return ""


def without_manifest(image: Mapping[str, Any]) -> JsonObject:
    """The Image as derived reads show it: without the contents of its manifest and configuration."""
    return {key: value for key, value in image.items() if key not in ("dockerImageManifest", "dockerImageConfig")}


def image_stream_tag(stream: JsonObject, tag: str, image_of: ImageOf, *, allow_empty: bool = False) -> JsonObject:
    """The ImageStreamTag ``STREAM:TAG`` of a stream with computed status.

    Args:
        allow_empty: return the tag also if nothing has been imported yet or the image is gone, as after a write.

    Raises:
        StatusError: 404 of imagestreamtags without an image event, 404 of images if the Image is gone.
    """
    event = latest_event(stream, tag)
    image = None
    if event is not None and event.get("image"):
        image = image_of(event["image"])
        if image is None and not allow_empty:
            raise StatusError(not_found("images", event["image"]))
    return _stream_tag(stream, tag, image, allow_empty=allow_empty)


def image_stream_tags(stream: JsonObject) -> list[JsonObject]:
    """The ImageStreamTags of a list: one for each status tag with an image, which has only name and pull spec."""
    with_image = (tag for tag in sorted(status_tags(stream)) if (latest_event(stream, tag) or {}).get("image"))
    return [_stream_tag(stream, tag, None, allow_empty=False) for tag in with_image]


def _stream_tag(stream: JsonObject, tag: str, image: JsonObject | None, *, allow_empty: bool) -> JsonObject:
    metadata = stream.get("metadata") or {}
    name = f"{metadata.get('name', '')}:{tag}"
    event = latest_event(stream, tag)
    if event is None or not event.get("image"):
        if not allow_empty:
            raise StatusError(not_found("imagestreamtags", name))
        event = {"created": metadata.get("creationTimestamp")}
    reference = spec_tag(stream, tag)
    annotations = dict((reference or {}).get("annotations") or {})
    shown: JsonObject = {"metadata": {"name": event.get("image") or ""}}
    if image is not None:
        shown = _with_tag_annotations(image, annotations)
    shown["dockerImageReference"] = pull_spec(stream, tag, event)
    result: JsonObject = {
        "kind": "ImageStreamTag",
        "apiVersion": API_VERSION,
        "metadata": _tag_metadata(metadata, name, created=event.get("created"), annotations=annotations),
        "tag": dict(reference) if reference is not None else None,
        "generation": event.get("generation") or 0,
        "lookupPolicy": dict((stream.get("spec") or {}).get("lookupPolicy") or {"local": False}),
        "image": shown,
    }
    conditions = (status_tag(stream, tag) or {}).get("conditions")
    if conditions:
        result["conditions"] = list(conditions)
    return result


def _tag_metadata(metadata: Mapping[str, Any], name: str, *, created: Any, annotations: JsonObject) -> JsonObject:
    shown: JsonObject = {"name": name, "creationTimestamp": created}
    for key in ("namespace", "resourceVersion", "uid", "labels"):
        if metadata.get(key):
            shown[key] = metadata[key]
    if annotations:
        shown["annotations"] = annotations
    return shown


def _with_tag_annotations(image: JsonObject, annotations: Mapping[str, str]) -> JsonObject:
    """The Image with a spec tag's annotations over its own. For clients: policies must look up the Image itself."""
    shown = without_manifest(image)
    if annotations:
        metadata = dict(shown.get("metadata") or {})
        metadata["annotations"] = {**(metadata.get("annotations") or {}), **annotations}
        shown["metadata"] = metadata
    return shown


def image_tag(stream: JsonObject, tag: str, image_of: ImageOf, *, allow_empty: bool = False) -> JsonObject:
    """The ImageTag ``STREAM:TAG``; it exists if either a spec or a status tag does.

    Raises:
        StatusError: 404 of imagetags.
    """
    event = latest_event(stream, tag)
    image = image_of(event["image"]) if event is not None and event.get("image") else None
    return _image_tag(stream, tag, image, allow_empty=allow_empty)


def image_tags(stream: JsonObject) -> list[JsonObject]:
    """The ImageTags of a list: one for each spec or status tag, without images."""
    names = sorted(spec_tags(stream).keys() | status_tags(stream).keys())
    return [_image_tag(stream, name, None, allow_empty=True) for name in names]


def _image_tag(stream: JsonObject, tag: str, image: JsonObject | None, *, allow_empty: bool) -> JsonObject:
    metadata = stream.get("metadata") or {}
    name = f"{metadata.get('name', '')}:{tag}"
    reference, history = spec_tag(stream, tag), status_tag(stream, tag)
    if reference is None and history is None and not allow_empty:
        raise StatusError(not_found("imagetags", name))
    shown = None
    if image is not None:
        event = latest_event(stream, tag) or {}
        shown = {**without_manifest(image), "dockerImageReference": pull_spec(stream, tag, event)}
    return {
        "kind": "ImageTag",
        "apiVersion": API_VERSION,
        "metadata": {**metadata, "name": name},
        "spec": dict(reference) if reference is not None else None,
        "status": {**history, "tag": tag} if history is not None else None,
        "image": shown,
    }


def layers(stream: JsonObject, image_of: ImageOf) -> JsonObject:
    """The ImageStreamLayers: every image of every event, sub-manifests too, with layers and blobs."""
    blobs: dict[str, JsonObject] = {}
    images: dict[str, JsonObject] = {}
    waiting = [event["image"] for _, event in events(stream) if event.get("image")]
    while waiting:
        name = waiting.pop()
        if name in images:
            continue
        image = image_of(name)
        if image is None:
            images[name] = {"imageMissing": True, "layers": None, "config": None}
            continue
        images[name] = _image_blobs(image, name, blobs)
        waiting.extend(images[name].get("manifests") or ())
    return {
        "kind": "ImageStreamLayers",
        "apiVersion": API_VERSION,
        "metadata": dict(stream.get("metadata") or {}),
        "blobs": dict(sorted(blobs.items())),
        "images": dict(sorted(images.items())),
    }


def _image_blobs(image: JsonObject, name: str, blobs: dict[str, JsonObject]) -> JsonObject:
    """Add the blobs of one image to ``blobs`` and return its references."""
    media_type = image.get("dockerImageManifestMediaType") or SCHEMA_2
    parts = image.get("dockerImageLayers") or ()
    for layer in parts:
        blobs.setdefault(layer.get("name") or "", {"size": layer.get("size") or 0, "mediaType": layer.get("mediaType")})
    config = config_digest(image)
    if config:
        blobs.setdefault(config, {"size": None, "mediaType": CONFIG_MEDIA_TYPES[media_type]})
    blobs.setdefault(name, {"size": None, "mediaType": media_type})
    references: JsonObject = {
        "imageMissing": False,
        "layers": [layer.get("name") for layer in parts] or None,
        "config": config,
    }
    manifests = [manifest.get("digest") for manifest in image.get("dockerImageManifests") or ()]
    if manifests:
        references["manifests"] = manifests
    return references


def config_digest(image: Mapping[str, Any]) -> str | None:
    """The digest of the image's config; only Docker schema 2 and OCI images have one."""
    if image.get("dockerImageManifestMediaType") not in CONFIG_MEDIA_TYPES:
        return None
    metadata = image.get("dockerImageMetadata")
    return (metadata.get("Id") or None) if isinstance(metadata, dict) else None


def image_names(stream: JsonObject, image_of: ImageOf) -> list[str]:
    """All image names of the stream's layers view, sorted."""
    seen: set[str] = set()
    waiting = [event["image"] for _, event in events(stream) if event.get("image")]
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        manifests = (image_of(name) or {}).get("dockerImageManifests") or ()
        waiting.extend(manifest.get("digest") or "" for manifest in manifests)
    return sorted(seen - {""})


def image_stream_image(stream: JsonObject, asked: str, image_of: ImageOf) -> JsonObject:
    """The ImageStreamImage ``STREAM@ASKED``; ``asked`` may be a prefix of the digest or of its hex part.

    The image's pull spec is its own, not adjusted by any reference policy.

    Raises:
        StatusError: 404 if no image of the stream matches, 409 if several do, 404 of images if it is gone.
    """
    metadata = stream.get("metadata") or {}
    name = f"{metadata.get('name', '')}@{asked}"
    matching = _matching_images(stream, asked, image_of)
    if not matching:
        raise StatusError(not_found("imagestreamimage", name))
    if len(matching) > 1:
        why = f"multiple images match the prefix {go_quote(asked)}: {', '.join(matching)}"
        raise StatusError(conflict("imagestreamimage", name, why))
    image = image_of(matching[0])
    if image is None:
        raise StatusError(not_found("images", matching[0]))
    shown: JsonObject = {
        "name": name,
        "namespace": metadata.get("namespace") or "",
        "creationTimestamp": (image.get("metadata") or {}).get("creationTimestamp"),
    }
    if metadata.get("annotations"):
        shown["annotations"] = dict(metadata["annotations"])
    return {
        "kind": "ImageStreamImage",
        "apiVersion": API_VERSION,
        "metadata": shown,
        "image": without_manifest(image),
    }


def _matching_images(stream: JsonObject, asked: str, image_of: ImageOf) -> list[str]:
    """Images that match ``asked``; a whole name matches only itself, and needs no look-up of sub-manifests."""
    direct = {event["image"] for _, event in events(stream) if event.get("image")}
    if asked in direct:
        return [asked]
    return [image for image in image_names(stream, image_of) if is_image_id(image, asked)]
