"""The patches that clients send: JSON Patch, JSON merge patch, and Kubernetes' strategic merge patch.

Sources: RFC 6902 (through jsonpatch), RFC 7396, and ``api_strategic_merge``. The patched object is new; the arguments
do not change. A patch of a few bytes can create an object of any size, so the result is bounded while it is built.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeAlias

import jsonpatch
import jsonpointer
import orjson

from imagegate.core.image_api.amounts import (
    OBJECT_MAX_BYTES,
    VALUES_MAX,
    TooLarge,
    may_have_many,
    too_many_values,
    values_in,
)
from imagegate.core.image_api.schema import TYPES
from imagegate.core.image_api.strategic_merge import strategic_merge
from imagegate.errors import InvalidInput

Json: TypeAlias = Any

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
OPERATIONS_MAX = 10_000
RESULT_MAX_BYTES = OBJECT_MAX_BYTES
"""Bytes of the patched object as JSON, and of all that a JSON Patch's ``copy`` operations add: Kubernetes' limits."""
GROWTH_MAX_BYTES = 64 * 1024
"""Bytes that a patch may add to an object that is over the limit already."""
GROWTH_MAX_VALUES = 1_000
"""Values that a patch may add to an object that has too many already."""
RESULT_MAX_DEPTH = 200
_ADDING = ("add", "copy", "move")
_INDEX = re.compile("[+-]?[0-9]{1,9}", re.ASCII)
_MALFORMED = (TypeError, KeyError, IndexError, ValueError)
"""Errors of the library for fields of wrong types, for missing ones, and for an index of 5,000 digits."""


def apply(patch_type_: str, target: Mapping[str, Any], patch: Json) -> dict[str, Any]:
    """Apply a patch to ``target``.

    Args:
        patch_type_: media type of the patch.
        target: the current object; its ``apiVersion`` and ``kind`` select the merge strategies of its lists.
        patch: decoded from JSON.

    Raises:
        InvalidInput: the patch is malformed or does not fit the object.
        TooLarge: more than 10,000 operations, or a result of more than 3 MiB.
    """
    if patch_type_ == JSON_PATCH:
        patched = _json_patched(target, patch)
    elif not isinstance(patch, dict):
        raise InvalidInput("the patch is not an object")
    elif patch_type_ == MERGE_PATCH:
        patched = dict(merge(target, patch))
    else:
        type_ = TYPES.kind(str(target.get("apiVersion")), str(target.get("kind")))
        patched = strategic_merge(target, patch, type_)
    check_result(patched, target)
    return patched


def check_result(patched: Mapping[str, Any], target: Mapping[str, Any]) -> None:
    """Check that the result is not larger than objects may be; one that already is can still be annotated.

    Otherwise an image with an enormous configuration could never get an annotation that denies its execution.

    Raises:
        TooLarge: in bytes, levels or values.
    """
    text = _encoded_json(patched)
    if len(text) > RESULT_MAX_BYTES and len(text) > len(_encoded_json(target)) + GROWTH_MAX_BYTES:
        raise TooLarge(_too_large(len(text)))
    if text.count(b"{") + text.count(b"[") > RESULT_MAX_DEPTH and is_deep(patched) and not is_deep(target):
        raise TooLarge(_TOO_DEEP)
    if may_have_many(text):
        values = values_in(patched)
        if values > VALUES_MAX and values > values_in(target) + GROWTH_MAX_VALUES:
            raise too_many_values()


def _too_large(size: int) -> str:
    return f"the object would have {size} bytes or more, at most {RESULT_MAX_BYTES} are allowed"


_TOO_DEEP = f"the object would be nested deeper than {RESULT_MAX_DEPTH} levels"


def _encoded_json(value: Json) -> bytes:
    """The value as JSON.

    Raises:
        TooLarge: it is nested deeper than orjson writes (254 levels).
    """
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError as error:
        raise TooLarge(_TOO_DEEP) from error


def is_deep(value: Json) -> bool:
    """True if it is nested deeper than an object that is sent as a whole may be."""
    level: list[Json] = [value]
    depth = 0
    while level:
        depth += 1
        if depth > RESULT_MAX_DEPTH:
            return True
        inner = [each for each in level if isinstance(each, (Mapping, list))]
        level = [part for each in inner for part in (each.values() if isinstance(each, Mapping) else each)]
    return False


def _json_patched(target: Mapping[str, Any], patch: Json) -> dict[str, Any]:
    if not isinstance(patch, list):
        raise InvalidInput("the patch is not a list of operations")
    if len(patch) > OPERATIONS_MAX:
        what = f"the allowed maximum operations in a JSON patch is {OPERATIONS_MAX}, got {len(patch)}"
        raise TooLarge(what)
    patched: Json = orjson.loads(_encoded_json(target))
    room = RESULT_MAX_BYTES
    try:
        for operation in patch:
            operation = _as_original(operation, patched)
            if operation.get("op") == "copy":
                operation, room = _written_out(operation, patched, room)
            elif operation.get("op") == "replace":
                operation = _replacement(operation, patched)
            elif _is_test_for_nothing(operation, patched):
                continue
            patched = jsonpatch.JsonPatch([operation]).apply(patched, in_place=True)
    except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException, *_MALFORMED) as error:
        what = f"the server rejected our request due to an error in our request: {error!s:.500}"
        raise InvalidInput(what) from error
    if not isinstance(patched, dict):
        raise InvalidInput("the patched document is not an object")
    return patched


def _as_original(operation: Mapping[str, Any] | None, document: Json) -> dict[str, Any]:
    """An operation as the original's library understands it.

    A value that is missing is null, and a negative index of a list counts from its end.
    Source: evanphx/json-patch 4.12.
    """
    found = dict(operation or {})
    if found.get("op") in ("add", "replace"):
        found.setdefault("value", None)
    for key in ("path", "from"):
        if isinstance(found.get(key), str):
            grows = key == "path" and found.get("op") in _ADDING
            found[key] = _counted(found[key], document, grows=grows)
    return found


def _counted(path: str, document: Json, *, grows: bool) -> str:
    """The path with indexes of lists as they count from the beginning.

    Args:
        path: a JSON Pointer.
        document: to which it belongs.
        grows: the last index is that of a new entry.
    """
    steps = path.split("/")
    at = document
    for place, step in enumerate(steps[1:], 1):
        if isinstance(at, list) and _INDEX.fullmatch(step) is not None:
            index, length = int(step), len(at) + (grows and place == len(steps) - 1)
            if -length <= index < length:
                steps[place] = str(index % length)
        at = _child(at, steps[place])
    return "/".join(steps)


def _child(parent: Json, step: str) -> Json:
    """The part of a document that a step of a path leads to; None if there is none."""
    if isinstance(parent, dict):
        return parent.get(step.replace("~1", "/").replace("~0", "~"))
    return parent[int(step)] if isinstance(parent, list) and step.isdecimal() and int(step) < len(parent) else None


def _is_test_for_nothing(operation: Mapping[str, Any], document: Json) -> bool:
    """True for a ``test`` that a member of an object is null; one that is not there is, as in the original."""
    if operation.get("op") != "test" or operation.get("value", "") is not None:
        return False
    parent, name = jsonpointer.JsonPointer(operation["path"]).to_last(document)
    return isinstance(parent, dict) and name not in parent


def _replacement(operation: Mapping[str, Any], document: Json) -> Mapping[str, Any]:
    """A ``replace``; of a member that an object does not have an ``add``, as the original's library does it."""
    parent, name = jsonpointer.JsonPointer(operation["path"]).to_last(document)
    return {**operation, "op": "add"} if isinstance(parent, dict) and name not in parent else operation


class _Copied:
    """A value as JSON, for the library to add: its deep copy parses the string, which is faster than copying."""

    def __init__(self, text: bytes) -> None:
        self._text = text

    def __deepcopy__(self, memo: Json) -> Json:
        return orjson.loads(self._text)


def _written_out(operation: Mapping[str, Any], document: Json, room: int) -> tuple[dict[str, Any], int]:
    """A ``copy`` as an ``add`` of the copied value, and the bytes that further copies may add.

    A copy of a copy of a copy doubles the document each time: 30 such operations would make gigabytes.
    """
    text = _encoded_json(jsonpointer.resolve_pointer(document, operation["from"]))
    if len(text) > room:
        raise TooLarge(_too_large(RESULT_MAX_BYTES - room + len(text)))
    return {**operation, "op": "add", "value": _Copied(text)}, room - len(text)


def merge(target: Json, patch: Json) -> Json:
    """JSON merge patch (RFC 7396): null removes, objects merge, everything else replaces."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(merged.get(key), value)
    return merged
