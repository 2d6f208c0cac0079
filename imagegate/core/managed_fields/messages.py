"""Sentences about applies that fail. Source: k8s.io/apimachinery, ``pkg/util/managedfields/internal`` (0.34)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from imagegate.core.kube.go_quote import go_quote
from imagegate.core.kube.status import Cause, Status
from imagegate.core.managed_fields.entries import UPDATE, Manager
from imagegate.core.managed_fields.field_set import path_text
from imagegate.core.managed_fields.ownership import Conflict

NO_MANAGED_FIELDS = "metadata.managedFields must be nil"
_CAUSE = "FieldManagerConflict"
_CAUSES_MAX = 1_000
"""How many are listed: an object may have hundreds of thousands of fields."""


def conflict_status(conflicts: Sequence[Conflict]) -> Status:
    """409: others own the fields.

    Args:
        conflicts: at least one, sorted by manager.
    """
    listed = conflicts[:_CAUSES_MAX]
    causes = [Cause(_CAUSE, f"conflict with {_named(each.manager)}", path_text(each.path)) for each in listed]
    return Status(code=409, reason="Conflict", message=_conflict_message(conflicts, listed), causes=tuple(causes))


def _conflict_message(conflicts: Sequence[Conflict], listed: Sequence[Conflict]) -> str:
    if len(conflicts) == 1:
        manager, path = conflicts[0]
        return f"Apply failed with 1 conflict: conflict with {_named(manager)}: {path_text(path)}"
    lines = []
    for manager, theirs in groupby(listed, key=lambda each: each.manager):
        lines.append(f"conflicts with {_named(manager)}:")
        lines += [f"- {path_text(each.path)}" for each in theirs]
    return f"Apply failed with {len(conflicts)} conflicts: " + "\n".join(lines)


def _named(manager: Manager) -> str:
    text = go_quote(manager.name)
    if manager.subresource:
        text = f"{text} with subresource {go_quote(manager.subresource)}"
    return f"{text} using {manager.api_version}" if manager.operation == UPDATE else text


def kind_text(found: Mapping[str, Any]) -> str:
    """Group, version and kind of an object, as Go prints them: ``apps/v1, Kind=Deployment``."""
    version, kind = (_text(found, key) for key in ("apiVersion", "kind"))
    if version.count("/") > 1:
        version = ""
    return f"{version if '/' in version else f'/{version}'}, Kind={kind}"


def object_text(configuration: Mapping[str, Any]) -> str:
    """A configuration in a message: ``NAMESPACE/NAME; KIND``."""
    metadata = configuration.get("metadata")
    named = metadata if isinstance(metadata, Mapping) else {}
    return f"{_text(named, 'namespace')}/{_text(named, 'name')}; {kind_text(configuration)}"


def _text(found: Mapping[str, Any], key: str) -> str:
    value = found.get(key)
    return value if isinstance(value, str) else ""
