"""The patches that clients send: JSON Patch, JSON merge patch, and Kubernetes' strategic merge patch.

Sources: RFC 6902 (through jsonpatch), RFC 7396, and k8s.io/apimachinery, pkg/util/strategicpatch. The patched
object is new; what was given stays as it is.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, TypeAlias

import jsonpatch
import jsonpointer

from imagegate.errors import InvalidInput

Json: TypeAlias = Any

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
OPERATIONS_MAX = 10_000

MERGE_KEYS: Mapping[str, str] = {
    "containers": "name",
    "initContainers": "name",
    "ephemeralContainers": "name",
    "env": "name",
    "volumes": "name",
    "volumeMounts": "mountPath",
    "volumeDevices": "devicePath",
    "imagePullSecrets": "name",
    "hostAliases": "ip",
    "conditions": "type",
    "ownerReferences": "uid",
    "secrets": "name",
    "topologySpreadConstraints": "topologyKey",
}
"""Lists that are merged by a key, by the name of their field; ``ports`` is told apart by its entries."""
_PRIMITIVE_LISTS = frozenset({"finalizers"})


def apply(patch_type: str, target: Mapping[str, Any], patch: Json, *, merges_lists: bool) -> dict[str, Any]:
    """``target`` patched.

    Args:
        patch_type: media type of the patch.
        target: the object as it is.
        patch: decoded from JSON.
        merges_lists: whether a strategic merge patch knows the kind's lists (Kubernetes' own kinds).

    Raises:
        InvalidInput: the patch is malformed or does not fit the object.
    """
    if patch_type == JSON_PATCH:
        return _json_patched(target, patch)
    if not isinstance(patch, dict):
        raise InvalidInput("the patch is not an object")
    if patch_type == MERGE_PATCH:
        return dict(merge(target, patch))
    return _strategic(target, patch, merges_lists=merges_lists)


def _json_patched(target: Mapping[str, Any], patch: Json) -> dict[str, Any]:
    if not isinstance(patch, list):
        raise InvalidInput("the patch is not a list of operations")
    if len(patch) > OPERATIONS_MAX:
        raise InvalidInput(f"the patch has {len(patch)} operations, at most {OPERATIONS_MAX} are allowed")
    try:
        patched = jsonpatch.JsonPatch(patch).apply(copy.deepcopy(dict(target)))
    except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException, TypeError, KeyError) as error:
        raise InvalidInput(f"the server rejected our request due to an error in our request: {error}") from error
    if not isinstance(patched, dict):
        raise InvalidInput("the patched document is not an object")
    return patched


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


def _strategic(target: Mapping[str, Any], patch: Mapping[str, Any], *, merges_lists: bool) -> dict[str, Any]:
    """Strategic merge patch of an object."""
    directive = patch.get("$patch")
    if directive == "replace":
        return {key: value for key, value in patch.items() if key != "$patch"}
    if directive == "delete":
        return {}
    merged = dict(target)
    retained = patch.get("$retainKeys")
    if isinstance(retained, list):
        merged = {key: value for key, value in merged.items() if key in retained}
    for key, value in patch.items():
        if not key.startswith("$"):
            _merge_field(merged, key, value, patch, merges_lists=merges_lists)
        elif key.startswith("$deleteFromPrimitiveList/"):
            _delete_from_list(merged, key.partition("/")[2], value)
    return merged


def _merge_field(
    merged: dict[str, Any], key: str, value: Json, patch: Mapping[str, Any], *, merges_lists: bool
) -> None:
    before = merged.get(key)
    if value is None:
        merged.pop(key, None)
    elif isinstance(value, dict):
        base = before if isinstance(before, Mapping) else {}
        merged[key] = _strategic(base, value, merges_lists=merges_lists)
    elif isinstance(value, list) and merges_lists:
        order = patch.get(f"$setElementOrder/{key}")
        merged[key] = _merge_list(before if isinstance(before, list) else [], value, key, order)
    else:
        merged[key] = value


def _delete_from_list(merged: dict[str, Any], key: str, gone: Json) -> None:
    before = merged.get(key)
    if isinstance(before, list) and isinstance(gone, list):
        merged[key] = [item for item in before if item not in gone]


def _merge_key(field: str, items: list[Json]) -> str | None:
    if field == "ports":
        return "containerPort" if any(isinstance(item, dict) and "containerPort" in item for item in items) else "port"
    return MERGE_KEYS.get(field)


def _merge_list(before: list[Json], patch: list[Json], field: str, order: Json) -> list[Json]:
    if field in _PRIMITIVE_LISTS:
        return [*before, *(item for item in patch if item not in before)]
    key = _merge_key(field, [*before, *patch])
    if key is None:
        return patch
    if any(isinstance(item, dict) and item.get("$patch") == "replace" for item in patch):
        return [item for item in patch if not (isinstance(item, dict) and item.get("$patch") == "replace")]
    merged: dict[Any, Json] = {}
    for item in before:
        merged[_key_of(item, key)] = item
    for item in patch:
        name = _key_of(item, key)
        if item.get("$patch") == "delete":
            merged.pop(name, None)
        else:
            merged[name] = _strategic(merged.get(name, {}), item, merges_lists=True)
    return _ordered(merged, order, key)


def _key_of(item: Json, key: str) -> Json:
    if not isinstance(item, dict) or not isinstance(item.get(key), (str, int)):
        raise InvalidInput(f"map: {item!r:.80} does not contain declared merge key: {key}")
    return item[key]


def _ordered(merged: Mapping[Any, Json], order: Json, key: str) -> list[Json]:
    """The items, those that ``$setElementOrder`` names in its order."""
    if not isinstance(order, list):
        return list(merged.values())
    wanted = [_key_of(item, key) for item in order]
    names = [*(name for name in wanted if name in merged), *(name for name in merged if name not in wanted)]
    return [merged[name] for name in names]
