"""All requirements of an entry together: order, conflicts, waiting (docs/spec/enforcement.md 11.1 and 15.3)."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from imagegate.core.admission.answer_reader import AnswerReader
from imagegate.core.admission.decision import DenialCode
from imagegate.core.admission.plugin import KnownAnswers
from imagegate.core.enforcement.behaviour import CiseSettings
from imagegate.core.enforcement.evaluate import RequirementsResult, evaluate_requirements
from imagegate.core.enforcement.image import parse_image
from imagegate.core.enforcement.policy import CLUSTER_IMAGE_POLICY, Entry, EntrySource, PolicyGroup, TrustPolicy
from imagegate.core.enforcement.requirement import ImageUnderPolicy, PullSource, Refused, RequirementResult, Verified

A, B = "a" * 64, "b" * 64
SOURCE = EntrySource(PolicyGroup.PORTIERIS, CLUSTER_IMAGE_POLICY, "", "p", 0)
ENTRY = Entry(name="*", source=SOURCE, trust=TrustPolicy(enabled=True))
NO = Refused(DenialCode.SIGNATURE, "no")


@dataclass
class Given:
    """A check with a given result; None: it waits."""

    kind: str
    result: RequirementResult | None
    needed: bool = True
    runs: int = 0

    def applies(self, entry: Entry) -> bool:
        return self.needed

    def evaluate(self, subject: ImageUnderPolicy, reader: AnswerReader) -> RequirementResult | None:
        self.runs += 1
        return self.result


def evaluate(
    *checks: Given, entry: Entry = ENTRY, pinned: str = "", report_all: bool = False
) -> RequirementsResult | None:
    return evaluate_requirements(
        entry,
        checks,
        AnswerReader(KnownAnswers(), final=False),
        namespace="ns",
        written="a",
        image=parse_image("a"),
        pinned=pinned,
        pulls=PullSource("ns", {}, is_pod=True),
        settings=CiseSettings(report_all=report_all),
    )


def refusals(result: RequirementsResult | None) -> list[str]:
    assert result is not None
    return [refused.text for refused in result.refused]


def test_an_entry_without_requirements_runs_no_check() -> None:
    check = Given("simple", NO)
    result = evaluate(check, entry=Entry(name="*", source=SOURCE))
    assert refusals(result) == []
    assert check.runs == 0


def test_a_check_that_the_entry_does_not_require_is_not_run() -> None:
    other = Given("simple", NO, needed=False)
    assert refusals(evaluate(other, Given("trust", Verified(A)))) == []
    assert other.runs == 0


def test_the_first_refusal_ends_it_unless_all_are_reported() -> None:
    late = Given("vulnerability", Refused(DenialCode.VULNERABILITY, "issues"))
    assert refusals(evaluate(Given("simple", NO), late)) == ["no"]
    assert late.runs == 0
    reported = evaluate(Given("simple", NO), Given("trust", Verified(A)), late, report_all=True)
    assert refusals(reported) == ["issues", "no"], "in Portieris' order"
    assert reported is not None
    assert reported.digest == ""


def test_waiting_ends_it_unless_all_are_reported() -> None:
    second = Given("trust", Verified(A))
    assert evaluate(Given("simple", None), second) is None
    assert second.runs == 0
    assert evaluate(Given("simple", None), second, report_all=True) is None
    assert second.runs == 1, "so that its questions are looked up in the same round"


def test_the_verified_digest() -> None:
    result = evaluate(Given("simple", Verified(A)), Given("trust", Verified(A)), Given("vulnerability", Verified()))
    assert refusals(result) == []
    assert result is not None
    assert result.digest == A
    assert [kind for kind, _ in result.tried] == ["simple", "trust", "vulnerability"]


@pytest.mark.parametrize("checks", [("simple",), ("trust",), ("simple", "trust")])
def test_a_digest_other_than_the_one_written_is_a_conflict(checks: tuple[str, ...]) -> None:
    given = [Given(kind, Verified(A)) for kind in checks]
    assert refusals(evaluate(*given, pinned=A)) == []
    assert refusals(evaluate(*given, pinned=B)) == [
        f"imagegate: sha256:{A} was verified, but the image names sha256:{B}"
    ]


def test_trust_and_signatures_must_agree() -> None:
    result = evaluate(Given("simple", Verified(A)), Given("trust", Verified(B)))
    assert refusals(result) == [f"Notary signs conflicting digest: {B} simple: {A}"]
