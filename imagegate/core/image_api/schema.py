"""The types of image.openshift.io/v1 as data: ``types.json``.

Source: the OpenAPI document of openshift-apiserver, and for ObjectMeta and the like that of Kubernetes 1.34. One table
serves every reader: checks of objects from files and requests, decoding, field validation, and the OpenAPI documents
that ``kubectl explain`` reads.

A type is ``string``, ``boolean``, ``integer``, ``time``, ``bytes`` (base64), ``raw`` (an object of any form),
``object`` (anything with keys), ``any``, the name of another entry, or one of these in ``[...]`` (a list) or ``{...}``
(a map from strings).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib import resources
from typing import Any, NamedTuple, TypeAlias

import orjson


class Field(NamedTuple):
    """One field of a type."""

    type: str
    description: str
    required: bool = False
    default: Any = None
    """Written where an object has no value: such a field is never left out. None: it is."""
    is_nullable: bool = False
    """Written as null where an object has no value."""
    go_type: str = ""
    """The type's name in messages, where it is not derived from ``type``."""
    merge_key: str = ""
    patch_strategy: str = ""


Fields: TypeAlias = Mapping[str, Field]


class _Types(Mapping[str, Fields]):
    """The table, read on first use."""

    @cached_property
    def _document(self) -> dict[str, Any]:
        found: dict[str, Any] = orjson.loads(resources.files(__package__).joinpath("types.json").read_bytes())
        return found

    @cached_property
    def _types(self) -> dict[str, Fields]:
        return {
            name: {field: _field(entry) for field, entry in type_["fields"].items()}
            for name, type_ in self._document.items()
        }

    def description(self, name: str) -> str:
        """Description of a type; empty if it has none."""
        return str(self._document[name].get("description") or "")

    def __getitem__(self, name: str) -> Fields:
        return self._types[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._types)

    def __len__(self) -> int:
        return len(self._types)


def _field(entry: Mapping[str, Any]) -> Field:
    return Field(
        entry["type"],
        entry["description"],
        required=bool(entry.get("required")),
        default=entry.get("default"),
        is_nullable=bool(entry.get("null")),
        go_type=entry.get("goType") or "",
        merge_key=entry.get("mergeKey") or "",
        patch_strategy=entry.get("patchStrategy") or "",
    )


TYPES = _Types()


class TypeProblem(NamedTuple):
    """A value of the wrong JSON type."""

    path: str
    expected: str
    value: Any

    def __str__(self) -> str:
        expected = _ARTICLES.get(self.expected, self.expected)
        return f"{self.path or 'document'}: expected {expected}, got {_named_type(self.value)}"


_ARTICLES = {
    "object": "an object",
    "list": "a list",
    "string": "a string",
    "boolean": "a boolean",
    "integer": "an integer",
}
SCALARS: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "time": (str,),
    "bytes": (str,),
    "integer": (int,),
    "boolean": (bool,),
}


def _named_type(value: object) -> str:
    if isinstance(value, dict):
        return "an object"
    return "a list" if isinstance(value, list) else repr(value)[:80]


def type_problems(type_: str, value: object, path: str = "") -> Iterator[TypeProblem]:
    """Every place in ``value`` whose JSON type differs from the table's. A null counts as absent."""
    if value is None or type_ == "any":
        return
    if type_[0] == "[":
        yield from _list_problems(type_[1:-1], value, path)
    elif type_[0] == "{":
        yield from _map_problems(type_[1:-1], value, path)
    elif type_ in SCALARS:
        is_wrong = not isinstance(value, SCALARS[type_]) or (type_ == "integer" and isinstance(value, bool))
        if is_wrong:
            yield TypeProblem(path, "string" if type_ in ("time", "bytes") else type_, value)
    elif not isinstance(value, dict):
        yield TypeProblem(path, "object", value)
    elif type_ not in ("object", "raw"):
        for name, field in TYPES[type_].items():
            if name in value:
                yield from type_problems(field.type, value[name], f"{path}.{name}" if path else name)


def _list_problems(item: str, value: object, path: str) -> Iterator[TypeProblem]:
    if not isinstance(value, list):
        yield TypeProblem(path, "list", value)
        return
    for index, entry in enumerate(value):
        if entry is None:
            yield TypeProblem(f"{path}[{index}]", "object" if item[0].isupper() else item, entry)
        yield from type_problems(item, entry, f"{path}[{index}]")


def _map_problems(item: str, value: object, path: str) -> Iterator[TypeProblem]:
    if not isinstance(value, dict):
        yield TypeProblem(path, "object", value)
        return
    for key, entry in value.items():
        if entry is None:
            continue
        yield from type_problems(item, entry, f"{path}[{key}]")


def unknown_fields(type_: str, value: object, path: str = "") -> Iterator[str]:
    """The path of every field that the type does not have."""
    for problem in field_problems(type_, value, {}, path):
        yield problem.path


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
