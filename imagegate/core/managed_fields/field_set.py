"""Sets of fields, in memory and as ``fieldsV1``.

Source: sigs.k8s.io/structured-merge-diff v6, ``fieldpath``: a set is a tree; a field may be a member, have members
below it, or both (``".": {}``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from imagegate.core.managed_fields.path_elements import InvalidFields, order, read_element, shown

Path: TypeAlias = tuple[str, ...]

DEPTH_MAX = 200
"""Levels of a set that is read: no object is nested deeper."""
_SELF = "."


@dataclass(slots=True)
class FieldSet:
    """A set of paths. It changes only by ``insert``; all other methods return new sets, which may share parts."""

    members: set[str] = field(default_factory=set)
    children: dict[str, FieldSet] = field(default_factory=dict)

    @classmethod
    def of(cls, *paths: Sequence[str]) -> FieldSet:
        """The set of these paths."""
        made = cls()
        for path in paths:
            made.insert(path)
        return made

    @classmethod
    def from_json(cls, fields: Any) -> FieldSet:
        """Read ``fieldsV1``.

        Raises:
            InvalidFields: it cannot be read.
        """
        found, _ = _read(fields, 0)
        return found

    def insert(self, path: Sequence[str]) -> None:
        """Add a path. Nothing owns the empty one, the whole object."""
        if not path:
            return
        at = self
        for element in path[:-1]:
            at = at.children.setdefault(element, FieldSet())
        at.members.add(path[-1])

    def is_empty(self) -> bool:
        """True if no path is a member: a child without members is never kept."""
        return not self.members and not self.children

    def below(self, element: str) -> FieldSet:
        """The paths that begin with a step, without it."""
        return self.children.get(element) or FieldSet()

    def has(self, path: Sequence[str]) -> bool:
        """True if the path is a member."""
        at = self
        for element in path[:-1]:
            at = at.below(element)
        return bool(path) and path[-1] in at.members

    def paths(self, begin: Path = ()) -> Iterator[Path]:
        """All members in order: those of a level before those of the levels below it."""
        for element in sorted(self.members, key=order):
            yield (*begin, element)
        for element in sorted(self.children, key=order):
            yield from self.children[element].paths((*begin, element))

    def __or__(self, other: FieldSet) -> FieldSet:
        children = {**other.children, **self.children}
        for element in self.children.keys() & other.children.keys():
            children[element] = self.children[element] | other.children[element]
        return FieldSet(self.members | other.members, children)

    def __and__(self, other: FieldSet) -> FieldSet:
        children = {
            element: self.children[element] & other.children[element]
            for element in self.children.keys() & other.children.keys()
        }
        return FieldSet(self.members & other.members, _filled(children))

    def __sub__(self, other: FieldSet) -> FieldSet:
        """The members that are not members of ``other``; what is below a member of it stays."""
        children = {
            element: child - other.children[element] if element in other.children else child
            for element, child in self.children.items()
        }
        return FieldSet(self.members - other.members, _filled(children))

    def to_json(self) -> dict[str, Any]:
        """``fieldsV1`` in the canonical order."""
        written = {}
        for element in sorted(self.members | self.children.keys(), key=order):
            inside = self.children[element].to_json() if element in self.children else {}
            written[element] = {_SELF: {}, **inside} if inside and element in self.members else inside
        return written


def _filled(children: dict[str, FieldSet]) -> dict[str, FieldSet]:
    return {element: child for element, child in children.items() if not child.is_empty()}


def _read(fields: Any, depth: int) -> tuple[FieldSet, bool]:
    """The set below a step, and whether the step itself is a member."""
    if fields is None:
        fields = {}
    if not isinstance(fields, dict):
        raise InvalidFields("a set of fields is no object")
    if depth > DEPTH_MAX:
        raise InvalidFields(f"a set of fields is nested deeper than {DEPTH_MAX} levels")
    found = FieldSet()
    for key, inside in fields.items():
        if key == _SELF:
            continue
        element = read_element(key)
        if element is None:
            continue
        child, is_member = _read(inside, depth + 1)
        if is_member:
            found.members.add(element)
        if not child.is_empty():
            found.children[element] = found.below(element) | child
    return found, _SELF in fields or found.is_empty()


def path_text(path: Path) -> str:
    """A path in a message: ``.spec.tags[name="a"].from``."""
    return "".join(map(shown, path))
