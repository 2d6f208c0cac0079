"""Values of YAML scalars: YAML 1.1 as Kubernetes reads it.

Source: go.yaml.in/yaml/v2 ``resolve.go``, on which ``sigs.k8s.io/yaml`` is built: ``yes``, ``on`` and ``y`` are
booleans, ``010`` is 8, timestamps stay strings.
"""

from __future__ import annotations

import re

from imagegate.documents.yaml.nodes import Scalar

_TRUE = frozenset({"y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"})
_FALSE = frozenset({"n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"})
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_SPECIAL_FLOATS = {
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
}
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_INTEGER = re.compile(
    r"(?P<sign>[-+]?)(?:0[xX](?P<hex>[0-9a-fA-F]+)|0[bB](?P<bin>[01]+)|0[oO]?(?P<oct>[0-7]+)|(?P<dec>0|[1-9][0-9]*))"
)
_BASES = {"hex": 16, "bin": 2, "oct": 8, "dec": 10}
_NUMBER_MAX_LENGTH = 400
_INT64_MIN, _UINT64_MAX = -(2**63), 2**64 - 1


class BadYaml(ValueError):
    """A value breaks a rule of YAML; ``str()`` says which, without the place."""


def resolve_plain(text: str) -> Scalar:
    """The value of an untagged, unquoted scalar."""
    if text in _NULL:
        return None
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    first = text[0]
    if first not in "+-.0123456789" or len(text) > _NUMBER_MAX_LENGTH:
        return text
    return _number(text)


def _number(text: str) -> Scalar:
    digits = text.replace("_", "")
    found = _INTEGER.fullmatch(digits)
    if found is not None and found.lastgroup is not None:
        magnitude = int(found[found.lastgroup], _BASES[found.lastgroup])
        value = -magnitude if found["sign"] == "-" else magnitude
        if _INT64_MIN <= value <= _UINT64_MAX:
            return value
    if text in _SPECIAL_FLOATS:
        return _SPECIAL_FLOATS[text]
    if _FLOAT.fullmatch(digits):
        return float(digits)
    return text


def resolve_tagged(text: str, tag: str) -> Scalar:
    """The value of a scalar with an explicit tag; an unknown tag leaves the string.

    Raises:
        BadYaml: the string does not fit the tag.
    """
    name = tag.removeprefix("tag:yaml.org,2002:")
    if name not in ("bool", "int", "float", "null"):
        return text
    value = resolve_plain(text)
    fits = {
        "bool": isinstance(value, bool),
        "int": isinstance(value, int) and not isinstance(value, bool),
        "float": isinstance(value, (int, float)) and not isinstance(value, bool),
        "null": value is None,
    }[name]
    if not fits:
        raise BadYaml(f"{text!r:.80} is not a {name}")
    return float(value) if name == "float" and value is not None else value
