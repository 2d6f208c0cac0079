"""One step of a path to a field, as ``managedFields`` writes it.

``f:NAME`` is a field or a map's key, ``k:{...}`` the entry of a list with these keys, ``v:VALUE`` the entry of a set,
``i:INDEX`` a position. Each has one spelling here, so that two steps are the same exactly if their strings are.
Source: sigs.k8s.io/structured-merge-diff v6, ``fieldpath``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, TypeAlias

import orjson

from imagegate.core.kube.go_quote import go_json, go_quote
from imagegate.errors import InvalidInput

Order: TypeAlias = tuple[Any, ...]

_KINDS = "fkvi"
_INDEX = re.compile(r"[+-]?[0-9]{1,18}", re.ASCII)


class InvalidFields(InvalidInput):
    """A set of fields that cannot be read."""


def field_element(name: str) -> str:
    """The step to a field, or to the entry of a map."""
    return f"f:{name}"


def key_element(keys: Mapping[str, Any]) -> str:
    """The step to the entry of a list that has these values in its key fields."""
    return f"k:{go_json({name: keys[name] for name in sorted(keys)})}"


def value_element(value: Any) -> str:
    """The step to an entry of a set."""
    return f"v:{go_json(value)}"


def read_element(text: str) -> str | None:
    """The step in its one spelling; None: it is of a kind that later versions may know, and is left out.

    Raises:
        InvalidFields: it is none.
    """
    if len(text) < 2 or text[1] != ":":
        raise InvalidFields(f"{go_quote(text[:100])} is no step to a field")
    kind, rest = text[0], text[2:]
    if kind == "f":
        return text
    if kind == "i":
        if _INDEX.fullmatch(rest) is None:
            raise InvalidFields(f"{go_quote(text[:100])} has no index")
        return f"i:{int(rest)}"
    if kind not in _KINDS:
        return None
    value = _decoded(rest)
    if kind == "v":
        return value_element(value)
    if not isinstance(value, dict):
        raise InvalidFields(f"{go_quote(text[:100])} has no keys")
    return key_element(value)


def _decoded(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidFields(f"{go_quote(text[:100])} is not JSON") from error


@lru_cache(maxsize=4096)
def order(element: str) -> Order:
    """The place of a step among its siblings: fields, keyed entries, entries of sets, positions."""
    kind, rest = _KINDS.index(element[0]), element[2:]
    if kind == 0:
        return kind, rest
    value = orjson.loads(rest)
    if kind == 1:
        return kind, tuple((name, _value_order(each)) for name, each in value.items())
    return kind, _value_order(value)


def _value_order(value: Any) -> Order:
    """Numbers before strings before booleans before everything else."""
    if isinstance(value, bool):
        return 2, value
    if isinstance(value, (int, float)):
        return 0, value
    return (1, value) if isinstance(value, str) else (3, go_json(value))


def shown(element: str) -> str:
    """The step in a message: ``.spec``, ``[name="a"]``, ``[="x"]``."""
    kind, rest = element[0], element[2:]
    if kind == "f":
        return f".{rest}"
    if kind == "i":
        return f"[{rest}]"
    value = orjson.loads(rest)
    if kind == "v":
        return f"[={_value_text(value)}]"
    return f"[{','.join(f'{name}={_value_text(each)}' for name, each in value.items())}]"


def _value_text(value: Any) -> str:
    if isinstance(value, str):
        return go_quote(value)
    if isinstance(value, list):
        return f"[{','.join(map(_value_text, value))}]"
    if isinstance(value, dict):
        return "".join(f"{name}={_value_text(value[name])}" for name in sorted(value))
    return "null" if value is None else go_json(value)
