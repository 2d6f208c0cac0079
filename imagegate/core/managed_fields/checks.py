"""Errors of an applied configuration, in the words of the original's library.

Source: sigs.k8s.io/structured-merge-diff v6, ``typed/validate.go`` and ``helpers.go``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from imagegate.core.kube.go_quote import go_quote, go_value
from imagegate.core.managed_fields.path_elements import field_element, shown
from imagegate.core.managed_fields.shapes import Form, NoElement, Shape

_NUMBERS = ("int32", "int64", "float64")
_ANY_SCALAR = ("quantity", "int-or-string")
_FRACTION = re.compile(
    r"json: cannot unmarshal number \S*[.eE]\S* into Go struct field .* of type \*?(?P<type>int(?:32|64))"
)
_ERRORS_MAX = 100
"""How many are listed: a body could have a million."""


def errors_text(shape: Shape, value: Any) -> str:
    """The places where a configuration does not fit the shape, as one message; empty if it fits."""
    found: list[str] = []
    for error in _errors(shape, value, ""):
        if len(found) == _ERRORS_MAX:
            break
        found.append(error)
    if len(found) <= 1:
        return "".join(found)
    return "\n  ".join(["errors:", *found])


def conversion_text(why: str) -> str:
    """A decoder's message in the words of the original's conversion of merged objects.

    Source: k8s.io/apimachinery 0.34, ``pkg/runtime/converter.go``.
    """
    if why.startswith("illegal base64"):
        return f"error decoding from json: {why}"
    found = _FRACTION.fullmatch(why)
    return f"cannot convert float64 to {found['type']}" if found else why


def _errors(shape: Shape, value: Any, path: str) -> Iterator[str]:
    if value is None or shape.form is Form.ANY:
        return
    if shape.form is Form.SCALAR:
        problem = _scalar_problem(shape.type, value)
        if problem:
            yield _at(path, problem)
    elif shape.form is Form.LIST:
        yield from _list_errors(shape, value, path)
    elif not isinstance(value, dict):
        yield _at(path, f"expected map, got &{{{go_value(value)}}}")
    else:
        for name, part in value.items():
            at, below = f"{path}{shown(field_element(name))}", shape.entry(name)
            if below is None:
                yield _at(at, "field not declared in schema")
                return
            yield from _errors(below, part, at)


def _at(path: str, problem: str) -> str:
    return f"{path}: {problem}" if path else problem


def _list_errors(shape: Shape, value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, list):
        yield _at(path, f"expected list, got &{{{go_value(value)}}}")
        return
    item, met = shape.item, set[str]()
    for index, entry in enumerate(value):
        element = f"i:{index}"
        if not shape.is_atomic:
            try:
                element = shape.element(entry)
            except NoElement as error:
                yield _at(path, f"element {index}: {error}")
                return
            if element in met:
                yield _at(path, f"duplicate entries for key {shown(element)}")
            met.add(element)
        yield from _errors(item, entry, f"{path}{shown(element)}")


def _scalar_problem(type_: str, value: Any) -> str:
    is_text, is_boolean = isinstance(value, str), isinstance(value, bool)
    is_number = isinstance(value, (int, float)) and not is_boolean
    if type_ in _NUMBERS:
        return "" if is_number else f"expected numeric (int or float), got {_go_type(value)}"
    if type_ == "boolean":
        return "" if is_boolean else f"expected boolean, got &{{{go_value(value)}}}"
    if type_ in _ANY_SCALAR:
        fits = is_text or is_number or is_boolean
        return "" if fits else f"expected any scalar, got &{{{go_value(value)}}}"
    return "" if is_text else f"expected string, got &value.valueUnstructured{{Value:{_go_syntax(value)}}}"


def _go_type(value: Any) -> str:
    if isinstance(value, (dict, list)):
        return "map[string]interface {}" if isinstance(value, dict) else "[]interface {}"
    return "bool" if isinstance(value, bool) else "string"


def _go_syntax(value: Any) -> str:
    """The value as Go's ``%#v`` prints it."""
    if isinstance(value, dict):
        listed = ", ".join(f"{go_quote(key)}:{_go_syntax(value[key])}" for key in sorted(value))
        return f"map[string]interface {{}}{{{listed}}}"
    if isinstance(value, list):
        return f"[]interface {{}}{{{', '.join(map(_go_syntax, value))}}}"
    if isinstance(value, str):
        return go_quote(value)
    return "interface {}(nil)" if value is None else json.dumps(value)
