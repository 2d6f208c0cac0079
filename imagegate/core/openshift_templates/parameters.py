"""The parameters of a Template and their values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from imagegate.errors import InvalidInput

_EXPRESSION = "expression"
"""The only generator that OpenShift has."""
_RANGE = re.compile(r"\[[a-zA-Z0-9\-\\]+\]\{[0-9]+\}")
"""The part of an expression that becomes random characters (``generatorsExp``)."""
_STRINGS = ("name", "value", "generate", "from")


class BadTemplate(InvalidInput):
    """A Template cannot be processed; ``field`` is the place, such as ``parameters[2].value``."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(f"{field}: {why}")
        self.field = field


class Parameter(NamedTuple):
    """One parameter."""

    name: str
    value: str | None
    """None: not known before the Template is processed in the cluster."""
    why: str = ""
    """Reason why the value is not known, or that it is empty."""


def read_parameters(template: Mapping[str, Any], given: Mapping[str, str], place: str) -> dict[str, Parameter]:
    """The parameters by name; ``given`` values come first, as those of ``oc process --param``.

    Raises:
        BadTemplate: a parameter does not have the form of the API, is defined twice, or names an unknown generator.
    """
    field = f"{place}parameters"
    entries = template.get("parameters")
    if entries is None:
        return {}
    if not isinstance(entries, list):
        raise BadTemplate(field, f"expected a list, got {type(entries).__name__}")
    found: dict[str, Parameter] = {}
    for index, entry in enumerate(entries):
        at = f"{field}[{index}]"
        parameter = _read(entry, given, at)
        if parameter.name in found:
            raise BadTemplate(at, f"parameter {parameter.name} is defined twice, and which value counts is not certain")
        found[parameter.name] = parameter
    return found


def _read(entry: Any, given: Mapping[str, str], at: str) -> Parameter:
    if not isinstance(entry, Mapping):
        raise BadTemplate(at, f"expected an object, got {type(entry).__name__}")
    for key in _STRINGS:
        if not isinstance(entry.get(key) or "", str):
            raise BadTemplate(f"{at}.{key}", f"expected a string, got {type(entry[key]).__name__}")
    required = entry.get("required") or False
    if not isinstance(required, bool):
        raise BadTemplate(f"{at}.required", f"expected true or false, got {type(required).__name__}")
    name, generate = entry.get("name") or "", entry.get("generate") or ""
    if not name:
        raise BadTemplate(at, "the parameter has no name")
    value = given.get(name, entry.get("value") or "")
    if not value and name not in given and generate:
        if generate != _EXPRESSION:
            raise BadTemplate(f"{at}.generate", f"unknown generator {generate!r}; OpenShift has {_EXPRESSION}")
        value = entry.get("from") or ""
        if _RANGE.search(value):
            return Parameter(name, None, f"parameter {name} is generated when the Template is processed")
    if value:
        return Parameter(name, value)
    why = f"parameter {name} has no value"
    return Parameter(name, None, f"{why}, and is required") if required else Parameter(name, "", why)
