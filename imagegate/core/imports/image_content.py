"""Images that contain their manifest and configuration: metadata is computed from these, never taken from the sender.

A push sends both (``ImageStreamMapping``, ``Image``), and the server computes the metadata from them. A sender's own
metadata would be a way round rules that look at docker labels. Sources: openshift-apiserver,
pkg/image/apiserver/internalimageutil/helpers.go and registry/image/strategy.go. Stricter than these: the manifest must
be the one that the Image's name is the digest of, and the configuration the one that the manifest names.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from imagegate.core.image_streams.docker_labels import UndecodableMetadata, docker_labels
from imagegate.core.imports.image_object import JsonObject, image_object
from imagegate.core.registry.manifest import (
    DOCKER_MANIFEST,
    DOCKER_SCHEMA1,
    IMAGE_TYPES,
    MEDIA_TYPES,
    Manifest,
    bounded_json_object,
    digest_of,
    parse_manifest,
)
from imagegate.errors import Malformed, TooLarge

MANIFEST, CONFIG = "dockerImageManifest", "dockerImageConfig"
METADATA = ("dockerImageMetadata", "dockerImageMetadataVersion")
_FILLED = (*METADATA, "dockerImageManifestMediaType", "dockerImageLayers", "dockerImageManifests")


def holds_manifest(image: Mapping[str, Any]) -> bool:
    """True if the Image contains its manifest."""
    return bool(image.get(MANIFEST))


def with_metadata(image: JsonObject, *, now: datetime) -> JsonObject:
    """The Image with all fields that are computed from its manifest and configuration.

    Args:
        image: contains its manifest, and its configuration if there is one.
        now: ``Created`` of a manifest list, which has no time of its own.

    Raises:
        Malformed: one of them cannot be read, or its digest is not the expected one.
        TooLarge: one of them is nested too deeply, or has too many entries.
    """
    manifest = read_manifest(image)
    config = config_of(image, manifest)
    made = image_object(manifest, config, image.get("dockerImageReference") or "", now=now)
    metadata = image.get("metadata") or {}
    annotations = {**(metadata.get("annotations") or {}), **made["metadata"].get("annotations", {})}
    kept = {key: value for key, value in image.items() if key not in _FILLED}
    filled = {key: made[key] for key in _FILLED if key in made}
    return {**kept, "metadata": {**metadata, **({"annotations": annotations} if annotations else {})}, **filled}


def without_metadata(image: JsonObject) -> JsonObject:
    """The Image without metadata, so that rules that need it treat the metadata as unreadable."""
    return {key: value for key, value in image.items() if key not in METADATA}


def read_manifest(image: Mapping[str, Any]) -> Manifest:
    """The manifest in an Image.

    Raises:
        Malformed: it cannot be read, or the Image's name is not its digest.
        TooLarge: it is nested too deeply, or has too many entries.
    """
    raw = _bytes_of(image, MANIFEST)
    name = str((image.get("metadata") or {}).get("name") or "")
    algorithm = "sha512" if name.startswith("sha512:") else "sha256"
    manifest = parse_manifest(raw, _media_type(image, raw), algorithm=algorithm)
    if manifest.digest != name:
        raise Malformed(f"the manifest's digest is {manifest.digest}, not the image's name")
    return manifest


def config_of(image: Mapping[str, Any], manifest: Manifest) -> bytes | None:
    """The configuration in an Image; None for manifests that have none.

    Raises:
        Malformed: it is missing, or its digest is not the manifest's.
    """
    if manifest.media_type not in IMAGE_TYPES or manifest.config is None:
        return None
    if not image.get(CONFIG):
        raise Malformed(f"{CONFIG} must not be empty for manifest type {manifest.media_type!r}")
    config = _bytes_of(image, CONFIG)
    digest = digest_of(config, manifest.config.digest.partition(":")[0])
    if digest != manifest.config.digest:
        raise Malformed(f"{CONFIG} has the digest {digest}, the manifest names {manifest.config.digest}")
    return config


def labels_of_bytes(image: Mapping[str, Any]) -> Mapping[str, str] | None:
    """``docker_labels``, from manifest and configuration if the Image contains them.

    An older store may hold metadata that contradicts them.

    Raises:
        UndecodableMetadata: manifest, configuration or metadata cannot be read, or do not belong together.
        NoConfig: see ``docker_labels``.
    """
    if not holds_manifest(image):
        return docker_labels(image)
    try:
        return docker_labels(with_metadata(dict(image), now=datetime.fromtimestamp(0, UTC)))
    except (Malformed, TooLarge) as error:
        raise UndecodableMetadata from error


def _bytes_of(image: Mapping[str, Any], key: str) -> bytes:
    text = image[key]
    if not isinstance(text, str):
        raise Malformed(f"{key} is not a string")
    return text.encode("utf-8", "surrogatepass")


def _media_type(image: Mapping[str, Any], raw: bytes) -> str:
    """The media type in the manifest; without one, that of the Image, as in the original."""
    document = bounded_json_object(raw, "manifest")
    if document.get("mediaType") or document.get("schemaVersion") == 1:
        return ""
    given = image.get("dockerImageManifestMediaType") or ""
    if given in MEDIA_TYPES and given != DOCKER_SCHEMA1:
        return str(given)
    return "" if "manifests" in document else DOCKER_MANIFEST
