"""Who owns which fields after a write, and the object that an applied configuration makes.

Source: sigs.k8s.io/structured-merge-diff v6, ``merge/update.go``; k8s.io/apimachinery 0.34,
``pkg/util/managedfields/internal``: one function for each of its managers that changes something.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from imagegate.core.managed_fields.entries import APPLY, UPDATE, Managed, Manager, Owned
from imagegate.core.managed_fields.field_set import FieldSet, Path
from imagegate.core.managed_fields.merging import merged
from imagegate.core.managed_fields.shapes import Shape
from imagegate.core.managed_fields.values import (
    compared,
    fields_of,
    is_same,
    reconciled,
    with_named_fields,
    without,
)
from imagegate.errors import ImagegateError

JsonObject = dict[str, Any]

UPDATERS_MAX = 10
"""Entries of updates that an object keeps; older ones become one."""
_ANCIENT = "ancient-changes"
_BEFORE = "before-first-apply"
_METADATA = ("name", "namespace", "creationTimestamp", "selfLink", "uid", "clusterName", "generation")
_NOT_OWNED = FieldSet.of(
    ("f:apiVersion",),
    ("f:kind",),
    ("f:metadata",),
    *(("f:metadata", f"f:{name}") for name in (*_METADATA, "managedFields", "resourceVersion")),
)
"""Fields of every object that nobody owns."""


class Writer(NamedTuple):
    """Who writes, through which path, and when."""

    name: str
    api_version: str
    now: str
    """The time as Kubernetes writes it."""
    subresource: str = ""

    def manager(self, operation: str) -> Manager:
        """The writer as an owner."""
        version = "" if operation == APPLY else self.api_version
        return Manager(self.name or "unknown", operation, version, self.subresource)


class Conflict(NamedTuple):
    """A field that another manager owns with another value."""

    manager: Manager
    path: Path


class Conflicts(ImagegateError):
    """The configuration changes fields of other managers."""

    def __init__(self, found: list[Conflict]) -> None:
        super().__init__(f"{len(found)} conflicts")
        self.found = found


class Applied(NamedTuple):
    """The result of an apply."""

    object: JsonObject
    managed: Managed


def after_update(shape: Shape, old: JsonObject, new: JsonObject, managed: Managed, writer: Writer) -> Managed:
    """The owners after an update: the writer owns all that it changed, and nobody what is gone.

    Args:
        shape: of the object.
        old: the object before; of a new object, what its kind has without any field set.
        new: the object, without ``managedFields``.
        managed: the owners before.
        writer: of the update.
    """
    change = compared(shape, old, new)
    gone = change.taken | change.removed
    found = _without_empty(_present(managed, shape, writer), gone)
    own = change.taken - _NOT_OWNED
    if not own.is_empty():
        manager = writer.manager(UPDATE)
        before = found.pop(manager, None)
        fields = own if before is None else own | before.fields
        found[manager] = Owned(fields, writer.api_version, writer.now)
    return _capped(found)


def _present(managed: Managed, shape: Shape, writer: Writer) -> Managed:
    """The owners of fields of this API version, by today's table of types. There is no other version."""
    return {
        manager: owned._replace(fields=reconciled(owned.fields, shape))
        for manager, owned in managed.items()
        if owned.api_version == writer.api_version
    }


def _without_empty(managed: Managed, gone: FieldSet) -> Managed:
    left = ((manager, owned._replace(fields=owned.fields - gone)) for manager, owned in managed.items())
    return {manager: owned for manager, owned in left if not owned.fields.is_empty()}


def _capped(managed: Managed) -> Managed:
    """The owners with the oldest updates joined, until there are not too many."""
    updaters = [manager for manager in managed if manager.operation == UPDATE]
    too_many = len(updaters) - UPDATERS_MAX
    if too_many <= 0:
        return managed
    updaters.sort(key=lambda manager: (managed[manager].time or "", manager.key))
    found = dict(managed)
    oldest, *others = updaters
    for manager in others[:too_many]:
        version = found[oldest].api_version
        bucket = Manager(_ANCIENT, UPDATE, version)
        joined = found.pop(bucket, None) or found.pop(oldest)
        latest = found.pop(manager, joined)
        found[bucket] = Owned(joined.fields | latest.fields, version, latest.time)
    return found


def after_apply(
    shape: Shape,
    live: JsonObject,
    applied: JsonObject,
    managed: Managed,
    writer: Writer,
    *,
    force: bool,
    empty: JsonObject,
) -> Applied:
    """The object that a configuration makes, and the owners.

    Args:
        shape: of the object.
        live: the object before, without ``managedFields``.
        applied: the configuration; it must have been checked.
        managed: the owners before.
        writer: who applies.
        force: take fields of other managers.
        empty: an object of the kind without any field set.

    Raises:
        Conflicts: others own fields that the configuration changes.
    """
    if not managed:
        managed = after_update(shape, empty, live, {}, writer._replace(name=_BEFORE))
    managed = _present(managed, shape, writer)
    manager = writer.manager(APPLY)
    last = managed.pop(manager, None)
    fields = fields_of(shape, applied)
    everybody = fields
    for owned in managed.values():
        everybody = everybody | owned.fields
    new = merged(shape, live, applied)
    if last is not None:
        new = _pruned(shape, new, last.fields, everybody)
    change = compared(shape, live, new)
    conflicts = [
        Conflict(other, path)
        for other in sorted(managed, key=lambda each: each.key)
        for path in (managed[other].fields & change.taken).paths()
    ]
    if conflicts and not force:
        raise Conflicts(conflicts)
    found = _without_empty(managed, change.taken | change.removed)
    own = fields - _NOT_OWNED
    if not own.is_empty():
        before = None if last is None else last.time
        found[manager] = Owned(own, writer.api_version, before if is_same(live, new) else writer.now)
    return Applied(new if isinstance(new, dict) else {}, found)


def _pruned(shape: Shape, new: JsonObject, last: FieldSet, owned: FieldSet) -> Any:
    """The merged object without what its applier set before and sets no more, unless somebody owns it.

    Args:
        shape: of the object.
        new: the merged object.
        last: fields of the last configuration.
        owned: fields of this one and of all other managers.
    """
    last = with_named_fields(last, shape)
    present = with_named_fields(fields_of(shape, new), shape)
    left = with_named_fields(fields_of(shape, without(shape, new, last)), shape)
    kept = without(shape, new, present - (left | with_named_fields(owned, shape)))
    left = with_named_fields(fields_of(shape, kept), shape)
    return without(shape, new, (present - left) & last)
