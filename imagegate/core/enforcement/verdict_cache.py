"""What entries' requirements came to, kept while everything that was asked for it is answered as it was.

What an image comes to follows from the policies, the namespace, the image as written, where its pull credentials come
from, and the answers to what was asked. So with each result stand the questions and their answers, and every later
review asks them again: how long an answer holds stays the business of who answers.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, NamedTuple

from imagegate.caching import BoundedCache
from imagegate.core.admission.lookup import Absent, Found, Lookup
from imagegate.core.admission.plugin import Answers, Question
from imagegate.core.enforcement.evaluate import RequirementsResult
from imagegate.core.enforcement.image import CiseImage

RESULTS_MAX = 4096


class CachedVerdict(NamedTuple):
    """What came of one image."""

    image: CiseImage
    result: RequirementsResult
    asked: tuple[tuple[Question, Lookup[Any]], ...]
    """Everything the result follows from, in the order in which it was asked."""


class VerdictCache:
    """Results by whatever tells one image's circumstances from another's. Bounded; safe for threads."""

    __slots__ = ("_results",)

    def __init__(self) -> None:
        self._results: BoundedCache[Hashable, CachedVerdict] = BoundedCache(RESULTS_MAX)

    def get(self, key: Hashable, answers: Answers) -> CachedVerdict | None:
        """The result, if all its questions still have the same answers; they are asked."""
        result = self._results.get(key)
        if result is None:
            return None
        for question, before in result.asked:
            if not _is_same(answers.get(question), before):
                return None
        return result

    def add(self, key: Hashable, result: CachedVerdict) -> None:
        """Cache a result, unless one of the answers it follows from is unknown."""
        if all(isinstance(answer, Found | Absent) for _, answer in result.asked):
            self._results.put(key, result)


def _is_same(answer: Lookup[Any] | None, before: Lookup[Any]) -> bool:
    """Whether an answer is what it was: found values are the same object, or equal texts."""
    if type(answer) is Found and type(before) is Found:
        value = before.value
        return answer.value is value or (type(value) is str and answer.value == value)
    return type(answer) is Absent and answer == before
