"""Image streams, tags, images and namespaces from files, as the API would return them.

Kubernetes objects grow, so unknown fields and objects of other kinds are let through; a known field of the wrong
type is an error, since a rule could not be decided on it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from imagegate.documents.yaml.nodes import Node, plain
from imagegate.documents.yaml.source import DOCUMENT_MAX_BYTES, read_source
from imagegate.errors import InvalidPolicy

IMAGE_API_VERSIONS = ("image.openshift.io/v1", "v1")
API_VERSIONS: Mapping[str, tuple[str, ...]] = {
    "ImageStream": IMAGE_API_VERSIONS,
    "ImageStreamTag": IMAGE_API_VERSIONS,
    "ImageStreamImage": IMAGE_API_VERSIONS,
    "Image": IMAGE_API_VERSIONS,
    "Namespace": ("v1",),
}
CLUSTER_SCOPED = frozenset({"Image", "Namespace"})
_PATH_STEP = re.compile(r"\[([^\]]*)\]|([^.\[\]]+)")


class InvalidObject(InvalidPolicy):
    """An object in a file is malformed."""


@dataclass(frozen=True, slots=True)
class WrittenObject:
    """An object and its place (``FILE:LINE``; only ``FILE`` where the line is not known)."""

    kind: str
    object: dict[str, Any]
    where: str


def read_image_objects(text: str, name: str, *, namespace: str) -> list[WrittenObject]:
    """The objects of one file, lists flattened.

    Args:
        text: YAML documents or one JSON value.
        name: the file's name, for messages.
        namespace: of namespaced objects that name none.

    Raises:
        BadSource: not YAML or JSON.
        InvalidObject: an object without a name, of a wrong API version or with a field of a wrong type.
    """
    quick = _quick_json(text)
    if quick is not None:
        try:
            return list(_objects(quick, Node(None, 0), name, namespace))
        except InvalidObject:
            if len(text) > DOCUMENT_MAX_BYTES:
                raise
    source = read_source(text, name)
    return [found for node in source.documents for found in _objects(plain(node), node, name, namespace)]


def _quick_json(text: str) -> object | None:
    """The value of a JSON document, quickly and without lines; None if it is not JSON."""
    if not text.lstrip().startswith("{"):
        return None
    try:
        value: object = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return value


def _objects(value: object, node: Node, name: str, namespace: str) -> Iterator[WrittenObject]:
    if value is None:
        return
    if not isinstance(value, dict):
        raise InvalidObject(f"{_where(name, node.line)}: expected an object with apiVersion and kind")
    kind = value.get("kind")
    if isinstance(kind, str) and kind.endswith("List") and isinstance(value.get("items"), list):
        for index, item in enumerate(value["items"]):
            if isinstance(item, dict) and kind != "List":
                item = {"kind": kind.removesuffix("List"), "apiVersion": value.get("apiVersion"), **item}
            yield from _objects(item, _child(node, f"items[{index}]"), name, namespace)
    elif isinstance(kind, str) and _is_known(kind, value.get("apiVersion")):
        yield _checked(kind, value, node, name, namespace)
    elif not isinstance(kind, str):
        raise InvalidObject(f"{_where(name, node.line)}: kind: expected a string, got {kind!r:.80}")


def _is_known(kind: str, api_version: object) -> bool:
    """True for the objects read here; a kind of the same name in another group (``Image`` of a CRD) is not one."""
    return api_version in API_VERSIONS.get(kind, ())


def _checked(kind: str, value: dict[str, Any], node: Node, name: str, namespace: str) -> WrittenObject:
    from imagegate.core.image_api.field_checks import type_problems  # imported when there are objects: takes time
    from imagegate.core.image_api.resources import type_named

    for problem in type_problems(type_named(kind), value):
        line = _line_of(node, problem.path)
        raise InvalidObject(f"{_where(name, line)}: {kind}: {problem}")
    metadata = value.get("metadata") or {}
    if not metadata.get("name"):
        raise InvalidObject(f"{_where(name, _line_of(node, 'metadata'))}: {kind}: metadata.name: required")
    if kind not in CLUSTER_SCOPED and not metadata.get("namespace"):
        value = {**value, "metadata": {**metadata, "namespace": namespace}}
    return WrittenObject(kind, value, _where(name, node.line))


def _where(name: str, line: int) -> str:
    return f"{name}:{line}" if line else name


def _child(node: Node, path: str) -> Node:
    """The node at ``path`` below ``node``, or the deepest one on the way there."""
    for index, key in _PATH_STEP.findall(path):
        step = index or key
        match node.value:
            case dict() as entries if step in entries:
                node = entries[step]
            case list() as items if step.isdecimal() and int(step) < len(items):
                node = items[int(step)]
            case _:
                return node
    return node


def _line_of(node: Node, path: str) -> int:
    return _child(node, path).line
