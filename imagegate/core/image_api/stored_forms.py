"""Stored objects whose form is not valid for their kind: the valid parts are read.

Objects are checked before they are stored. A store may still hold objects of an earlier version or another program, and
one such object must not make a list fail for everybody.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from imagegate.core.image_api.field_checks import type_problems
from imagegate.core.image_api.resources import type_named
from imagegate.core.image_api.schema import OBJECT_META, TYPES
from imagegate.core.kube.go_time import time_error

T = TypeVar("T")
JsonObject = dict[str, Any]

_UNREADABLE = (AttributeError, KeyError, TypeError, ValueError)
"""Errors of code that relies on the types."""


def well_typed(kind: str, found: Mapping[str, Any]) -> JsonObject:
    """The object without fields of the wrong type; of unknown kinds, only the fields that all kinds have.

    Args:
        kind: of the object.
        found: as it is stored.
    """
    type_ = type_named(kind)
    if type_:
        return _well_typed(type_, dict(found)) or {}
    named = {key: found[key] for key in ("kind", "apiVersion") if isinstance(found.get(key), str)}
    metadata = _well_typed(OBJECT_META, found.get("metadata"))
    return {**named, "metadata": metadata} if metadata is not None else named


def _well_typed(type_: str, value: Any) -> Any:
    """The value without wrong parts, or None if it is wrong itself."""
    if type_[0] == "[":
        entries = (_well_typed(type_[1:-1], entry) for entry in value) if isinstance(value, list) else ()
        return [entry for entry in entries if entry is not None]
    if type_[0] == "{":
        if not isinstance(value, dict):
            return None
        return {key: entry for key, entry in value.items() if _well_typed(type_[1:-1], entry) is not None}
    if type_ in ("time", "micro-time") and isinstance(value, str) and time_error(value):
        return None
    if type_ not in TYPES:
        return None if value is None or next(type_problems(type_, value), None) else value
    if not isinstance(value, dict):
        return None
    fields = TYPES[type_]
    kept = {
        key: _well_typed(fields[key].type, entry) if key in fields else entry
        for key, entry in value.items()
        if entry is not None
    }
    return {key: entry for key, entry in kept.items() if entry is not None}


def repaired(kind: str, found: JsonObject) -> JsonObject:
    """The object itself if all types are right, else ``well_typed``."""
    type_ = type_named(kind)
    return found if not type_ or next(type_problems(type_, found), None) is None else well_typed(kind, found)


def tolerant(make: Callable[[JsonObject], T], kind: str, found: JsonObject) -> T:
    """``make`` of the object or, if that fails, of its well-typed part.

    Args:
        make: relies on the types.
        kind: of the object.
        found: as it is stored.
    """
    try:
        return make(found)
    except _UNREADABLE:
        return make(well_typed(kind, found))
