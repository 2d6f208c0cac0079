"""``dockerImageMetadata`` that the sender of an Image computed, in the form in which the original stores it.

It is decoded into the type DockerImage: unknown fields are dropped, and fields that are always there are filled in.
Metadata of version ``pre012``, which nothing has written for years, stays as it was sent.
Source: openshift/api ``image/docker10`` (DockerImage, DockerConfig), openshift-apiserver ``image/v1/conversion.go``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from imagegate.core.image_streams.shown_images import METADATA, SCHEME, VERSION
from imagegate.core.image_streams.stream import JsonObject
from imagegate.core.kube.go_json import json_kind
from imagegate.core.kube.go_quote import go_quote
from imagegate.core.kube.go_time import time_error
from imagegate.errors import InvalidInput

_KIND, _VERSION = "DockerImage", "1.0"
_GROUPED = f"image.openshift.io/{_VERSION}"
_CONFIG_TYPE, _TIME = "docker10.DockerConfig", "v1.Time"
_IMAGE_FIELDS: Mapping[str, str] = {
    "Id": "string",
    "Parent": "string",
    "Comment": "string",
    "Created": _TIME,
    "Container": "string",
    "ContainerConfig": _CONFIG_TYPE,
    "DockerVersion": "string",
    "Author": "string",
    "Config": _CONFIG_TYPE,
    "Architecture": "string",
    "Size": "int64",
}
_CONFIG_FIELDS: Mapping[str, str] = {
    **dict.fromkeys(("Hostname", "Domainname", "User"), "string"),
    **dict.fromkeys(("Memory", "MemorySwap", "CpuShares"), "int64"),
    "Cpuset": "string",
    **dict.fromkeys(("AttachStdin", "AttachStdout", "AttachStderr"), "bool"),
    "PortSpecs": "[]string",
    "ExposedPorts": "map[string]struct {}",
    **dict.fromkeys(("Tty", "OpenStdin", "StdinOnce"), "bool"),
    **dict.fromkeys(("Env", "Cmd", "Dns"), "[]string"),
    "Image": "string",
    "Volumes": "map[string]struct {}",
    **dict.fromkeys(("VolumesFrom", "WorkingDir"), "string"),
    "Entrypoint": "[]string",
    "NetworkDisabled": "bool",
    **dict.fromkeys(("SecurityOpts", "OnBuild"), "[]string"),
    "Labels": "map[string]string",
}
_ALWAYS: Mapping[str, Any] = {"Id": "", "Created": None, "ContainerConfig": {}}


class NotDockerMetadata(InvalidInput):
    """The metadata is not that of an image; ``str()`` is the decoder's message."""


def with_docker_metadata(image: JsonObject) -> JsonObject:
    """The Image with its ``dockerImageMetadata`` in the stored form; unchanged if it has none.

    Raises:
        NotDockerMetadata: it is of another kind or version, or a field has the wrong type.
    """
    given = image.get(METADATA)
    if given is None or (image.get(VERSION) or _VERSION) != _VERSION:
        return image
    return {**image, METADATA: _docker_image(given), VERSION: _VERSION}


def _docker_image(given: object) -> JsonObject:
    if not isinstance(given, Mapping):
        head = r'struct { APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" }'
        why = f"json: cannot unmarshal {json_kind(given)} into Go value of type {head}"
        raise NotDockerMetadata(f"couldn't get version/kind; json parse error: {why}")
    kind, version = given.get("kind") or _KIND, given.get("apiVersion") or _GROUPED
    if kind != _KIND or version not in (_VERSION, _GROUPED):
        what = f"no kind {go_quote(str(kind))} is registered for version {go_quote(str(version))}"
        raise NotDockerMetadata(f"{what} in scheme {go_quote(SCHEME)}")
    fields = _struct(given, _IMAGE_FIELDS, _KIND, "")
    kept = {name: fields.get(name, _ALWAYS.get(name)) for name in _IMAGE_FIELDS if name in fields or name in _ALWAYS}
    return {"kind": _KIND, "apiVersion": _GROUPED, **kept}


def _struct(given: Mapping[str, Any], fields: Mapping[str, str], struct: str, path: str) -> JsonObject:
    """The known fields that have a value; ``Config`` also if it is empty."""
    kept = {}
    for name, go_type in fields.items():
        value = given.get(name)
        if value is None:
            continue
        at = f"{path}{name}"
        if go_type == _CONFIG_TYPE:
            if not isinstance(value, Mapping):
                raise _wrong(value, struct, at, go_type)
            kept[name] = _struct(value, _CONFIG_FIELDS, "DockerConfig", f"{at}.")
        else:
            _check(value, go_type, struct, at)
            if value or go_type == _TIME:
                kept[name] = value
    return kept


def _check(value: object, go_type: str, struct: str, path: str) -> None:
    if go_type == _TIME:
        problem = time_error(value) if isinstance(value, str) else str(_wrong(value, struct, path, "string"))
        if problem:
            raise NotDockerMetadata(problem)
    elif go_type.startswith("[]"):
        if not isinstance(value, list):
            raise _wrong(value, struct, path, go_type)
        _check_all(value, go_type[2:], struct, path)
    elif go_type.startswith("map["):
        if not isinstance(value, Mapping):
            raise _wrong(value, struct, path, go_type)
        _check_all(list(value.values()), go_type.removeprefix("map[string]"), struct, path)
    elif not _is_of(value, go_type):
        raise _wrong(value, struct, path, go_type)


def _check_all(values: list[object], go_type: str, struct: str, path: str) -> None:
    for value in values:
        if value is not None and not _is_of(value, go_type):
            raise _wrong(value, struct, path, go_type)


def _is_of(value: object, go_type: str) -> bool:
    if go_type == "int64":
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, {"string": str, "bool": bool}.get(go_type, dict))


def _wrong(value: object, struct: str, path: str, go_type: str) -> NotDockerMetadata:
    return NotDockerMetadata(
        f"json: cannot unmarshal {json_kind(value)} into Go struct field {struct}.{path} of type {go_type}"
    )
