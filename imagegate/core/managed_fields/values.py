"""Objects by their shapes: the fields that they have, what a change adds, changes and removes, and parts taken away.

Source: sigs.k8s.io/structured-merge-diff v6, ``typed`` (tofieldset, compare, remove). An object is as it is decoded, or
as somebody applied it; a null is no absence: it says that somebody set nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from imagegate.core.managed_fields.field_set import FieldSet, Path
from imagegate.core.managed_fields.path_elements import field_element
from imagegate.core.managed_fields.shapes import Form, Shape


class _Absent:
    """The type of ``ABSENT``."""

    def __bool__(self) -> bool:
        return False


ABSENT: Final = _Absent()
"""There is no value, not even a null."""


def is_empty_pair(one: Any, other: Any) -> bool:
    """True if neither of two lists or maps has an entry. Such a pair is compared and merged as one value."""
    return not one and not other


def parts_of(shape: Shape, value: Any) -> dict[str, list[Any]]:
    """The parts of a list or map by their steps; several have the same step if a list repeats a key."""
    found: dict[str, list[Any]] = {}
    if isinstance(value, dict) and shape.form is Form.MAP:
        return {field_element(name): [each] for name, each in value.items()}
    for entry in value if isinstance(value, list) and shape.form is Form.LIST else ():
        found.setdefault(shape.element(entry), []).append(entry)
    return found


def fields_of(shape: Shape, value: Any) -> FieldSet:
    """The fields of an object: leaves, entries of lists and maps, and what is null or an empty map."""
    found = FieldSet()
    _add_fields(shape, value, (), found)
    return found


def _add_fields(shape: Shape, value: Any, path: Path, found: FieldSet) -> None:
    if shape.is_leaf:
        found.insert(path)
        return
    for element, same in parts_of(shape, value).items():
        at = (*path, element)
        below = shape.below(element)
        if below is None:
            continue
        if len(same) == 1:
            _add_fields(below, same[0], at, found)
        is_entry = shape.form is Form.LIST or element[2:] not in shape.fields
        if is_entry or same[0] is None or same[0] == {}:
            found.insert(at)


@dataclass(slots=True)
class Comparison:
    """The difference of two objects. A field is in one of the sets at most."""

    added: FieldSet = field(default_factory=FieldSet)
    modified: FieldSet = field(default_factory=FieldSet)
    removed: FieldSet = field(default_factory=FieldSet)

    @property
    def taken(self) -> FieldSet:
        """Fields that have a new value."""
        return self.added | self.modified


def compared(shape: Shape, old: Any, new: Any) -> Comparison:
    """The difference of two objects of this shape."""
    found = Comparison()
    _compare(shape, old, new, (), found)
    return found


def _compare(shape: Shape, old: Any, new: Any, path: Path, found: Comparison) -> None:
    if old is ABSENT:
        found.added.insert(path)
    elif new is ABSENT:
        found.removed.insert(path)
    elif (shape.is_leaf or is_empty_pair(old, new)) and not is_same(old, new):
        found.modified.insert(path)
    if shape.is_leaf or is_empty_pair(old, new) or old == new:  # most parts are equal, which Python sees sooner
        return
    before, after = parts_of(shape, old), parts_of(shape, new)
    for element in before | after:
        below = shape.below(element)
        if below is not None:
            _compare_parts(below, before.get(element, []), after.get(element, []), (*path, element), found)


def _compare_parts(shape: Shape, old: list[Any], new: list[Any], path: Path, found: Comparison) -> None:
    """Compare the parts at one step. Entries that repeat a key are one value."""
    if len(old) <= 1 and len(new) <= 1:
        _compare(shape, old[0] if old else ABSENT, new[0] if new else ABSENT, path, found)
    elif len(old) > 1 and len(new) > 1:
        if not is_same(old, new):
            found.modified.insert(path)
    elif len(old) > 1:
        if new:
            _compare(shape, ABSENT, new[0], path, found)
        found.removed.insert(path)
    else:
        if old:
            _compare(shape, old[0], ABSENT, path, found)
        found.added.insert(path)


def is_same(one: Any, other: Any) -> bool:
    """True if two values are equal. ``True`` is not 1 here, and 1.0 is."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(is_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(is_same, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def without(shape: Shape, value: Any, removed: FieldSet) -> Any:
    """The object without these fields; None if nothing of it is left."""
    if shape.form is Form.SCALAR:
        return value
    if shape.is_leaf or not value:
        return None
    kept = [
        (name, _rest(shape.below(element), part, removed.below(element)))
        for name, element, part in _named_parts(shape, value)
        if element not in removed.members
    ]
    if not kept:
        return None
    return dict(kept) if isinstance(value, dict) else [part for _, part in kept]


def _rest(shape: Shape | None, part: Any, removed: FieldSet) -> Any:
    return part if shape is None or removed.is_empty() else without(shape, part, removed)


def _named_parts(shape: Shape, value: Any) -> list[tuple[str, str, Any]]:
    """Name (of a map's part), step and value of each part, in order."""
    if isinstance(value, Mapping):
        return [(name, field_element(name), part) for name, part in value.items()]
    return [("", shape.element(entry), entry) for entry in value]


def with_named_fields(fields: FieldSet, shape: Shape | None) -> FieldSet:
    """The set with the fields of structs that have members below them; parts of lists and maps are not added."""
    if shape is None:
        return fields
    named = {element for element in fields.children if element[0] == "f" and element[2:] in shape.fields}
    children = {element: with_named_fields(child, _below(shape, element)) for element, child in fields.children.items()}
    return FieldSet(fields.members | named, children)


def reconciled(fields: FieldSet, shape: Shape) -> FieldSet:
    """A set that an earlier table of types made: what has one owner now is a member as a whole."""
    members, children = set(fields.members), {}
    for element, child in fields.children.items():
        below = _below(shape, element)
        if below is not None and below.is_atomic:
            members.add(element)
        else:
            children[element] = child if below is None else reconciled(child, below)
    return FieldSet(members, children)


def _below(shape: Shape, element: str) -> Shape | None:
    """The shape at a step of a set, which need not fit the shape of the object."""
    fits = (element[0] == "f") == (shape.form is Form.MAP)
    return shape.below(element) if fits else None
