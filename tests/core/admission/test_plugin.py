"""The contract between plug-ins and those who look answers up."""

from __future__ import annotations

from dataclasses import dataclass

from imagegate.core.admission.lookup import Absent, Found
from imagegate.core.admission.plugin import Answers, KnownAnswers, Question


@dataclass(frozen=True, slots=True)
class Digest(Question):
    """A question of this test."""

    name: str


def test_known_answers_are_answers_without_a_snapshot() -> None:
    known = KnownAnswers({Digest("a"): Found(1)})
    known[Digest("b")] = Absent("none")
    answers: Answers = known
    assert answers.get(Digest("a")) == Found(1)
    assert answers.get(Digest("b")) == Absent("none")
    assert answers.get(Digest("c")) is None
    assert answers.snapshot is None
    assert not answers.missed, "nothing is fetched later, so that a decision always counts"


def test_equal_questions_are_one() -> None:
    assert len({Digest("a"), Digest("a"), Digest("b")}) == 2
