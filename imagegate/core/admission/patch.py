"""Applies the JSON Patch operations (RFC 6902) that plug-ins make: ``add``, ``replace`` and ``remove``.

The input is left as it is and shared where it does not change: no deep copy, no recursion, so that neither a
large nor a deeply nested object costs more than the places that are patched.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from imagegate.core.admission.decision import PatchOp

_ANNOTATIONS = re.compile(r"/metadata(?:/annotations|\Z)")


class PatchConflict(ValueError):
    """An operation does not fit the object it is applied to."""


def changes_annotations(path: str) -> bool:
    """True for the place (a JSON Pointer) of an annotation, such as imagegate's record of a rewritten image.

    Records are signed, with another key in every process that has none from its settings: two of them differ always.
    """
    return _ANNOTATIONS.search(path) is not None


def apply_patch(document: Mapping[str, Any], operations: Iterable[PatchOp]) -> dict[str, Any]:
    """The document with ``operations`` applied in order.

    Raises:
        PatchConflict: an operation names a place that does not exist, or is not one of the three.
    """
    root: dict[str, Any] = dict(document)
    own: set[int] = {id(root)}  # containers copied by this call; kept alive by root
    keep: list[Any] = []
    for operation in operations:
        parent, key = _copied_parent(root, operation.path, own, keep)
        _apply(parent, key, operation)
    return root


def _copied_parent(root: dict[str, Any], path: str, own: set[int], keep: list[Any]) -> tuple[Any, str]:
    """The dict or list that holds the last part of ``path``, with everything on the way copied once."""
    if not path.startswith("/"):
        raise PatchConflict(f"{path!r} is not a JSON Pointer into an object")
    *parts, last = (part.replace("~1", "/").replace("~0", "~") for part in path[1:].split("/"))
    at: Any = root
    for part in parts:
        key = _checked_key(at, part, path)
        child = at[key]
        if not isinstance(child, (dict, list)):
            raise PatchConflict(f"{path}: {part!r} is not an object or list")
        if id(child) not in own:
            child = child.copy()
            own.add(id(child))
            keep.append(child)
            at[key] = child
        at = child
    return at, last


def _checked_key(at: Any, part: str, path: str) -> Any:
    if isinstance(at, dict):
        if part not in at:
            raise PatchConflict(f"{path}: {part!r} does not exist")
        return part
    if not part.isdecimal() or int(part) >= len(at):
        raise PatchConflict(f"{path}: element {part!r} does not exist")
    return int(part)


def _apply(parent: Any, key: str, operation: PatchOp) -> None:
    op = operation.op
    if op == "add":
        _add(parent, key, operation)
    elif op == "replace":
        parent[_checked_key(parent, key, operation.path)] = operation.value
    elif op == "remove":
        del parent[_checked_key(parent, key, operation.path)]
    else:
        raise PatchConflict(f"operation {op!r} is not supported")


def _add(parent: Any, key: str, operation: PatchOp) -> None:
    if isinstance(parent, dict):
        parent[key] = operation.value
    elif key == "-":
        parent.append(operation.value)
    elif key.isdecimal() and int(key) <= len(parent):
        parent.insert(int(key), operation.value)
    else:
        raise PatchConflict(f"{operation.path}: element {key!r} does not exist")


def fits(document: object, operations: Iterable[PatchOp]) -> bool:
    """True if every operation's parent exists, and for ``replace`` and ``remove`` the place itself.

    Cheap, for patches of plug-ins on the hot path: each operation is tried on the unpatched document.
    """
    for operation in operations:
        at = document
        for key, index in _steps(operation.path, operation.op == "add"):
            if isinstance(at, dict) and key in at:
                at = at[key]
            elif isinstance(at, list) and 0 <= index < len(at):
                at = at[index]
            else:
                return False
    return True


@lru_cache(maxsize=1024)
def _steps(path: str, leaves_last: bool) -> tuple[tuple[str, int], ...]:
    """The parts of a JSON Pointer, each as a key and as an index (-1: it is none)."""
    parts = path.split("/")[1 : -1 if leaves_last else None]
    keys = [part.replace("~1", "/").replace("~0", "~") for part in parts]
    return tuple((key, int(key) if key.isdecimal() and len(key) < 10 else -1) for key in keys)
