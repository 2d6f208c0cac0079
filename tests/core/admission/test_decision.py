"""Decisions keep their promises: a denial has a status and no patch."""

from __future__ import annotations

import pytest

from imagegate.core.admission.decision import Decision, Denial, DenialCode, PatchOp, Softened, pointer
from imagegate.core.kube.status import Status

STATUS = Status(code=403, reason="Forbidden", message="no")


def denial(code: DenialCode = DenialCode.REJECTED_BY_RULE, rule: str = "executionRules[2] no-hub") -> Denial:
    return Denial(code=code, image="nginx", at="spec.containers[0].image", rule=rule, because="not from there")


def test_a_denial_names_place_image_rule_reason_and_code() -> None:
    assert str(denial()) == (
        "spec.containers[0].image: nginx denied by executionRules[2] no-hub: not from there [rejected-by-rule]"
    )
    assert str(denial(rule="")) == "spec.containers[0].image: nginx denied: not from there [rejected-by-rule]"


def test_a_denied_object_is_never_patched() -> None:
    with pytest.raises(ValueError, match="never patched"):
        Decision(plugin="a", denials=(denial(),), status=STATUS, rewrites=(PatchOp("remove", "/a"),))


@pytest.mark.parametrize("denials, status", [((denial(),), None), ((), STATUS)])
def test_a_status_comes_with_denials_and_only_with_them(denials: tuple[Denial, ...], status: Status | None) -> None:
    with pytest.raises(ValueError, match="needs a status"):
        Decision(plugin="a", denials=denials, status=status)


@pytest.mark.parametrize(
    "codes, lacks",
    [
        ([DenialCode.LOOK_UP_FAILED, DenialCode.DEADLINE], True),
        ([DenialCode.LOOK_UP_FAILED, DenialCode.REJECTED_BY_RULE], False),
        ([DenialCode.UNRESOLVED], False),
    ],
)
def test_lack_of_evidence(codes: list[DenialCode], lacks: bool) -> None:
    decision = Decision(plugin="a", denials=tuple(map(denial, codes)), status=STATUS)
    assert not decision.allowed
    assert decision.only_lacks_evidence is lacks
    assert not Decision(plugin="a").only_lacks_evidence, "what is allowed lacks nothing"


def test_a_softened_denial_names_its_place() -> None:
    assert Softened("warn", "no-hub", denial()).text == "spec.containers[0].image: not from there"


def test_operations_as_json() -> None:
    assert PatchOp("replace", "/a", "b").to_json() == {"op": "replace", "path": "/a", "value": "b"}
    assert PatchOp("add", "/a", None).to_json() == {"op": "add", "path": "/a", "value": None}
    assert PatchOp("remove", "/a").to_json() == {"op": "remove", "path": "/a"}


def test_pointer() -> None:
    assert pointer("spec.containers[10].image") == "/spec/containers/10/image"
