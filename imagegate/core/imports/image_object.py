"""From a manifest and a configuration to an Image object of image.openshift.io/v1.

Source: docs/spec/import-gate.md 6.2.3. The configuration is untrusted JSON: fields that are known are copied if they
have their type, anything else in their place is an error, as it is for the original's decoder. Sources:
openshift-apiserver, pkg/image/apiserver/internal/imageutil/helpers.go; openshift/api, image/docker10.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TypeAlias

from imagegate.core.registry.manifest import DOCKER_SCHEMA1, SCHEMA1_TYPES, Manifest, bounded_json_object
from imagegate.errors import Malformed

JsonObject: TypeAlias = dict[str, Any]

API_VERSION = "image.openshift.io/v1"
METADATA_API_VERSION = "image.openshift.io/1.0"
LAYERS_ORDER = "image.openshift.io/dockerLayersOrder"

_TEXTS = {
    "parent": "Parent",
    "comment": "Comment",
    "container": "Container",
    "docker_version": "DockerVersion",
    "author": "Author",
    "architecture": "Architecture",
}
_CONFIG_TEXTS = ("Hostname", "Domainname", "User", "Cpuset", "Image", "VolumesFrom", "WorkingDir")
_CONFIG_NUMBERS = ("Memory", "MemorySwap", "CpuShares")
_CONFIG_FLAGS = ("AttachStdin", "AttachStdout", "AttachStderr", "Tty", "OpenStdin", "StdinOnce", "NetworkDisabled")
_CONFIG_LISTS = ("PortSpecs", "Env", "Cmd", "Dns", "Entrypoint", "SecurityOpts", "OnBuild")
_CONFIG_SETS = ("ExposedPorts", "Volumes")
_FIELDS = {name.casefold(): name for name in (*_TEXTS, "id", "created", "config", "container_config")}
_CONFIG_FIELDS = {
    name.casefold(): name
    for name in (*_CONFIG_TEXTS, *_CONFIG_NUMBERS, *_CONFIG_FLAGS, *_CONFIG_LISTS, *_CONFIG_SETS, "Labels")
}
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:[.,]\d+)?(Z|[+-]\d\d:\d\d)")
_NO_TIME = "0001-01-01T00:00:00"  # Go's zero time, which is written as null


def image_object(manifest: Manifest, config: bytes | None, reference: str, *, now: datetime) -> JsonObject:
    """The Image of a manifest, as it is stored: without the contents of manifest and configuration.

    Args:
        manifest: an image, a list, or schema 1.
        config: the configuration's bytes; None for lists and schema 1.
        reference: ``dockerImageReference``.
        now: ``Created`` of a list, which has no time of its own.

    Raises:
        Malformed: the configuration does not have the expected form.
        TooLarge: it is nested too deeply.
    """
    image: JsonObject = {
        "kind": "Image",
        "apiVersion": API_VERSION,
        "metadata": {"name": manifest.digest},
        "dockerImageReference": reference,
        "dockerImageMetadata": _metadata(manifest, config, now),
        "dockerImageMetadataVersion": "1.0",
        "dockerImageManifestMediaType": DOCKER_SCHEMA1 if manifest.media_type in SCHEMA1_TYPES else manifest.media_type,
    }
    if manifest.is_index:
        image["dockerImageManifests"] = [
            {
                "digest": child.descriptor.digest,
                "mediaType": child.descriptor.media_type,
                "manifestSize": child.descriptor.size,
                "architecture": child.platform.architecture,
                "os": child.platform.os,
                **({"variant": child.platform.variant} if child.platform.variant else {}),
            }
            for child in manifest.children
        ]
    else:
        image["metadata"]["annotations"] = {LAYERS_ORDER: "ascending"}
        image["dockerImageLayers"] = [
            {"name": layer.digest, "size": layer.size, "mediaType": layer.media_type} for layer in manifest.layers
        ]
    return image


def _metadata(manifest: Manifest, config: bytes | None, now: datetime) -> JsonObject:
    if manifest.is_index:
        return _written_metadata(manifest.digest, {}, created=go_time(now), size=0)
    if manifest.media_type in SCHEMA1_TYPES:
        document = _fields_named(manifest.history[0], _FIELDS)
        size = sum({layer.digest: layer.size for layer in manifest.layers}.values())
        return _written_metadata(_string(document, "id"), document, created=_created(document), size=size)
    if config is None or manifest.config is None:
        raise Malformed(f"dockerImageConfig must not be empty for manifest type {manifest.media_type!r}")
    document = _fields_named(bounded_json_object(config, "dockerImageConfig"), _FIELDS)
    sizes = {layer.digest: layer.size for layer in manifest.layers}
    sizes[manifest.config.digest] = len(config)
    return _written_metadata(manifest.config.digest, document, created=_created(document), size=sum(sizes.values()))


def _fields_named(document: Mapping[str, Any], names: Mapping[str, str]) -> Mapping[str, Any]:
    """The fields with these names, in any case: the original's decoder and runtimes accept all of them.

    Args:
        document: as it was written.
        names: keyed by their folded form.

    Raises:
        Malformed: a field is written twice, so that readers may disagree.
    """
    found: dict[str, Any] = {}
    for key, value in document.items():
        name = names.get(key.casefold())
        if name in found:
            raise Malformed(f"failed to parse dockerImageConfig: {name} is written twice")
        if name is not None:
            found[name] = value
    return found


def _written_metadata(id_: str, document: Mapping[str, Any], *, created: str | None, size: int) -> JsonObject:
    """``dockerImageMetadata`` with the keys and omissions of the original."""
    metadata: JsonObject = {"kind": "DockerImage", "apiVersion": METADATA_API_VERSION, "Id": id_, "Created": created}
    for key, name in _TEXTS.items():
        text = _string(document, key)
        if text:
            metadata[name] = text
    metadata["ContainerConfig"] = _config(_object(document, "container_config") or {})
    config = _object(document, "config")
    if config is not None:
        metadata["Config"] = _config(config)
    if size:
        metadata["Size"] = size
    return metadata


def _config(config: Mapping[str, Any]) -> JsonObject:
    config = _fields_named(config, _CONFIG_FIELDS)
    written: JsonObject = {key: _string(config, key) for key in _CONFIG_TEXTS}
    written |= {key: _integer(config, key) for key in _CONFIG_NUMBERS}
    written |= {key: _boolean(config, key) for key in _CONFIG_FLAGS}
    written |= {key: _strings(config, key) for key in _CONFIG_LISTS}
    written |= {key: {name: {} for name in sorted(_object(config, key) or {})} for key in _CONFIG_SETS}
    written["Labels"] = _labels(config)
    return {key: value for key, value in written.items() if value}


def _labels(config: Mapping[str, Any]) -> dict[str, str]:
    labels = _object(config, "Labels") or {}
    return {name: _string(labels, name) for name in sorted(labels)}


def _string(document: Mapping[str, Any], key: str) -> str:
    value = document.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _wrong_type(key, "a string")
    return value


def _integer(document: Mapping[str, Any], key: str) -> int:
    value = document.get(key)
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int) or not -(2**63) <= value < 2**63:
        raise _wrong_type(key, "a number")
    return value


def _boolean(document: Mapping[str, Any], key: str) -> bool:
    value = document.get(key)
    if value is not None and not isinstance(value, bool):
        raise _wrong_type(key, "true or false")
    return bool(value)


def _strings(document: Mapping[str, Any], key: str) -> list[str]:
    value = document.get(key)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise _wrong_type(key, "a list of strings")
    return list(value)


def _object(document: Mapping[str, Any], key: str) -> Mapping[str, Any] | None:
    value = document.get(key)
    if value is not None and not isinstance(value, dict):
        raise _wrong_type(key, "an object")
    return value


def _wrong_type(key: str, expected: str) -> Malformed:
    return Malformed(f"failed to parse dockerImageConfig: {key} is not {expected}")


def _created(document: Mapping[str, Any]) -> str | None:
    """``created`` in whole seconds, UTC, or None."""
    text = _string(document, "created")
    if not text:
        return None
    found = _TIME.fullmatch(text)
    if found is None:
        raise _wrong_type("created", "a time")
    if found.group(1) == _NO_TIME:
        return None
    try:
        return go_time(datetime.fromisoformat(found.group(1) + found.group(2)))
    except (ValueError, OverflowError) as error:
        raise _wrong_type("created", "a time") from error


def go_time(time: datetime) -> str:
    """A time as meta/v1 writes it: RFC 3339, UTC, whole seconds."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
