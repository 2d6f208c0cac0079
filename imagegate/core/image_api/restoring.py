"""The words in which a strategic merge patch is refused whose result does not have the types of its fields.

The original restores an object from maps there, and does not decode it from JSON, so it has other words for the same.
Source: k8s.io/apimachinery 0.34, ``pkg/runtime/converter.go``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from imagegate.core.image_api.schema import ANY_FORM, SCALARS, TYPES, Field

_KINDS = {"string": "string", "boolean": "bool", "int32": "int32", "int64": "int64", "float64": "float64"}
"""Types that are copied without a decoder of their own, with their kind in Go."""
_CONVERTED = {"string": ("int64",), "int32": ("float64",), "int64": ("float64",)}
"""Kinds that Go could convert, and the original does not."""


def restoring_problem(type_: str, value: Mapping[str, Any]) -> str:
    """The first problem in the order of the Go type's fields; empty if there is none that has words of its own."""
    return next(_problems(type_, value, Field("", type_)), "")


def _problems(type_: str, value: Any, field: Field) -> Iterator[str]:
    if value is None or type_ in ANY_FORM:
        return
    if type_[0] in "[{":
        yield from _container_problems(type_, value, field)
    elif type_ == "bytes":
        if not isinstance(value, str):
            yield f"cannot restore slice from {_kind(value)}"
    elif type_ in SCALARS:
        yield from _scalar_problems(type_, value, field)
    elif not isinstance(value, Mapping):
        yield f"cannot restore struct from: {_kind(value)}"
    else:
        for part in TYPES.parts(type_):
            inside = value.get(part.name) if part.name else value
            yield from _problems(part.type, inside, part)


def _container_problems(type_: str, value: Any, field: Field) -> Iterator[str]:
    item = field._replace(type=field.item, go_type=_item_of(field.go_type))
    if type_[0] == "[":
        if not isinstance(value, list):
            yield f"cannot restore slice from {_kind(value)}"
            return
        inside = value
    else:
        if not isinstance(value, Mapping):
            yield f"cannot restore map from {_kind(value)}"
            return
        inside = list(value.values())
    for entry in inside:
        yield from _problems(type_[1:-1], entry, item)


def _scalar_problems(type_: str, value: Any, field: Field) -> Iterator[str]:
    wanted, kind = _KINDS.get(type_), _kind(value)
    if wanted is None or kind == wanted or (kind == "int64" and wanted in ("int32", "float64")):
        return
    if kind not in _CONVERTED.get(wanted, ()):
        yield f"unrecognized type: {wanted}"
    elif kind != "float64" or not value.is_integer():
        yield f"cannot convert {kind} to {field.go_type or wanted}"


def _item_of(go_type: str) -> str:
    """The Go type of the entries of a list or map."""
    return go_type.partition("]")[2]


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int64"
    if isinstance(value, float):
        return "float64"
    if isinstance(value, str):
        return "string"
    return "slice" if isinstance(value, list) else "map"
