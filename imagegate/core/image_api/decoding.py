"""Decoding and encoding of objects as the original does: unknown fields dropped, defaults and zero values in place.

A request's object is brought into this form before any rule looks at it, so that a field that is not there, null, and
the zero value mean the same. Sources: sigs.k8s.io/json and Go's encoding/json for the messages; the tags of the Go
types, which the table in ``schema`` has.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from imagegate.core.image_api.field_checks import is_scalar
from imagegate.core.image_api.schema import ANY_FORM, SCALARS, TYPES, Field, go_type, short_name
from imagegate.core.kube.go_json import json_kind
from imagegate.core.kube.go_time import time_error
from imagegate.core.kube.quantity import Quantity
from imagegate.errors import InvalidInput

_INTEGERS = {"int32": range(-(2**31), 2**31), "int64": range(-(2**63), 2**63)}
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
        raise WrongType(f"json: cannot unmarshal {json_kind(value)} into Go value of type {go_type(type_)}")
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
        if found or (found is not None and _keeps_zero(field, found)):
            kept[name] = found
        elif not field.is_written:
            continue
        elif field.default is not None:
            kept[name] = _struct(field.type, {}, "") if field.default == {} else field.default
        else:
            kept[name] = found if found == [] and field.required else None
    return kept


def _keeps_zero(field: Field, found: Any) -> bool:
    """True if a zero value is written: of pointers, and of objects."""
    return field.is_nullable or field.is_pointer or (found == {} and (field.type in TYPES or field.type in ANY_FORM))


def _value(type_: str, value: Any, path: str, struct: str, field: Field) -> Any:
    if type_[0] == "[":
        if not isinstance(value, list):
            raise _wrong(value, struct, path, field.go_type)
        return [_entry(type_[1:-1], entry, path, struct, field) for entry in value]
    if type_[0] == "{":
        if not isinstance(value, dict):
            raise _wrong(value, struct, path, field.go_type)
        return {key: _entry(type_[1:-1], entry, path, struct, field) for key, entry in value.items()}
    if type_ in ANY_FORM:
        return value
    if type_ in SCALARS:
        return _scalar(type_, value, path, struct, field)
    if not isinstance(value, dict):
        raise _wrong(value, struct, path, field.go_type)
    return _struct(type_, value, path)


def _entry(type_: str, value: Any, path: str, struct: str, field: Field) -> Any:
    if value is not None:
        container, _, item = field.go_type.partition("]")
        named = item if container.startswith(("[", "map[")) else go_type(type_)
        return _value(type_, value, path, struct, field._replace(type=type_, go_type=named))
    return "" if type_ == "string" else _struct(type_, {}, path) if type_ in TYPES else value


def _scalar(type_: str, value: Any, path: str, struct: str, field: Field) -> Any:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if type_ in _INTEGERS and is_number:
        if isinstance(value, float) or value not in _INTEGERS[type_]:
            raise _wrong(value, struct, path, field.go_type, number=str(value))
        return value
    if type_ == "quantity":
        return _quantity(value)
    if type_ == "int-or-string":
        return _int_or_string(value)
    if not is_scalar(type_, value):
        raise _wrong(value, struct, path, "string" if type_ in ("time", "micro-time") else field.go_type)
    if type_ in ("time", "micro-time"):
        problem = time_error(str(value))
        if problem:
            raise WrongType(problem)
    if type_ == "bytes":
        return _base64(str(value))
    return value


def _quantity(value: Any) -> str:
    """A quantity in its canonical form.

    Raises:
        WrongType: it is none.
    """
    try:
        return str(Quantity.parse(value))
    except InvalidInput as error:
        raise WrongType(str(error)) from error


def _int_or_string(value: Any) -> Any:
    if not is_scalar("int-or-string", value) or (isinstance(value, int) and value not in _INTEGERS["int32"]):
        what = (
            f"number {value}" if isinstance(value, (int, float)) and not isinstance(value, bool) else json_kind(value)
        )
        raise WrongType(f"json: cannot unmarshal {what} into Go value of type int32")
    return value


def _base64(text: str) -> str:
    """The bytes, encoded anew: a text may have line breaks."""
    plain = text.replace("\r", "").replace("\n", "")
    try:
        return base64.b64encode(base64.b64decode(plain, validate=True)).decode("ascii")
    except (binascii.Error, ValueError) as error:
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
        at = next((index for index, letter in enumerate(text) if letter not in alphabet), len(text) // 4 * 4)
        raise WrongType(f"illegal base64 data at input byte {at}") from error


def _wrong(value: Any, struct: str, path: str, go_name: str, *, number: str = "") -> WrongType:
    what = f"number {number}" if number else json_kind(value)
    return WrongType(
        f"json: cannot unmarshal {what} into Go struct field {short_name(struct)}.{path} of type {go_name}"
    )
