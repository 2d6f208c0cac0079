"""Deletion of objects that finalizers still hold, and of their dependents.

Source: k8s.io/apiserver 0.34, ``pkg/registry/generic/registry/store.go`` (``deletionFinalizersForGarbageCollection``,
``markAsDeleting``, ``ShouldDeleteDuringUpdate``), and ``ValidateDeleteOptions`` of k8s.io/apimachinery.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from imagegate.core.kube.field_errors import FieldError, forbidden, invalid, not_supported

JsonObject: TypeAlias = dict[str, Any]

FOREGROUND, BACKGROUND, ORPHAN = "Foreground", "Background", "Orphan"
ORPHAN_FINALIZER, FOREGROUND_FINALIZER = "orphan", "foregroundDeletion"
_POLICIES = (FOREGROUND, BACKGROUND, ORPHAN)
_FINALIZER_OF = {ORPHAN: ORPHAN_FINALIZER, FOREGROUND: FOREGROUND_FINALIZER}


def option_errors(*, propagation: str | None, orphan_dependents: bool | None, dry_run: list[str]) -> list[FieldError]:
    """Errors in the options of a delete. Any grace period is one: nothing here has any."""
    errors = []
    if orphan_dependents is not None and propagation is not None:
        why = "orphanDependents and deletionPropagation cannot be both set"
        errors.append(invalid("propagationPolicy", propagation, why))
    if propagation is not None and propagation not in _POLICIES:
        errors.append(not_supported("propagationPolicy", propagation, (*_POLICIES, "nil")))
    if dry_run and set(dry_run) != {"All"}:
        errors.append(not_supported("dryRun", dry_run, ("All",)))
    return errors


def finalizers_of(found: Mapping[str, Any]) -> list[str]:
    """Finalizers of the object."""
    finalizers = (found.get("metadata") or {}).get("finalizers")
    return list(finalizers) if isinstance(finalizers, list) else []


def is_being_deleted(found: Mapping[str, Any]) -> bool:
    """True if the object was deleted and only finalizers hold it."""
    return bool((found.get("metadata") or {}).get("deletionTimestamp"))


def finalizers_after_delete(finalizers: Iterable[str], propagation: str) -> list[str]:
    """Finalizers of an object once it is deleted.

    Args:
        finalizers: those it has now.
        propagation: the policy of the delete; empty: the request sets none, so a finalizer that represents one stays.
    """
    now = list(finalizers)
    if not propagation:
        return now
    kept = [name for name in now if name not in _FINALIZER_OF.values()]
    return [*kept, _FINALIZER_OF[propagation]] if propagation in _FINALIZER_OF else kept


def marked_for_deletion(found: JsonObject, propagation: str, now: str) -> JsonObject:
    """The object as stored after a delete while finalizers hold it.

    Args:
        found: the object.
        propagation: see ``finalizers_after_delete``.
        now: the time, as Kubernetes writes it.
    """
    metadata = dict(found.get("metadata") or {})
    if metadata.get("deletionGracePeriodSeconds") is None and metadata.get("generation"):
        metadata["generation"] += 1
    metadata["deletionTimestamp"] = metadata.get("deletionTimestamp") or now
    metadata["deletionGracePeriodSeconds"] = 0
    metadata["finalizers"] = finalizers_after_delete(finalizers_of(found), propagation)
    if not metadata["finalizers"]:
        del metadata["finalizers"]
    return {**found, "metadata": metadata}


def without_finalizer(found: JsonObject, name: str) -> JsonObject:
    """The object without this finalizer."""
    metadata = {**found["metadata"], "finalizers": [each for each in finalizers_of(found) if each != name]}
    return {**found, "metadata": metadata}


def kept_deletion(metadata: JsonObject, before: Mapping[str, Any]) -> JsonObject:
    """Metadata of an update with the fields of a deletion that has begun: no update can remove them.

    Another grace period stays, to be refused with the errors of all fields that cannot change.
    """
    if not before.get("deletionTimestamp"):
        return metadata
    period = metadata.get("deletionGracePeriodSeconds")
    return {
        **metadata,
        "deletionTimestamp": before["deletionTimestamp"],
        "deletionGracePeriodSeconds": before.get("deletionGracePeriodSeconds") or 0 if period is None else period,
    }


def new_finalizer_errors(new: Mapping[str, Any], old: Mapping[str, Any]) -> list[FieldError]:
    """An update may only take finalizers off an object that is being deleted."""
    if not is_being_deleted(old):
        return []
    before = finalizers_of(old)
    added = sorted({str(name) for name in finalizers_of(new) if name not in before})
    if not added:
        return []
    listed = ", ".join(f'"{name}"' for name in added)
    why = f"no new finalizers can be added if the object is being deleted, found new finalizers []string{{{listed}}}"
    return [forbidden("metadata.finalizers", why)]


def owner_references(found: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Owners of the object."""
    references = (found.get("metadata") or {}).get("ownerReferences")
    return [each for each in references if isinstance(each, Mapping)] if isinstance(references, list) else []


def depends_on(found: Mapping[str, Any], uid: str) -> bool:
    """True if the object names an owner of this uid."""
    return any(reference.get("uid") == uid for reference in owner_references(found))


def blocks_deletion(found: Mapping[str, Any], uid: str) -> bool:
    """True if its owner of this uid must wait for the object when deleted in the foreground."""
    return any(
        reference.get("uid") == uid and reference.get("blockOwnerDeletion") is True
        for reference in owner_references(found)
    )


def without_owner(found: JsonObject, uid: str) -> JsonObject:
    """The object as an orphan of this owner."""
    kept = [reference for reference in owner_references(found) if reference.get("uid") != uid]
    metadata = {key: value for key, value in found["metadata"].items() if key != "ownerReferences"}
    return {**found, "metadata": {**metadata, "ownerReferences": kept} if kept else metadata}
