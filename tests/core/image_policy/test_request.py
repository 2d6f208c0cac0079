"""What the image policy reads of a request: changed images, exclusions, immutable places."""

from __future__ import annotations

from typing import Any

import pytest

from imagegate.core.admission.answer_reader import AnswerReader
from imagegate.core.admission.lookup import Absent, Found, Lookup, Unknown, Unlisted
from imagegate.core.admission.owners import Owner
from imagegate.core.admission.plugin import KnownAnswers
from imagegate.core.admission.request import AdmissionRequest
from imagegate.core.image_policy.behaviour import Behaviour, ControllerOwned, NamespaceOverride
from imagegate.core.image_policy.config import ExecutionRule
from imagegate.core.image_policy.execution_rules import CompiledRule, compile_rule
from imagegate.core.image_policy.request import Exclusions, PolicyRequest
from imagegate.core.image_streams.questions import Namespace
from tests.core.image_policy.test_plugin import pod
from tests.support.image_policy_setup import request_for

IGNORE = "alpha.image.policy.openshift.io/ignore-rules"
OWNER = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "rs", "uid": "1", "controller": True}


def read(document: dict[str, Any], behaviour: Behaviour | None = None, **request: Any) -> PolicyRequest:
    return PolicyRequest(request_for(document, **request), behaviour or Behaviour())


def names(work: PolicyRequest) -> list[str]:
    return [use.name for use in work.uses]


def rule(name: str, **fields: Any) -> CompiledRule:
    return compile_rule(0, ExecutionRule(name=name, **fields), Behaviour())


def reader(answer: Lookup[Any] | None) -> AnswerReader:
    known = KnownAnswers() if answer is None else KnownAnswers({Namespace("default"): answer})
    return AnswerReader(known, final=True)


def exclusions(answer: Lookup[Any] | None, **behaviour: Any) -> Exclusions:
    return read(pod("a"), Behaviour(**behaviour)).exclusions(reader(answer))


def annotated(text: str) -> Found[dict[str, Any]]:
    return Found({"metadata": {"annotations": {IGNORE: text}}})


def test_an_update_is_about_images_that_are_new_in_their_place() -> None:
    work = read(pod(["a:1", "b:2"]), operation="UPDATE", old=pod(["a:1", "b:1"]))
    assert names(work) == ["b:2"]
    assert names(read(pod(["a:1"]), operation="UPDATE", old=pod(["a:1"]))) == []


def test_an_update_of_another_kind_is_mismatched() -> None:
    assert read(pod("a"), operation="UPDATE", old={**pod("a"), "kind": "Job"}).mismatched


def test_rules_are_switched_off_by_name() -> None:
    found = exclusions(annotated(" a ,,b"))
    assert found(rule("a"))
    assert found(rule("b"))
    assert not found(rule("c"))
    assert not found(rule("a", ignore_namespace_override=True))
    assert found.used == {"a", "b"}
    assert not found.are_none


def test_looking_is_not_using() -> None:
    found = exclusions(annotated("a"))
    assert found.switches_off(rule("a"))
    assert found.used == set()


def test_restricted_takes_the_rules_consent() -> None:
    found = exclusions(annotated("a"), namespace_override=NamespaceOverride.RESTRICTED)
    assert not found(rule("a"))
    assert found(rule("a", allow_namespace_override=True))


@pytest.mark.parametrize("answer", [Found({}), Absent("none"), Unlisted("no source")])
def test_without_an_annotation_nothing_is_switched_off_for_certain(answer: Lookup[Any]) -> None:
    assert exclusions(answer).are_none


@pytest.mark.parametrize("answer, why", [(Unknown("timed out"), "timed out"), (None, "it was not looked up in time")])
def test_a_namespace_that_cannot_be_read_is_a_doubt(answer: Lookup[Any] | None, why: str) -> None:
    found = exclusions(answer)
    assert not found.are_none
    assert found.uncertain(rule("a")) == f"annotations of namespace default could not be read: {why}"
    assert found.uncertain(rule("a", ignore_namespace_override=True)) == ""


def test_a_request_without_namespace_has_none_to_read() -> None:
    work = read(pod("a"), namespace="")
    assert list(work.first_questions()) == []
    assert work.exclusions(reader(None)).are_none


def test_the_owner_is_looked_up_only_for_trusted_controllers() -> None:
    trusting = Behaviour(controller_owned=ControllerOwned.TRUSTED, trusted_controllers=frozenset({"robot"}))
    owned = pod("a", ownerReferences=[OWNER])
    owner = Owner("apps/v1", "ReplicaSet", "default", "rs")
    assert list(read(owned, trusting, user="robot").first_questions()) == [Namespace("default"), owner]
    assert list(read(owned, trusting).first_questions()) == [Namespace("default")]
    assert list(read(owned, user="robot").first_questions()) == [Namespace("default")]


def held(request: AdmissionRequest, *, fixed: bool = False) -> str | None:
    work = PolicyRequest(request, Behaviour())
    return work.held(work.uses[0], fixed=fixed)


def test_places_that_may_be_rewritten() -> None:
    assert held(request_for(pod("a"))) is None
    assert held(request_for(pod("a:2"), operation="UPDATE", old=pod("a:1"))) is None
    assert held(request_for(pod("a:2"), operation="UPDATE", old=pod("a:1")), fixed=True) == "a:1"
    assert held(request_for(pod("a", ownerReferences=[OWNER]))) == "", "its controller would undo the rewrite"


def test_an_exempt_service_account() -> None:
    exempt = Behaviour(exempt_service_accounts=frozenset({"system:serviceaccount:default:default"}))
    assert read(pod("a"), exempt).is_exempt
    assert not read(pod("a")).is_exempt
    assert not read(pod("a"), exempt, namespace="other").is_exempt
