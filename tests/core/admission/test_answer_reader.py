"""One reader in both roles: it notes what is missing while asking, and has an answer for everything when deciding."""

from __future__ import annotations

from dataclasses import dataclass

from imagegate.core.admission.answer_reader import NOT_LOOKED_UP, AnswerReader
from imagegate.core.admission.lookup import DeadlineExceeded, Found
from imagegate.core.admission.plugin import KnownAnswers, Question


@dataclass(frozen=True, slots=True)
class Digest(Question):
    """A question of this test."""

    name: str


def test_while_asking_a_missing_answer_is_noted_and_awaited() -> None:
    reader = AnswerReader(KnownAnswers({Digest("a"): Found(1)}), final=False)
    assert reader(Digest("a")) == Found(1)
    assert reader(Digest("b")) is None
    assert reader(Digest("c")) is None
    assert reader.missing == [Digest("b"), Digest("c")]


def test_in_the_decision_a_missing_answer_is_out_of_time() -> None:
    reader = AnswerReader(KnownAnswers({Digest("a"): Found(1)}), final=True)
    assert reader(Digest("a")) == Found(1)
    assert reader(Digest("b")) == DeadlineExceeded(NOT_LOOKED_UP)
    assert reader.missing == []


def test_used_answers_are_recorded_on_request_in_the_order_of_reading() -> None:
    reader = AnswerReader(KnownAnswers({Digest("a"): Found(1)}), final=True)
    reader(Digest("a"))
    assert reader.used is None
    reader.used = []
    reader(Digest("b"))
    reader(Digest("a"))
    assert reader.used == [(Digest("b"), DeadlineExceeded(NOT_LOOKED_UP)), (Digest("a"), Found(1))]


def test_an_awaited_answer_is_not_recorded() -> None:
    reader = AnswerReader(KnownAnswers(), final=False)
    reader.used = []
    assert reader(Digest("a")) is None
    assert reader.used == []
