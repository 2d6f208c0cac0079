"""Deletion of objects that finalizers hold, as k8s.io/apiserver 0.34 does it."""

from __future__ import annotations

from typing import Any

import pytest

from imagegate.core.kube.deletion import (
    BACKGROUND,
    FOREGROUND,
    ORPHAN,
    blocks_deletion,
    depends_on,
    finalizers_after_delete,
    finalizers_of,
    is_being_deleted,
    kept_deletion,
    marked_for_deletion,
    new_finalizer_errors,
    option_errors,
    without_finalizer,
    without_owner,
)

BOTH_SET = 'propagationPolicy: Invalid value: "Orphan": orphanDependents and deletionPropagation cannot be both set'
UNKNOWN_POLICY = (
    'propagationPolicy: Unsupported value: "orphan": supported values: "Foreground", "Background", "Orphan", "nil"'
)
NOW = "2026-11-27T10:00:00Z"


def held(*finalizers: str, **metadata: Any) -> dict[str, Any]:
    return {"kind": "ImageStream", "metadata": {"name": "app", "finalizers": list(finalizers), **metadata}}


@pytest.mark.parametrize(
    "options, errors",
    [
        ({}, []),
        ({"propagation": FOREGROUND, "dry_run": ["All"]}, []),
        ({"orphan_dependents": True}, []),
        (
            {"orphan_dependents": True, "propagation": ORPHAN},
            ['propagationPolicy: Invalid value: "Orphan": orphanDependents and deletionPropagation cannot be both set'],
        ),
        (
            {"propagation": "orphan"},
            [UNKNOWN_POLICY],
        ),
        ({"dry_run": ["all"]}, ['dryRun: Unsupported value: ["all"]: supported values: "All"']),
    ],
)
def test_options(options: dict[str, Any], errors: list[str]) -> None:
    given = {"propagation": None, "orphan_dependents": None, "dry_run": [], **options}
    assert [str(error) for error in option_errors(**given)] == errors


@pytest.mark.parametrize(
    "propagation, finalizers",
    [
        ("", ["mine/x", "orphan"]),
        (BACKGROUND, ["mine/x"]),
        (FOREGROUND, ["mine/x", "foregroundDeletion"]),
        (ORPHAN, ["mine/x", "orphan"]),
    ],
)
def test_the_policy_of_a_delete_replaces_the_finalizer_of_another(propagation: str, finalizers: list[str]) -> None:
    assert finalizers_after_delete(["mine/x", "orphan"], propagation) == finalizers


def test_a_held_object_is_marked() -> None:
    stream = held("mine/x", generation=3)
    marked = marked_for_deletion(stream, BACKGROUND, NOW)
    assert marked["metadata"] == {
        "name": "app",
        "finalizers": ["mine/x"],
        "generation": 4,
        "deletionTimestamp": NOW,
        "deletionGracePeriodSeconds": 0,
    }
    assert is_being_deleted(marked)
    assert not is_being_deleted(stream)
    again = marked_for_deletion(marked, FOREGROUND, "2027-01-01T00:00:00Z")
    assert again["metadata"]["deletionTimestamp"] == NOW
    assert again["metadata"]["generation"] == 4
    assert finalizers_of(again) == ["mine/x", "foregroundDeletion"]
    assert finalizers_of(without_finalizer(again, "mine/x")) == ["foregroundDeletion"]
    assert "finalizers" not in marked_for_deletion(held("orphan"), BACKGROUND, NOW)["metadata"]


def test_an_update_cannot_take_off_a_deletion() -> None:
    before = marked_for_deletion(held("mine/x"), BACKGROUND, NOW)["metadata"]
    assert kept_deletion({"name": "app"}, before) == {
        "name": "app",
        "deletionTimestamp": NOW,
        "deletionGracePeriodSeconds": 0,
    }
    assert kept_deletion({"name": "app"}, {"name": "app"}) == {"name": "app"}


def test_an_object_that_is_being_deleted_gets_no_new_finalizers() -> None:
    before = marked_for_deletion(held("mine/x"), BACKGROUND, NOW)
    assert new_finalizer_errors(held(), before) == []
    assert new_finalizer_errors(held("mine/x"), before) == []
    (error,) = new_finalizer_errors(held("mine/x", "b", "a"), before)
    assert str(error) == (
        "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, "
        'found new finalizers []string{"a", "b"}'
    )
    assert new_finalizer_errors(held("mine/x", "b"), held("mine/x")) == []


def test_owners() -> None:
    owned = held(ownerReferences=[{"uid": "1", "blockOwnerDeletion": True}, {"uid": "2"}, "not an object"])
    assert [depends_on(owned, uid) for uid in ("1", "2", "3")] == [True, True, False]
    assert [blocks_deletion(owned, uid) for uid in ("1", "2", "3")] == [True, False, False]
    orphan = without_owner(owned, "1")
    assert orphan["metadata"]["ownerReferences"] == [{"uid": "2"}]
    assert "ownerReferences" not in without_owner(orphan, "2")["metadata"]
    assert not depends_on({"metadata": {"ownerReferences": "x"}}, "1")
