"""Kubernetes' strategic merge patch: lists merged by their key, with all directives.

Source: k8s.io/apimachinery 0.34, ``pkg/util/strategicpatch``, which produced the test vectors. Directives:

    $patch: replace | delete              of an object or, beside its merge key, of a list's entry
    $retainKeys: [FIELD, ...]             every other field of the object is removed
    $setElementOrder/LIST: [...]          the order of a list's entries
    $deleteFromPrimitiveList/LIST: [...]  values that are removed

Here a directive never ends up in the result; the original leaves that to decoding, which drops them as unknown fields
and refuses them among labels and annotations: there they are refused here too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from imagegate.core.image_api.schema import TYPES, Field
from imagegate.core.kube.go_value import go_value
from imagegate.errors import InvalidInput

Json: TypeAlias = Any

_DIRECTIVE = "$patch"
_RETAIN = "$retainKeys"
_ORDER = "$setElementOrder/"
_DELETE = "$deleteFromPrimitiveList/"
Identity: TypeAlias = tuple[type, Json]
"""The key of a list entry. It includes the type: in Python ``1 == True``."""
_NO_KEY: Identity = (type(None), None)


class Unprocessable(InvalidInput):
    """The patch can be read, and makes no sense: 422 in the original."""


class UnknownFailure(InvalidInput):
    """The original's library stops with an error that its API server does not know, and answers with 500."""


_OTHER = Field("", "raw")


def _field(type_: str, name: str) -> Field:
    """The field of a type; of a type that is not in the table, one without a strategy."""
    return TYPES.get(type_, {}).get(name, _OTHER)


def strategic_merge(target: Mapping[str, Any], patch: Mapping[str, Any], type_: str) -> dict[str, Any]:
    """Apply a patch to ``target``, which does not change.

    Args:
        target: the current object.
        patch: decoded from JSON.
        type_: of the object, from the table; empty: its lists have no strategies, so they are replaced.

    Raises:
        InvalidInput: the patch is malformed or does not fit the object.
    """
    directive = patch.get(_DIRECTIVE)
    if directive == "replace":
        return _added_fields(patch)
    if directive == "delete":
        return {}
    if _DIRECTIVE in patch:
        raise UnknownFailure(f"unknown patch type: {go_value(directive)} in map: {go_value(patch)}")
    merged = _retained_fields(target, patch)
    for key, value in patch.items():
        if not key.startswith("$"):
            _merge_field(merged, key, value, _field(type_, key), patch.get(f"{_ORDER}{key}"))
    for key, value in patch.items():
        if key.startswith(_ORDER):
            _order_alone(merged, key, value, patch, type_)
        elif key.startswith(_DELETE):
            _delete_values(merged, key.removeprefix(_DELETE), value)
    return merged


