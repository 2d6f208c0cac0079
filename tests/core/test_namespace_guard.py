"""Who may switch execution rules off for a namespace."""

from __future__ import annotations

from typing import Any

import pytest

from imagegate.core.admission.access_review import Access, AccessAnswer
from imagegate.core.admission.decision import DenialCode
from imagegate.core.admission.lookup import Found, Unknown
from imagegate.core.admission.plugin import KnownAnswers
from imagegate.core.admission.request import AdmissionRequest, GroupKind, GroupResource, Phase, User
from imagegate.core.image_policy.config import IGNORE_RULES_ANNOTATION
from imagegate.core.namespace_guard import NamespaceGuard
from tests.support.image_policy_setup import NOW

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
    (question,) = GUARD.questions(asked, KnownAnswers())
    assert question == Access(ALICE, "override", "imagegate", "imagepolicies", namespace="shop")
    assert GUARD.decide(asked, KnownAnswers({question: Found(AccessAnswer(True))}), now=NOW).allowed
    denied = GUARD.decide(asked, KnownAnswers({question: Found(AccessAnswer(False, "no rule grants it"))}), now=NOW)
    assert denied.status is not None
    assert denied.status.message == (
        'namespaces "shop" is forbidden: changing annotation alpha.image.policy.openshift.io/ignore-rules needs verb '
        '"override" on imagepolicies.imagegate (no rule grants it)'
    )


@pytest.mark.parametrize("answers", [{}, {"unknown": True}])
def test_what_cannot_be_reviewed_is_denied(answers: dict[str, bool]) -> None:
    asked = request("a", None)
    (question,) = GUARD.questions(asked, KnownAnswers())
    known = KnownAnswers({question: Unknown("connection refused")} if answers else {})
    decision = GUARD.decide(asked, known, now=NOW)
    assert [denial.code for denial in decision.denials] == [DenialCode.LOOK_UP_FAILED]


def test_everything_else_passes_unseen() -> None:
    assert not GUARD.covers(request("a", "a"))
    assert not GUARD.covers(request(None, None, operation="CREATE"))
    assert not GUARD.covers(request("a", None, operation="DELETE"))


MODES = {"": 0, "warn": 1, "audit": 2}


def labelled(new: str, old: str | None = None) -> AdmissionRequest:
    """A namespace whose label changes; ``old`` None: it is created."""
    asked = request(None, None, operation="CREATE" if old is None else "UPDATE")
    documents = [{"metadata": {"labels": {"mode": each}}} for each in (new, old or "")]
    changed = {"object": documents[0], "old_object": None if old is None else documents[1]}
    return AdmissionRequest(**{name: getattr(asked, name) for name in asked.__dataclass_fields__} | changed)


@pytest.mark.parametrize("new, old", [("warn", ""), ("audit", "warn"), ("warn", None)])
def test_labels_that_make_a_plug_in_less_strict_need_the_right(new: str, old: str | None) -> None:
    guard = NamespaceGuard(lambda labels: (0, MODES[labels.get("mode", "")]))
    asked = labelled(new, old)
    assert guard.covers(asked)
    (question,) = guard.questions(asked, KnownAnswers())
    assert guard.decide(asked, KnownAnswers({question: Found(AccessAnswer(True))}), now=NOW).allowed
    denied = guard.decide(asked, KnownAnswers({question: Found(AccessAnswer(False))}), now=NOW)
    assert denied.denials[0].at == "metadata.labels"
    assert not GUARD.covers(asked), "modes do not depend on labels here"


@pytest.mark.parametrize("new, old", [("", "warn"), ("warn", "warn"), ("", None), ("warn", "audit")])
def test_other_labels_are_nobodys_business(new: str, old: str | None) -> None:
    assert not NamespaceGuard(lambda labels: (0, MODES[labels.get("mode", "")])).covers(labelled(new, old))


def test_the_annotation_is_guarded_only_where_it_counts() -> None:
    assert not NamespaceGuard(annotation=False).covers(request("a", None))
