"""Settings that map one text to another, or to a list."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from imagegate.documents.yaml.fields import Fields

NO_TEXTS: Mapping[str, str] = MappingProxyType({})
NO_LISTS: Mapping[str, tuple[str, ...]] = MappingProxyType({})


def text_map(fields: Fields, name: str) -> Mapping[str, str]:
    """Read texts by key."""
    return MappingProxyType(fields.text_map(name))


def list_map(fields: Fields, name: str) -> Mapping[str, tuple[str, ...]]:
    """Read lists of texts by key."""
    child = fields.child(name)
    return MappingProxyType({key: child.texts(key) or () for key in child.entries})
