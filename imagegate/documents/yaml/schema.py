"""JSON Schemas of documents, made by the readers of the documents themselves.

A reader runs over a ``Recorder`` in place of a mapping, which notes the name and type of every field that it asks for.
So a field cannot be missing in a schema.
"""

# ruff: noqa: ARG002, D102 - the methods of Fields, of which only the names of fields matter here

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from imagegate.documents.yaml.fields import Fields, Report
from imagegate.documents.yaml.nodes import Node

T = TypeVar("T")
Schema = dict[str, Any]
DRAFT = "https://json-schema.org/draft/2020-12/schema"
_ANY_KEY = "<any>"
"""Stands for every key of a mapping whose keys are free."""


class Recorder(Fields):
    """Answers like an empty document, and notes what it is asked for."""

    __slots__ = ("_has", "properties", "required")

    def __init__(self, *, has: bool) -> None:
        super().__init__(Node({}, 1), "", Report("schema"))
        self._has = has
        self.properties: dict[str, Schema] = {}
        self.required: set[str] = set()

    def _note(self, name: str, schema: Schema) -> None:
        kind = schema.get("type")
        nullable = {**schema, "type": [kind, "null"]} if isinstance(kind, str) else schema
        if "enum" in nullable:
            nullable["enum"] = [*nullable["enum"], None]
        self.properties[name] = nullable

    def has(self, name: str) -> bool:
        return self._has

    def text(self, name: str, default: str = "") -> str:
        self._note(name, {"type": "string"})
        return default

    def choice(self, name: str, choices: Sequence[str], default: str) -> str:
        self._note(name, {"type": "string", "enum": [str(choice) for choice in choices]})
        return default or str(choices[0])

    def flag(self, name: str, default: bool = False) -> bool:
        self._note(name, {"type": "boolean"})
        return default

    def integer(self, name: str, default: int, *, minimum: int | None = None, maximum: int | None = None) -> int:
        self._note(name, {"type": "integer", **_bounds(minimum, maximum)})
        return default

    def number(self, name: str, default: float, *, minimum: float | None = None, maximum: float | None = None) -> float:
        self._note(name, {"type": "number", **_bounds(minimum, maximum)})
        return default

    def texts(self, name: str) -> tuple[str, ...] | None:
        self._note(name, {"type": "array", "items": {"type": "string"}})
        return None

    def each(self, name: str, read: Callable[[Fields], T]) -> tuple[T, ...] | None:
        self._note(name, {"type": "array", "items": recorded(read)})
        return None

    def child(self, name: str) -> Fields:
        inner = Recorder(has=self._has)
        inner.entries = {_ANY_KEY: Node({}, 1)}
        schema: Schema = {"type": "object", "properties": inner.properties}
        schema["additionalProperties"] = False
        self._note(name, schema)
        self.properties[name] = _Mapping(self.properties[name], inner)
        return inner

    def text_map(self, name: str) -> dict[str, str]:
        self._note(name, {"type": "object", "additionalProperties": {"type": "string"}})
        return {}

    def error(self, name: str, text: str) -> None:
        if text == "Required value" and not self._has:
            self.required.add(name)


class _Mapping(dict[str, Any]):
    """The schema of a mapping, completed once its reader is done."""

    def __init__(self, schema: Schema, inner: Recorder) -> None:
        super().__init__(schema)
        self.inner = inner

    def complete(self) -> Schema:
        found = {name: _completed(each) for name, each in self.inner.properties.items()}
        free = found.pop(_ANY_KEY, None)
        schema = {**self, "properties": found, "additionalProperties": False if free is None else free}
        if self.inner.required:
            schema["required"] = sorted(self.inner.required)
        return schema


def _completed(schema: Schema) -> Schema:
    if isinstance(schema, _Mapping):
        return schema.complete()
    return {key: _completed(value) if isinstance(value, dict) else value for key, value in schema.items()}


def _bounds(minimum: float | None, maximum: float | None) -> Schema:
    return {key: value for key, value in (("minimum", minimum), ("maximum", maximum)) if value is not None}


def recorded(read: Callable[[Fields], Any]) -> Schema:
    """The schema of the mapping that a reader reads: once as if everything was there, once as if nothing was."""
    full, empty = Recorder(has=True), Recorder(has=False)
    for recorder in (empty, full):
        read(recorder)
    properties = {name: _completed(each) for name, each in (empty.properties | full.properties).items()}
    schema: Schema = {"type": "object", "additionalProperties": False, "properties": properties}
    if empty.required:
        schema["required"] = sorted(empty.required)
    return schema
