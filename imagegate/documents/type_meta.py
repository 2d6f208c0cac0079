"""How Kubernetes' decoder finds the version and kind of a document (apimachinery: ``json.SimpleMetaFactory``,
``schema.ParseGroupVersion``, ``gvkWithDefaults``).

The decoder looks for the two names in any letter case, although it reads the rest of the document, and what it writes
back, with exact names. What a document leaves out comes from the type that is read into.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from imagegate.core.kube.go_quote import go_quote
from imagegate.documents.yaml.nodes import Node

API_VERSION, KIND = "apiVersion", "kind"


@dataclass(frozen=True, slots=True)
class GroupVersionKind:
    """A type of the API; empty parts are not known."""

    group: str
    version: str
    kind: str

    @property
    def api_version(self) -> str:
        """``GROUP/VERSION``, or ``VERSION`` of the group without a name."""
        return f"{self.group}/{self.version}" if self.group else self.version


class BadTypeMeta(Exception):
    """The version or kind cannot be read: the key, and why."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(reason)
        self.key = key


def converted_keys(node: Node) -> Iterable[tuple[str, object]]:
    """The keys and values of a YAML document in the order they have once it was converted to JSON: sorted by bytes."""
    return sorted((key, child.value) for key, child in node.value.items()) if isinstance(node.value, dict) else ()


def written_keys(text: str) -> Iterable[tuple[str, object]]:
    """The keys and values of a JSON object (valid JSON, as its reader has found) as written, with repeated ones."""
    pairs: Iterable[tuple[str, object]] = json.loads(text, object_pairs_hook=list)
    return pairs


def type_of(keys: Iterable[tuple[str, object]], default: GroupVersionKind) -> GroupVersionKind:
    """The type of a document.

    Args:
        keys: the keys and values of the document, in order. The last value counts, but for null.
        default: the type that is read into; it fills in what the document leaves out.

    Raises:
        BadTypeMeta: a value is not a string, or the version has more than one ``/``.
    """
    values = {API_VERSION: "", KIND: ""}
    for key, value in keys:
        if (name := _name(key)) is None or value is None:
            continue
        if not isinstance(value, str):
            raise BadTypeMeta(key, "not a string")
        values[name] = value
    group, version = _group_version(values[API_VERSION])
    if not version and group in ("", default.group):
        group, version = default.group, default.version
    return GroupVersionKind(group, version, values[KIND] or default.kind)


def _name(key: str) -> str | None:
    folded = key.casefold()
    return next((name for name in (API_VERSION, KIND) if name.casefold() == folded), None)


def _group_version(text: str) -> tuple[str, str]:
    if text in ("", "/"):
        return "", ""
    if text.count("/") > 1:
        raise BadTypeMeta(API_VERSION, f"{go_quote(text)} is not GROUP/VERSION")
    group, _, version = text.rpartition("/")
    return group, version
