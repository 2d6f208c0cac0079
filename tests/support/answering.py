"""Asks a plug-in's questions round by round, as the service does, with answers from a function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from imagegate.core.admission.lookup import Lookup
from imagegate.core.admission.plugin import KnownAnswers, Plugin, Question
from imagegate.core.admission.request import AdmissionRequest
from imagegate.service.review.lookups import ROUNDS_MAX


def answered(
    plugin: Plugin, request: AdmissionRequest, answer: Callable[[Question], Lookup[Any]], asked: list[Question]
) -> KnownAnswers:
    """Every answer the plug-in wants; ``asked`` collects its questions. More rounds than the service makes fail."""
    answers = KnownAnswers()
    for _ in range(ROUNDS_MAX):
        new = [each for each in dict.fromkeys(plugin.questions(request, answers)) if each not in answers]
        if not new:
            return answers
        asked.extend(new)
        answers.update((question, answer(question)) for question in new)
    raise AssertionError(f"still asking after {ROUNDS_MAX} rounds: {new}")