def _retained_fields(target: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of ``target`` that ``$retainKeys`` leaves; all, without it."""
    if _RETAIN not in patch:
        return dict(target)
    given = patch[_RETAIN]
    names = {name for name in given if isinstance(name, str)} if isinstance(given, list) else set()
    set_here = {key for key, value in patch.items() if value is not None and not key.startswith("$")}
    if not isinstance(given, list):
        raise InvalidInput("invalid patch format of retainKeys")
    if not set_here <= names:
        raise Unprocessable("patch content doesn't match retainKeys list")
    return {key: value for key, value in target.items() if key in names}


def _merge_field(merged: dict[str, Any], key: str, value: Json, field: Field, order: Json) -> None:
    before = merged.get(key)
    if value is None:
        merged.pop(key, None)
    elif isinstance(value, dict) and isinstance(before, Mapping):
        merged[key] = _added_fields(value) if field.is_replaced else strategic_merge(before, value, field.type)
    elif isinstance(value, list) and isinstance(before, list) and field.merge_key:
        merged[key] = _merge_entries(before, value, field, order)
    elif isinstance(value, list) and isinstance(before, list) and field.is_set:
        merged[key] = _merge_values(before, value, order)
    elif isinstance(value, dict) and _DIRECTIVE in value:
        merged.pop(key, None)  # as in the original: a directive for a field that is not there leaves nothing
    else:
        added = _added_map(value) if field.type[:1] == "{" and isinstance(value, dict) else _added_value(value)
        if isinstance(added, list) and order is not None and (field.merge_key or field.is_set):
            _check_order(value, _order_list(order), _entry_key(field))
            added = _in_order(added, [], order, _entry_key(field))
        merged[key] = added


def _added_value(value: Json) -> Json:
    """The value that a patch adds, without directives and nulls."""
    if isinstance(value, dict):
        return _added_fields(value)
    if isinstance(value, list):
        return [_added_value(item) for item in value if not (isinstance(item, dict) and _DIRECTIVE in item)]
    return value


def _added_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _added_value(value)
        for key, value in fields.items()
        if value is not None and not key.startswith("$") and not (isinstance(value, dict) and _DIRECTIVE in value)
    }


def _added_map(entries: Mapping[str, Any]) -> dict[str, Any]:
    """A map as a patch adds it: a directive has nothing to merge with, so it becomes an entry, of a wrong type."""
    return {**_added_fields(entries), **{key: entries[key] for key in entries if key.startswith(("$r", "$s", "$d"))}}


def _entry_key(field: Field) -> Callable[[Json], Identity]:
    return (lambda item: identity(item, field.merge_key)) if field.merge_key else value_identity


def value_identity(item: Json) -> Identity:
    """The key of a plain value.

    Raises:
        InvalidInput: it is not a plain value.
    """
    if isinstance(item, list):
        raise Unprocessable("lists of lists are not supported")
    if isinstance(item, dict) or item is None:
        raise UnknownFailure("list element types are not identical")
    return type(item), item


def identity(item: Json, merge_key: str) -> Identity:
    """The key of an entry.

    Raises:
        InvalidInput: it has no merge key.
    """
    if not isinstance(item, dict):
        raise InvalidInput(f"an entry of a list that is merged by {merge_key} is not an object")
    value = item.get(merge_key)
    if value is None or isinstance(value, (dict, list)):
        raise UnknownFailure(f"map: {go_value(item)} does not contain declared merge key: {merge_key}")
    return type(value), value


def _order_list(order: Json) -> list[Json]:
    if not isinstance(order, list):
        raise InvalidInput("invalid patch format of setElementOrder list")
    return order


def _merge_entries(before: list[Json], patch: list[Json], field: Field, order: Json) -> list[Json]:
    """A list of objects, merged by their key."""
    named = _entry_key(field)
    if not all(isinstance(item, dict) for item in (*before, *patch)):
        raise UnknownFailure(f"list element types are not identical: {go_value([before, patch])}")
    by_directive: dict[str, list[Json]] = {"": [], "delete": [], "replace": []}
    for item in patch:
        directive = item.get(_DIRECTIVE, "")
        if directive == "merge":
            raise UnknownFailure("merging lists cannot yet be specified in the patch")
        if not isinstance(directive, str) or directive not in by_directive:
            raise UnknownFailure(f"unknown patch type: {go_value(directive)} in map: {go_value(item)}")
        by_directive[directive].append(item)
    changes = by_directive[""]
    gone = {named(item) for item in by_directive["delete"]}
    base = [] if by_directive["replace"] else [item for item in before if _name_of(item, named) not in gone]
    merged = _changed_entries(base, changes, field)
    if order is not None:
        _check_order(patch, _order_list(order), named)
        return _in_order(merged, base, order, named)
    return _in_order(merged, base, changes, named)


def _changed_entries(base: list[Json], changes: list[Json], field: Field) -> list[Json]:
    """The entries with their changes; what is new comes last. Of several with one key, the first is changed."""
    named = _entry_key(field)
    merged = list(base)
    places = _first_places(base, named)
    for item in changes:
        name = named(item)
        if name in places:
            merged[places[name]] = strategic_merge(merged[places[name]], item, field.item)
        else:
            places[name] = len(merged)
            merged.append(_added_fields(item))
    return merged


def _merge_values(before: list[Json], patch: list[Json], order: Json) -> list[Json]:
    """A list of plain values, as a set."""
    merged = {value_identity(item): item for item in (*before, *patch)}
    wanted = patch if order is None else _order_list(order)
    _check_order(patch, wanted, value_identity)
    return _in_order(list(merged.values()), before, wanted, value_identity)


def _check_order(patch: list[Json], wanted: list[Json], named: Callable[[Json], Identity]) -> None:
    """``$setElementOrder`` has every entry of the patch, in the same order.

    A ``$patch: replace`` is passed over only while names are left to compare: behind the last of them it is refused, as
    in the original.
    """
    entries = [item for item in patch if _directive(item) != "delete"]
    names = [named(item) for item in wanted]
    at, place = 0, 0
    while at < len(entries) and place < len(names):
        if _directive(entries[at]) is not None:
            at += 1
            continue
        at += named(entries[at]) == names[place]
        place += 1
    if wanted and at < len(entries):
        raise UnknownFailure(
            f"The order in patch list:\n{go_value(patch)}\n doesn't match $setElementOrder list:\n{go_value(wanted)}\n"
        )


def _directive(item: Json) -> Json:
    return item.get(_DIRECTIVE) if isinstance(item, dict) else None


def _in_order(
    merged: list[Json], before: list[Json], wanted: list[Json], named: Callable[[Json], Identity]
) -> list[Json]:
    """Entries in the order of ``wanted``, the rest in that of ``before``.

    An entry of the rest comes as early as it can: while both it and the next wanted one were there before, in the
    order they had; else the wanted one goes first. So an entry that is new comes before those it was not put among.
    """
    places = _first_places(before, named)
    ranks = _first_places(wanted, named)

    def name_of(item: Json) -> Identity:
        return _name_of(item, named)

    first = sorted((item for item in merged if name_of(item) in ranks), key=lambda item: ranks[name_of(item)])
    rest = sorted(
        (item for item in merged if name_of(item) not in ranks),
        key=lambda item: places.get(name_of(item), len(places)),
    )
    ordered: list[Json] = []
    left, right = 0, 0
    while left < len(rest) and right < len(first):
        there, here = places.get(name_of(rest[left])), places.get(name_of(first[right]))
        if there is not None and here is not None and there < here:
            ordered.append(rest[left])
            left += 1
        else:
            ordered.append(first[right])
            right += 1
    return [*ordered, *rest[left:], *first[right:]]


def _name_of(item: Json, named: Callable[[Json], Identity]) -> Identity:
    """``named``, for an entry that is there already: it may be older than the check and have no key."""
    try:
        return named(item)
    except InvalidInput:
        return _NO_KEY


def _first_places(items: list[Json], named: Callable[[Json], Identity]) -> dict[Identity, int]:
    places: dict[Identity, int] = {}
    for index, item in enumerate(items):
        name = _name_of(item, named)
        if name != _NO_KEY:
            places.setdefault(name, index)
    return places


def _order_alone(merged: dict[str, Any], key: str, order: Json, patch: Mapping[str, Any], type_: str) -> None:
    """``$setElementOrder`` for a list that the patch does not change otherwise."""
    name = key.removeprefix(_ORDER)
    field, before = _field(type_, name), merged.get(name)
    wanted = _order_list(order)
    if name in patch or not isinstance(before, list) or not (field.merge_key or field.is_set):
        return
    merged[name] = _in_order(before, before, wanted, _entry_key(field))


def _delete_values(merged: dict[str, Any], name: str, gone: Json) -> None:
    if not isinstance(gone, list):
        raise InvalidInput("invalid patch format of primitive list")
    before, names = merged.get(name), {value_identity(item) for item in gone}
    if isinstance(before, list):
        merged[name] = [item for item in before if _name_of(item, value_identity) not in names]
