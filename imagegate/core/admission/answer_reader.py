"""Reads answers and notes the missing ones, so that one piece of code both asks and decides."""

from __future__ import annotations

from typing import Any

from imagegate.core.admission.lookup import DeadlineExceeded, Lookup
from imagegate.core.admission.plugin import Answers, Question

NOT_LOOKED_UP = "it was not looked up in time"


class AnswerReader:
    """Reads answers for a plug-in, in ``questions`` and in ``decide`` alike.

    Args:
        answers: results known so far.
        final: True in the decision. A question without an answer then reads as ``DeadlineExceeded``, so that
            the deciding code meets an answer for everything.
    """

    __slots__ = ("answers", "final", "missing", "used")

    def __init__(self, answers: Answers, *, final: bool) -> None:
        self.answers = answers
        self.final = final
        self.missing: list[Question] = []
        """Questions that must be looked up before the code can go on. Empty in the decision."""
        self.used: list[tuple[Question, Lookup[Any]]] | None = None
        """While it is a list: every question that was read, with its answer."""

    def __call__(self, question: Question) -> Lookup[Any] | None:
        """The answer; None where it is awaited, which ``missing`` then says."""
        answer = self.answers.get(question)
        if answer is None:
            if not self.final:
                self.missing.append(question)
                return None
            answer = DeadlineExceeded(NOT_LOOKED_UP)
        if self.used is not None:
            self.used.append((question, answer))
        return answer
