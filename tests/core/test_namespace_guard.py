"""Who may switch execution rules off for a namespace."""

from __future__ import annotations

from typing import Any

import pytest

from imagegate.core.access import Access, AccessAnswer
from imagegate.core.admission import AdmissionRequest, GroupKind, GroupResource, Phase, User
from imagegate.core.decision import DenialCode
from imagegate.core.evidence import Found, Lookup, Unknown
from imagegate.core.image_policy_config import IGNORE_RULES_ANNOTATION
from imagegate.core.namespace_guard import NamespaceGuard
from tests.support.policy_world import NOW

GUARD = NamespaceGuard()
ALICE = User("alice", "", ("devs",))


def namespace(value: str | None) -> dict[str, Any]:
    annotations = {} if value is None else {IGNORE_RULES_ANNOTATION: value}
    return {"kind": "Namespace", "metadata": {"name": "shop", "annotations": annotations}}


def request(new: str | None, old: str | None = None, *, operation: str = "UPDATE") -> AdmissionRequest:
    kind, resource = GroupKind("", "Namespace"), GroupResource("", "namespaces")
    return AdmissionRequest(
        uid="1",
        phase=Phase.VALIDATE,
        operation=operation,
        kind=kind,
        request_kind=kind,
        resource=resource,
        request_resource=resource,
        name="shop",
        namespace="shop",
        user=ALICE,
        object=namespace(new),
        old_object=namespace(old) if operation == "UPDATE" else None,
    )


@pytest.mark.parametrize("new, old, operation", [("a", None, "CREATE"), ("a", "b", "UPDATE"), (None, "a", "UPDATE")])
def test_a_change_needs_the_right(new: str | None, old: str | None, operation: str) -> None:
    asked = request(new, old, operation=operation)
    assert GUARD.covers(asked)
    (question,) = GUARD.questions(asked, {})
    assert question == Access(ALICE, "override", "imagegate", "imagepolicies", namespace="shop")
    assert GUARD.decide(asked, {question: Found(AccessAnswer(True))}, now=NOW).allowed
    denied = GUARD.decide(asked, {question: Found(AccessAnswer(False, "no rule grants it"))}, now=NOW)
    assert denied.status is not None
    assert denied.status.message == (
        'namespaces "shop" is forbidden: changing annotation alpha.image.policy.openshift.io/ignore-rules needs verb '
        '"override" on imagepolicies.imagegate (no rule grants it)'
    )


@pytest.mark.parametrize("answers", [{}, {"unknown": True}])
def test_what_cannot_be_reviewed_is_denied(answers: dict[str, bool]) -> None:
    asked = request("a", None)
    (question,) = GUARD.questions(asked, {})
    known: dict[Any, Lookup[Any]] = {question: Unknown("connection refused")} if answers else {}
    decision = GUARD.decide(asked, known, now=NOW)
    assert [denial.code for denial in decision.denials] == [DenialCode.LOOK_UP_FAILED]


def test_everything_else_passes_unseen() -> None:
    assert not GUARD.covers(request("a", "a"))
    assert not GUARD.covers(request(None, None, operation="CREATE"))
    assert not GUARD.covers(request("a", None, operation="DELETE"))
