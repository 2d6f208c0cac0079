"""Decoding and encoding of objects as the original does: unknown fields dropped, defaults and zero values in place.

A request's object is brought into this form before any rule looks at it, so that a field that is not there, null, and
the zero value mean the same. Sources: sigs.k8s.io/json and Go's encoding/json for the messages; the tags ``omitempty``
of openshift/api, image/v1, which the table in ``schema`` shows as defaults.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from imagegate.core.image_api.schema import SCALARS, TYPES, Field
from imagegate.core.kube.go_time import time_error
from imagegate.errors import InvalidInput

_GO_SCALARS = {"string": "string", "boolean": "bool", "integer": "int64", "bytes": "[]uint8", "time": "string"}
_INT64 = range(-(2**63), 2**63)
_KIND = ("kind", "apiVersion")


class WrongType(InvalidInput):
    """A value does not have the type of its field; ``str()`` is the decoder's message."""


def decoded(type_: str, value: object) -> dict[str, Any]:
    """The object as it is processed: without unknown fields, and in the form in which it is written.

    Args:
        type_: of the object: an entry of the table.
        value: as it was sent. Not changed.

    Raises:
        WrongType: a field has the wrong type.
    """
    if not isinstance(value, dict):
        raise WrongType(f"json: cannot unmarshal {_go_kind(value)} into Go value of type v1.{type_}")
    head = {key: value[key] for key in _KIND if value.get(key)}
    return {**head, **_struct(type_, value, "")}


def _struct(type_: str, value: Mapping[str, Any], path: str) -> dict[str, Any]:
    fields = TYPES[type_]
    given = {}
    for name, entry in value.items():
        field = fields.get(name)
        if field is not None and entry is not None:
            at = f"{path}.{name}" if path else name
            given[name] = _value(field.type, entry, at, type_, field)
    kept = {}
    for name, field in fields.items():
        found = given.get(name)
        if name in _KIND and "metadata" in fields:  # of objects; references name others
            continue
        if found or (found is not None and _is_written(field, found)):
            kept[name] = found
        elif field.default is not None:
            kept[name] = _struct(field.type, {}, "") if field.default == {} else field.default
        elif field.required or field.is_nullable:
            kept[name] = found if found == [] and field.required else None
    return kept


def _is_written(field: Field, found: Any) -> bool:
    """True if a zero value is written: of pointers, and of raw objects."""
    return field.is_nullable or (found == {} and (field.type[0].isupper() or field.type == "raw"))


def _value(type_: str, value: Any, path: str, struct: str, field: Field) -> Any:
    if type_[0] == "[":
        return _list(type_[1:-1], value, path, struct, field)
    if type_[0] == "{":
        if not isinstance(value, dict):
            raise _wrong(value, struct, path, _go_type(field, type_))
        return {key: _entry(type_[1:-1], entry, path, struct, field) for key, entry in value.items()}
    if type_ in SCALARS:
        return _scalar(type_, value, path, struct, field)
    if type_ in ("object", "raw", "any"):
        return value
    if not isinstance(value, dict):
        raise _wrong(value, struct, path, _go_type(field, type_))
    return _struct(type_, value, path)


def _list(item: str, value: Any, path: str, struct: str, field: Field) -> list[Any]:
    if not isinstance(value, list):
        raise _wrong(value, struct, path, _go_type(field, field.type))
    return [_entry(item, entry, path, struct, field) for entry in value]


def _entry(type_: str, value: Any, path: str, struct: str, field: Field) -> Any:
    if value is not None:
        return _value(type_, value, path, struct, field._replace(type=type_, go_type=""))
    return "" if type_ == "string" else _struct(type_, {}, path) if type_ in TYPES else value


def _scalar(type_: str, value: Any, path: str, struct: str, field: Field) -> Any:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if type_ == "integer" and is_number:
        if isinstance(value, float) or value not in _INT64:
            raise _wrong(value, struct, path, "int64", number=str(value))
        return value
    if not isinstance(value, SCALARS[type_]) or (isinstance(value, bool) and type_ != "boolean"):
        raise _wrong(value, struct, path, _go_type(field, type_))
    if type_ == "time":
        problem = time_error(str(value))
        if problem:
            raise WrongType(problem)
    if type_ == "bytes":
        _check_base64(str(value))
    return value


def _check_base64(text: str) -> None:
    plain = text.replace("\r", "").replace("\n", "")
    try:
        base64.b64decode(plain, validate=True)
    except (binascii.Error, ValueError) as error:
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
        at = next((index for index, letter in enumerate(text) if letter not in alphabet), len(text))
        raise WrongType(f"illegal base64 data at input byte {at}") from error


def _go_type(field: Field, type_: str) -> str:
    if field.go_type:
        return field.go_type
    if type_[0] == "[":
        return f"[]{_go_type(field._replace(go_type=''), type_[1:-1])}"
    if type_[0] == "{":
        return f"map[string]{_go_type(field._replace(go_type=''), type_[1:-1])}"
    return _GO_SCALARS.get(type_) or f"v1.{type_}"


def _wrong(value: Any, struct: str, path: str, go_type: str, *, number: str = "") -> WrongType:
    what = f"number {number}" if number else _go_kind(value)
    return WrongType(f"json: cannot unmarshal {what} into Go struct field {struct}.{path} of type {go_type}")


def _go_kind(value: object) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, dict):
        return "object"
    if isinstance(value, list):
        return "array"
    return "string" if isinstance(value, str) else "number" if value is not None else "null"
