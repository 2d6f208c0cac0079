"""Cached requirement results, valid while the look-ups they used still give the same answers.

A result follows from the policies, the namespace, the image as written, the source of its pull credentials, and
answers. So each result is cached with its questions and answers, and every later review looks them up again: the
answering side alone decides how long an answer is valid.
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
    """The cached result for one image."""

    image: CiseImage
    result: RequirementsResult
    asked: tuple[tuple[Question, Lookup[Any]], ...]
    """All look-ups that the result follows from, in order."""


class VerdictCache:
    """Results keyed by image, original reference and pull-secret source. Bounded; safe for threads."""

    __slots__ = ("_results",)

    def __init__(self) -> None:
        self._results: BoundedCache[Hashable, CachedVerdict] = BoundedCache(RESULTS_MAX)

    def get(self, key: Hashable, answers: Answers) -> CachedVerdict | None:
        """The result, if all its questions still have the same answers; this looks them up."""
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
    """True if an answer has not changed: found values are the same object, or equal strings.

    Identity is enough, because caches answer with the same object; so large documents are never compared.
    """
    if type(answer) is Found and type(before) is Found:
        value = before.value
        return answer.value is value or (type(value) is str and answer.value == value)
    return type(answer) is Absent and answer == before
