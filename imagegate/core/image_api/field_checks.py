"""Checks of an object's fields against the table of types: wrong JSON types, unknown fields, repeated ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from imagegate.core.image_api.schema import ANY_FORM, SCALARS, TYPES


class TypeProblem(NamedTuple):
    """A value of the wrong JSON type."""

    path: str
    expected: str
    value: Any

    def __str__(self) -> str:
        expected = _ARTICLES.get(self.expected, f"a {self.expected}")
        return f"{self.path or 'document'}: expected {expected}, got {_named_type(self.value)}"


_ARTICLES = {
    "object": "an object",
    "int32": "an integer",
    "int64": "an integer",
    "float64": "a number",
    "int-or-string": "an integer or a string",
    "quantity": "a number or a string",
    "time": "a string",
    "micro-time": "a string",
    "bytes": "a string",
}


def _named_type(value: object) -> str:
    if isinstance(value, dict):
        return "an object"
    return "a list" if isinstance(value, list) else repr(value)[:80]


def is_scalar(type_: str, value: object) -> bool:
    """True if the value has this type of ``SCALARS``."""
    return isinstance(value, SCALARS[type_]) and (not isinstance(value, bool) or bool in SCALARS[type_])


def type_problems(type_: str, value: object, path: str = "") -> Iterator[TypeProblem]:
    """Every place in ``value`` whose JSON type differs from the table's. A null counts as absent."""
    if value is None:
        return
    if type_[0] == "[":
        yield from _list_problems(type_[1:-1], value, path)
    elif type_[0] == "{":
        yield from _map_problems(type_[1:-1], value, path)
    elif type_ in SCALARS and type_ not in ANY_FORM:
        if not is_scalar(type_, value):
            yield TypeProblem(path, type_, value)
    elif not isinstance(value, dict):
        yield TypeProblem(path, "object", value)
    elif type_ not in ANY_FORM:
        for name, field in TYPES[type_].items():
            if name in value:
                yield from type_problems(field.type, value[name], f"{path}.{name}" if path else name)


def _list_problems(item: str, value: object, path: str) -> Iterator[TypeProblem]:
    if not isinstance(value, list):
        yield TypeProblem(path, "list", value)
        return
    for index, entry in enumerate(value):
        if entry is None:
            yield TypeProblem(f"{path}[{index}]", "object" if item in TYPES else item, entry)
        yield from type_problems(item, entry, f"{path}[{index}]")


def _map_problems(item: str, value: object, path: str) -> Iterator[TypeProblem]:
    if not isinstance(value, dict):
        yield TypeProblem(path, "object", value)
        return
    for key, entry in value.items():
        yield from type_problems(item, entry, f"{path}[{key}]")


class FieldProblem(NamedTuple):
    """A field that strict field validation refuses; ``what`` is ``unknown`` or ``duplicate``."""

    what: str
    path: str

    def __str__(self) -> str:
        return f'{self.what} field "{self.path}"'


def field_problems(type_: str, value: object, repeated: Mapping[str, int], path: str = "") -> Iterator[FieldProblem]:
    """Every field that the type does not have, or that was written more than once, in the order of the document.

    Args:
        type_: of ``value``.
        value: as it was sent.
        repeated: paths of fields that were written more than once, and how often again.
        path: of ``value``.
    """
    if type_[0] in "[{":
        for entry, at in _entries(type_, value, path):
            for _ in range(repeated.get(at, 0) if type_[0] == "{" else 0):
                yield FieldProblem("duplicate", at)
            yield from field_problems(type_[1:-1], entry, repeated, at)
    elif type_ in TYPES and isinstance(value, dict):
        fields = TYPES[type_]
        for name, entry in value.items():
            at = f"{path}.{name}" if path else name
            if name not in fields:
                yield FieldProblem("unknown", at)
                continue
            for _ in range(repeated.get(at, 0)):
                yield FieldProblem("duplicate", at)
            yield from field_problems(fields[name].type, entry, repeated, at)


def _entries(type_: str, value: object, path: str) -> Iterator[tuple[object, str]]:
    if type_[0] == "[" and isinstance(value, list):
        yield from ((entry, f"{path}[{index}]") for index, entry in enumerate(value))
    elif type_[0] == "{" and isinstance(value, dict):
        yield from ((entry, f"{path}.{key}") for key, entry in value.items())
