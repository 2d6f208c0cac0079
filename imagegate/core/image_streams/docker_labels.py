"""The labels baked into an image, from an Image's ``dockerImageMetadata``.

The original decodes the metadata into Go structs: field names match in any case, and a value of the wrong type
makes the whole decoding fail. Source: openshift/api image/docker10 and library-go imageutil.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


class UndecodableMetadata(Exception):
    """``dockerImageMetadata`` does not have the form of a DockerImage."""


class NoConfig(Exception):
    """The metadata has no ``Config`` (an imported manifest list, or an incomplete object)."""


def docker_labels(image: Mapping[str, Any]) -> Mapping[str, str] | None:
    """The labels of the image's configuration; None if the Image has no metadata at all.

    Raises:
        UndecodableMetadata: the metadata is not of the type DockerImage.
        NoConfig: there is no ``Config`` in it.
    """
    metadata = image.get("dockerImageMetadata")
    if metadata is None:
        return None
    if not isinstance(metadata, Mapping):
        raise UndecodableMetadata
    _check_fields(metadata, _DOCKER_IMAGE)
    config = _field_of(metadata, "Config")
    if config is None:
        raise NoConfig
    labels = _field_of(config, "Labels")
    if labels is None:
        return {}
    return {key: "" if value is None else value for key, value in labels.items()}


_Check = Callable[[Any], bool]


def _is_type(*types: type) -> _Check:
    return lambda value: (
        value is None or (isinstance(value, types) and not (isinstance(value, bool) and bool not in types))
    )


def _map_of(check: _Check) -> _Check:
    return lambda value: value is None or (isinstance(value, Mapping) and all(check(item) for item in value.values()))


def _list_of(check: _Check) -> _Check:
    return lambda value: value is None or (isinstance(value, list) and all(check(item) for item in value))


def _struct_of(fields: Mapping[str, _Check]) -> _Check:
    def check(value: Any) -> bool:
        if value is None:
            return True
        if not isinstance(value, Mapping):
            return False
        return all(fields[key.casefold()](item) for key, item in value.items() if key.casefold() in fields)

    return check


_TEXT, _INT, _BOOL, _OBJECT = _is_type(str), _is_type(int), _is_type(bool), _is_type(dict)
_CONFIG = _struct_of(
    {
        "hostname": _TEXT,
        "domainname": _TEXT,
        "user": _TEXT,
        "memory": _INT,
        "memoryswap": _INT,
        "cpushares": _INT,
        "cpuset": _TEXT,
        "attachstdin": _BOOL,
        "attachstdout": _BOOL,
        "attachstderr": _BOOL,
        "portspecs": _list_of(_TEXT),
        "exposedports": _map_of(_OBJECT),
        "tty": _BOOL,
        "openstdin": _BOOL,
        "stdinonce": _BOOL,
        "env": _list_of(_TEXT),
        "cmd": _list_of(_TEXT),
        "dns": _list_of(_TEXT),
        "image": _TEXT,
        "volumes": _map_of(_OBJECT),
        "volumesfrom": _TEXT,
        "workingdir": _TEXT,
        "entrypoint": _list_of(_TEXT),
        "networkdisabled": _BOOL,
        "securityopts": _list_of(_TEXT),
        "onbuild": _list_of(_TEXT),
        "labels": _map_of(_TEXT),
    }
)
_DOCKER_IMAGE = {
    "id": _TEXT,
    "parent": _TEXT,
    "comment": _TEXT,
    "created": _TEXT,
    "container": _TEXT,
    "containerconfig": _CONFIG,
    "dockerversion": _TEXT,
    "author": _TEXT,
    "config": _CONFIG,
    "architecture": _TEXT,
    "size": _INT,
    "kind": _TEXT,
    "apiversion": _TEXT,
}


def _check_fields(value: Mapping[str, Any], fields: Mapping[str, _Check]) -> None:
    if not _struct_of(fields)(value):
        raise UndecodableMetadata


def _field_of(value: Mapping[str, Any], name: str) -> Any:
    """The field ``name`` in any case; of several spellings the last counts, as in Go."""
    if name in value and len(value) == 1:
        return value[name]
    found = None
    lower = name.casefold()
    for key, item in value.items():
        if key.casefold() == lower:
            found = item
    return found
