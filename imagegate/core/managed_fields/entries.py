"""The entries of ``metadata.managedFields``: who owns which fields.

Source: k8s.io/apimachinery, ``pkg/util/managedfields/internal/managedfields.go`` (0.34).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

import orjson

from imagegate.core.kube.go_quote import go_json
from imagegate.core.kube.go_time import time_error
from imagegate.core.managed_fields.field_set import FieldSet
from imagegate.core.managed_fields.path_elements import InvalidFields

APPLY, UPDATE = "Apply", "Update"
SIZE_MAX = 512 * 1024
"""Bytes of all entries of an object as JSON. The original has no limit but that of an object."""
_FORMAT = "FieldsV1"
_RESET: tuple[list[Any], ...] = ([], [{}])


class Manager(NamedTuple):
    """Who owns fields. An applier is the same in every API version, and has no version here."""

    name: str
    operation: str
    api_version: str = ""
    subresource: str = ""

    @property
    def key(self) -> str:
        """By which managers are sorted: the original's identifier."""
        parts = {
            "manager": self.name,
            "operation": self.operation,
            "apiVersion": self.api_version,
            "subresource": self.subresource,
        }
        return go_json({name: text for name, text in parts.items() if text})


class Owned(NamedTuple):
    """The fields of a manager."""

    fields: FieldSet
    api_version: str
    time: str | None = None


Managed: TypeAlias = dict[Manager, Owned]


def is_reset(entries: Any) -> bool:
    """True if a client asks for empty ``managedFields``: an empty list, or one with an empty entry."""
    return entries in _RESET


def read_entries(entries: Any) -> Managed:
    """The owners in ``managedFields``.

    Raises:
        InvalidFields: an entry cannot be read.
    """
    if not isinstance(entries, list):
        if entries is None:
            return {}
        raise InvalidFields("managedFields is no list")
    found: Managed = {}
    for index, entry in enumerate(entries):
        manager, owned = _read_entry(index, entry)
        found[manager] = owned
    return found


def _read_entry(index: int, entry: Any) -> tuple[Manager, Owned]:
    if not isinstance(entry, Mapping):
        raise InvalidFields(f"managed fields entry {index} is no object")
    names = ("manager", "operation", "apiVersion", "subresource", "fieldsType", "time")
    given = {name: entry.get(name) or "" for name in names}
    if not all(isinstance(text, str) for text in given.values()):
        raise InvalidFields(f"managed fields entry {index} has a field that is no string")
    if given["operation"] not in (APPLY, UPDATE):
        raise InvalidFields("operation must be `Apply` or `Update`")
    if not given["apiVersion"]:
        raise InvalidFields("apiVersion must not be empty")
    if given["fieldsType"] != _FORMAT:
        raise InvalidFields(f"invalid fieldsType in managed fields entry {index}")
    if given["time"] and time_error(given["time"]):
        raise InvalidFields(f"managed fields entry {index} has no valid time")
    version = "" if given["operation"] == APPLY else given["apiVersion"]
    manager = Manager(given["manager"], given["operation"], version, given["subresource"])
    fields = FieldSet.from_json(entry.get("fieldsV1"))
    return manager, Owned(fields, given["apiVersion"], given["time"] or None)


def written_entries(managed: Managed) -> list[dict[str, Any]]:
    """``managedFields``, in the original's order: appliers first, then by time and name."""
    ordered = sorted(managed.items(), key=lambda each: _place(*each))
    return [_entry(manager, owned) for manager, owned in ordered]


def _place(manager: Manager, owned: Owned) -> tuple[str, str, str, str, str]:
    return manager.operation, owned.time or "", manager.name, owned.api_version, manager.subresource


def _entry(manager: Manager, owned: Owned) -> dict[str, Any]:
    written: dict[str, Any] = {
        "manager": manager.name,
        "operation": manager.operation,
        "apiVersion": owned.api_version,
        "time": owned.time,
        "fieldsType": _FORMAT,
        "fieldsV1": owned.fields.to_json(),
        "subresource": manager.subresource,
    }
    return {name: value for name, value in written.items() if value or name == "fieldsV1"}


def size_of(entries: list[dict[str, Any]]) -> int:
    """Bytes of the entries as JSON."""
    return len(orjson.dumps(entries))
