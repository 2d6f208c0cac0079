"""An owner reference counts only if the fetched owner confirms it."""

from __future__ import annotations

from typing import Any

import pytest

from imagegate.core.admission.owners import Owner, controller_reference, owner_holds_images, owner_question

REFERENCE = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "rs", "uid": "1", "controller": True}


def owner(**changes: Any) -> dict[str, Any]:
    spec = {"template": {"spec": {"containers": [{"name": "a", "image": "a:1"}, {"name": "b", "image": "b:1"}]}}}
    return {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"uid": "1"}, "spec": spec, **changes}


@pytest.mark.parametrize(
    "references, expected",
    [
        ([{**REFERENCE, "controller": False}, REFERENCE], REFERENCE),
        ([{**REFERENCE, "controller": "true"}], None),
        (["no object"], None),
        ("no list", None),
        (None, None),
    ],
)
def test_the_controller_among_the_references(references: object, expected: object) -> None:
    assert controller_reference({"metadata": {"ownerReferences": references}}) == expected


def test_without_metadata_there_is_no_controller() -> None:
    assert controller_reference({}) is None
    assert controller_reference({"metadata": []}) is None


def test_the_question_takes_strings_only() -> None:
    assert owner_question(REFERENCE, "shop") == Owner("apps/v1", "ReplicaSet", "shop", "rs")
    assert owner_question({"kind": 5}, "shop") == Owner("", "", "shop", "")


@pytest.mark.parametrize(
    "images, held", [({"a:1"}, True), ({"a:1", "b:1"}, True), ({"a:1", "c:1"}, False), ((), False)]
)
def test_every_image_must_be_in_the_owners_template(images: set[str], held: bool) -> None:
    assert owner_holds_images(owner(), "1", frozenset(images)) is held


@pytest.mark.parametrize(
    "changes, uid",
    [
        ({}, "2"),
        ({}, ""),
        ({}, None),
        ({"metadata": None}, "1"),
        ({"kind": "Widget"}, "1"),
        ({"kind": "Pod", "apiVersion": "v1"}, "1"),
        ({"apiVersion": 5}, "1"),
        ({"spec": "none"}, "1"),
        ({"spec": {}}, "1"),
    ],
)
def test_any_other_owner_confirms_nothing(changes: dict[str, Any], uid: object) -> None:
    assert not owner_holds_images(owner(**changes), uid, frozenset({"a:1"}))
