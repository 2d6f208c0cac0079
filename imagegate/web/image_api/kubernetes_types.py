"""Checks that the fields of Kubernetes' own kinds have their types, as an API server does while decoding.

The types are in ``kubernetes_messages.json``, made from the published API definitions. A field that is not listed there
is not checked: these kinds grow.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from importlib import resources
from typing import Any

import orjson

_SCALARS: dict[str, tuple[tuple[type, ...], str]] = {
    "string": ((str,), "a string"),
    "bytes": ((str,), "a string"),
    "time": ((str,), "a string"),
    "bool": ((bool,), "a boolean"),
    "int": ((int,), "an integer"),
    "int-or-string": ((int, str), "an integer or a string"),
    "quantity": ((int, float, str), "a number or a string"),
}
_LIKE_PODS = {"spec": "object", "status": "object", "metadata": "meta.ObjectMeta"}


@lru_cache(maxsize=1)
def _table() -> tuple[dict[str, dict[str, str]], dict[str, str]]:
    """Types with their fields, and the type of each kind (``VERSION KIND``)."""
    found = orjson.loads(resources.files("imagegate.web.image_api").joinpath("kubernetes_messages.json").read_bytes())
    messages: dict[str, Any] = found["messages"]

    def fields(message: str) -> dict[str, str]:
        named: dict[str, str] = {}
        for name, type_, *_ in messages[message].values():
            named.update({name: type_} if name else fields(type_))  # without a name: its fields are written here
        return named

    return {message: fields(message) for message in messages}, found["roots"]


def type_problem(api_version: str, kind: str, body: dict[str, Any]) -> str:
    """The first field that is not of its type, in words; empty: none.

    Args:
        api_version: of the kind.
        kind: one that is served; of those of OpenShift only the outermost fields are known.
        body: the object as it was sent.
    """
    types, roots = _table()
    root = roots.get(f"{api_version} {kind}")
    fields = types[root] if root is not None else _LIKE_PODS
    return next(_field_problems(types, fields, body, ""), "")


def _field_problems(
    types: dict[str, dict[str, str]], fields: dict[str, str], value: dict[str, Any], path: str
) -> Iterator[str]:
    for name, type_ in fields.items():
        if value.get(name) is not None:
            yield from _problems(types, type_, value[name], f"{path}.{name}" if path else name)


def _problems(types: dict[str, dict[str, str]], type_: str, value: Any, path: str) -> Iterator[str]:
    if value is None or type_ in ("unknown", "raw"):
        return
    if type_ == "strings":
        yield from _problems(types, "[string]", value, path)
    elif type_[0] == "[":
        if not isinstance(value, list):
            yield _text(path, "a list", value)
            return
        for index, entry in enumerate(value):
            yield from _problems(types, type_[1:-1], entry, f"{path}[{index}]")
    elif type_ in _SCALARS:
        allowed, expected = _SCALARS[type_]
        if not isinstance(value, allowed) or (isinstance(value, bool) and bool not in allowed):
            yield _text(path, expected, value)
    elif not isinstance(value, dict):
        yield _text(path, "an object", value)
    elif type_[0] == "{":
        for key, entry in value.items():
            yield from _problems(types, type_[1:-1], entry, f"{path}[{key:.100}]")
    else:
        yield from _field_problems(types, types.get(type_, {}), value, path)


def _text(path: str, expected: str, value: Any) -> str:
    got = "an object" if isinstance(value, dict) else "a list" if isinstance(value, list) else repr(value)[:80]
    return f"{path}: expected {expected}, got {got}"
