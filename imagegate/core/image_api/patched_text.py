"""A patch, and the object that it results in, as the original prints them in the error of a bad patch.

The libraries of the original write the parts of an object that a patch goes through as maps, with sorted keys, and
leave all other parts as they were encoded: in the order of the types' fields.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from imagegate.core.image_api.schema import ANY_FORM, TYPES
from imagegate.core.kube.go_quote import go_json, go_value


def patch_text(patch: object) -> str:
    """A strategic merge patch, as Go prints a map."""
    return go_value(patch)


def patched_text(type_: str, patched: Mapping[str, Any], patch: object) -> str:
    """The patched object as JSON.

    Args:
        type_: of the object.
        patched: the object.
        patch: a merge patch, or the operations of a JSON Patch.
    """
    touched = patch if isinstance(patch, Mapping) else _touched(patch)
    return go_json(_ordered(type_, patched, touched))


def _touched(operations: object) -> dict[str, Any]:
    """The containers that a JSON Patch goes through, as a tree."""
    tree: dict[str, Any] = {}
    for path in _paths(operations):
        at = tree
        for step in path.split("/")[1:-1]:
            at = at.setdefault(step.replace("~1", "/").replace("~0", "~"), {})
    return tree


def _paths(operations: object) -> Iterator[str]:
    for operation in operations if isinstance(operations, list) else ():
        if isinstance(operation, Mapping):
            yield from (str(operation[key]) for key in ("path", "from") if operation.get(key))


def _ordered(type_: str, value: Any, touched: object) -> Any:
    if isinstance(value, list):
        item = type_[1:-1] if type_[:1] == "[" else ""
        inside = touched if isinstance(touched, Mapping) else {}
        return [_ordered(item, entry, inside.get(str(index))) for index, entry in enumerate(value)]
    if not isinstance(value, Mapping):
        return value
    fields = TYPES.get(type_)
    inside = touched if isinstance(touched, Mapping) else {}
    if type_ in ANY_FORM and not isinstance(touched, Mapping):
        return value
    if isinstance(touched, Mapping) or fields is None:
        keys = sorted(value)
    else:
        keys = sorted(value, key=lambda key: list(fields).index(key) if key in fields else len(fields))
    item = type_[1:-1] if type_[:1] == "{" else type_ if type_ in ANY_FORM else ""
    return {
        key: _ordered(fields[key].type if fields and key in fields else item, value[key], inside.get(key))
        for key in keys
    }
