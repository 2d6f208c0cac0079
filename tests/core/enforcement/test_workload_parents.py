"""What an owner reference is worth (docs/spec/enforcement.md 10.3)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from imagegate.core.admission.lookup import Unknown
from imagegate.core.admission.owners import Owner
from imagegate.core.enforcement.behaviour import CiseSettings, Parents, Profile
from imagegate.core.enforcement.workload import parent_vouches, read_workload
from tests.support.enforcement_setup import CiseSetup, containers, pod, policy, request, workload

ALLOW = policy('{name: "r.example.com/*"}')
BAD = "other.example.com/app:1"


def child(*images: str, **reference: Any) -> dict[str, Any]:
    """A Pod that names a ReplicaSet as its controller."""
    document = pod(*images)
    document["metadata"]["ownerReferences"] = [
        {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "rs", "uid": "1", "controller": True, **reference}
    ]
    return document


def parent(*images: str, namespace: str = "default", uid: str = "1", **spec: Any) -> str:
    document = workload("ReplicaSet", *images, **spec)
    document["metadata"] = {"name": "rs", "namespace": namespace, "uid": uid}
    return f"---\n{json.dumps(document)}\n"


def world(parents: Parents, documents: str = "", **settings: Any) -> CiseSetup:
    found = CiseSettings(**{"profile": Profile.PORTIERIS, "pods_only": False, "parents": parents, **settings})
    return CiseSetup(ALLOW + documents, found)


def passes(found: CiseSetup, document: dict[str, Any]) -> bool:
    return found.decide(request(document)).allowed


class TestVerify:
    def test_a_child_of_its_parent_passes_unread(self) -> None:
        found = world(Parents.VERIFY, parent(BAD))
        decision = found.decide(request(child(BAD)))
        assert decision.annotations == {"bypass": "parent"}
        assert found.asked == [Owner("apps/v1", "ReplicaSet", "default", "rs")]

    @pytest.mark.parametrize(
        "reference",
        [
            {"controller": False},
            {"controller": None},
            {"controller": "true"},
            {"uid": "2"},
            {"uid": ""},
            {"uid": None},
            {"name": "other"},
            {"kind": "Deployment"},
            {"kind": "Database", "apiVersion": "example.com/v1"},
            {"apiVersion": "example.com/v1"},
            {"apiVersion": None},
        ],
    )
    def test_anything_else_is_examined(self, reference: dict[str, object]) -> None:
        assert not passes(world(Parents.VERIFY, parent(BAD)), child(BAD, **reference))

    @pytest.mark.parametrize(
        "documents",
        [
            "",
            parent("other.example.com/app:2"),
            parent(BAD, BAD),
            parent(BAD, namespace="elsewhere"),
            parent(BAD, uid="2"),
            parent("r.example.com/a", initContainers=containers(BAD)),
        ],
    )
    def test_a_parent_that_does_not_bear_it_out(self, documents: str) -> None:
        assert not passes(world(Parents.VERIFY, documents), child(BAD))

    def test_the_same_images_at_other_places_are_examined(self) -> None:
        assert passes(world(Parents.VERIFY, parent(BAD, "x")), child(BAD, "x"))
        assert not passes(world(Parents.VERIFY, parent("x", BAD)), child(BAD, "x"))

    def test_a_parent_that_cannot_be_asked_vouches_for_nothing(self) -> None:
        found = world(Parents.VERIFY, parent(BAD))
        found.failing = {Owner: Unknown("connection refused")}
        assert not passes(found, child(BAD))
        assert passes(found, child("r.example.com/a"))

    def test_a_parent_that_is_never_examined_vouches_for_nothing(self) -> None:
        assert not passes(world(Parents.VERIFY, parent(BAD), pods_only=True), child(BAD))

    @pytest.mark.parametrize("references", [None, "x", [], ["x"], [{}], {}])
    def test_malformed_references(self, references: object) -> None:
        document = child(BAD)
        document["metadata"]["ownerReferences"] = references
        assert not passes(world(Parents.VERIFY, parent(BAD)), document)


@pytest.mark.parametrize(
    "owner",
    [
        {"apiVersion": "apps/v1", "kind": "ReplicaSet"},
        {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"uid": "1"}, "spec": {"template": {"spec": "x"}}},
        {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"uid": "1"}},
        {"apiVersion": "example.com/v1", "kind": "ReplicaSet", "metadata": {"uid": "1"}},
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"uid": "1"}},
        {},
    ],
)
def test_a_malformed_owner_vouches_for_nothing(owner: dict[str, Any]) -> None:
    document = child(BAD)
    asked = request(document)
    assert not parent_vouches(owner, document, read_workload(asked))


def test_examine_reads_no_owner() -> None:
    found = world(Parents.EXAMINE, parent(BAD))
    assert not passes(found, child(BAD))
    assert found.asked == []


def test_trust_is_the_upstream_behaviour_and_no_default() -> None:
    assert passes(world(Parents.TRUST), child(BAD, controller=None, apiVersion="x/v9"))
    assert not passes(world(Parents.TRUST), child(BAD, kind="Database"))
    assert all(CiseSettings.for_profile(profile).parents is not Parents.TRUST for profile in Profile)


@pytest.mark.parametrize("profile", Profile)
def test_a_forged_owner_reference_is_examined_in_every_profile(profile: Profile) -> None:
    forged = child(BAD, uid="made-up")
    assert not passes(CiseSetup(ALLOW, CiseSettings.for_profile(profile)), forged)
