"""Images as the API shows them inside other objects, and Images without metadata.

Policies read Images from the store, never in this form: an Image whose metadata is missing is shown with an empty one,
as in the original, and rules treat its labels as unreadable.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from imagegate.core.image_streams.stream import JsonObject
from imagegate.core.kube.go_quote import go_quote

SCHEME = "pkg/image/apis/image/v1/conversion.go:22"
"""The original's name for the versions that metadata may have."""
METADATA, VERSION = "dockerImageMetadata", "dockerImageMetadataVersion"
_EMPTY: Mapping[str, Any] = {
    "kind": "DockerImage",
    "apiVersion": "image.openshift.io/1.0",
    "Id": "",
    "Created": None,
    "ContainerConfig": {},
}
_VERSION = "1.0"
_VERSIONS = (_VERSION, "pre012")
_HEAD = ("kind", "apiVersion")


def with_shown_metadata(image: JsonObject) -> JsonObject:
    """The Image with an empty ``dockerImageMetadata`` if it has none."""
    if image.get(METADATA):
        return image
    return {**image, METADATA: dict(_EMPTY), VERSION: image.get(VERSION) or _VERSION}


def version_problem(image: JsonObject) -> str:
    """Why the version of an Image's metadata is none; empty if it is one."""
    version = image.get(VERSION) or _VERSION
    if version in _VERSIONS:
        return ""
    named = go_quote(f"image.openshift.io/{version}")
    return f'no kind "DockerImage" is registered for version {named} in scheme {go_quote(SCHEME)}'


def without_shown_metadata(image: JsonObject) -> JsonObject:
    """The Image as a client sends it, without metadata that only ``with_shown_metadata`` put there."""
    if image.get(METADATA) != _EMPTY:
        return image
    return {key: value for key, value in image.items() if key not in (METADATA, VERSION)}


def nested(image: JsonObject) -> JsonObject:
    """The Image inside another object: without kind and API version, and without empty fields."""
    metadata = {key: value for key, value in (image.get("metadata") or {}).items() if value not in (None, "")}
    kept = {key: value for key, value in image.items() if key not in _HEAD and value not in (None, "", [])}
    return with_shown_metadata({**kept, "metadata": metadata})
