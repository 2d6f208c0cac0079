"""An applied configuration, merged into an object.

Nothing is removed by it. Entries of lists have the order of the configuration, others keep their places between them.
Source: sigs.k8s.io/structured-merge-diff v6, ``typed/merge.go``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from imagegate.core.managed_fields.shapes import Form, Shape
from imagegate.core.managed_fields.values import ABSENT, is_empty_pair


def merged(shape: Shape, live: Any, applied: Any) -> Any:
    """The object with all that the configuration sets; ``ABSENT`` if neither has anything."""
    if shape.is_leaf or is_empty_pair(live, applied):
        return live if applied is ABSENT else applied
    if shape.form is Form.LIST:
        entries = _merged_list(shape, live or [], applied or [])
        return entries or ABSENT
    found = {}
    for name in {**(live or {}), **(applied or {})}:
        below = shape.entry(name)
        one, other = ((each or {}).get(name, ABSENT) for each in (live, applied))
        value = merged(below, one, other) if below is not None else one
        if value is not ABSENT:
            found[name] = value
    return found or ABSENT


def _merged_list(shape: Shape, live: list[Any], applied: list[Any]) -> list[Any]:
    own, new = [shape.element(entry) for entry in live], [shape.element(entry) for entry in applied]
    before: dict[str, Any] = {}
    for element, entry in zip(own, live, strict=True):
        before[element] = None if element in before else entry  # repeated entries are not merged
    after = dict(zip(new, applied, strict=True))
    found = []
    for element, index in _order(own, new):
        kept = before.get(element, ABSENT) if index is None else live[index]
        found.append(merged(shape.item, kept, after.get(element, ABSENT)))
    return [entry for entry in found if entry is not ABSENT]


def _order(own: list[str], new: list[str]) -> Iterator[tuple[str, int | None]]:
    """Steps of the merged list in order, with the index of an entry that only the object has."""
    is_own, is_new = set(own), set(new)
    shared = iter([element for element in new if element in is_own])
    wanted, done, at = next(shared, None), set[str](), 0
    for element in new:
        while at < len(own) and own[at] != element:
            if own[at] not in is_new:
                yield own[at], at
            elif wanted is None or own[at] == wanted:
                at += own[at] in done
                break
            at += 1
        else:
            if at < len(own):  # both have it here
                at, wanted = at + 1, next(shared, None)
                done.add(element)
                yield element, None
                continue
        done.add(element)
        yield element, None
        if element == wanted:
            wanted = next(shared, None)
    yield from ((each, index) for index, each in enumerate(own[at:], at) if each not in is_new)
