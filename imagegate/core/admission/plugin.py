"""The contract of every admission plug-in: questions first, then a pure decision.

A plug-in never fetches. It names what it must know as ``Question`` values; the service looks the answers up
(``service/review/lookups.py``) and calls again with them, until no question is left. ``decide`` then works from
values alone, so that any decision can be replayed from a file.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Protocol

from imagegate.core.admission.decision import Decision
from imagegate.core.admission.lookup import Lookup
from imagegate.core.admission.request import AdmissionRequest
from imagegate.core.admission.trace import Trace


class Question:
    """Base of everything that can be looked up outside. Subclasses are frozen, hashable dataclasses."""

    __slots__ = ()


class Answers(Protocol):
    """Results of look-ups, by question: everything that a plug-in knows of the outside.

    ``get`` may do work: ``service.review.lookups.MemoryAnswers`` reads memory the moment a plug-in asks.
    """

    @property
    def snapshot(self) -> object | None:
        """Token of the snapshot these answers come from, or None where they come from elsewhere.

        While the token is the same object, the same question has the same answer, so that conclusions drawn from
        answers may be cached with it.
        """

    @property
    def missed(self) -> bool:
        """True after ``get`` returned None for a question that can be looked up: a decision made since is void."""

    def get(self, question: Question, /) -> Lookup[Any] | None:
        """The answer; None where it was not looked up yet."""


class KnownAnswers(dict[Question, Lookup[Any]]):
    """Answers that were looked up before, and nothing else.

    A subclass of dict because those who collect answers one by one need nothing but a dictionary.
    """

    __slots__ = ()

    snapshot: None = None
    missed: bool = False


class Plugin(Protocol):
    """One admission plug-in, made from one set of documents. Immutable; shared by all threads."""

    @property
    def name(self) -> str:
        """``image-policy``, ``import-gate``, ``always-pull`` or ``cise``; in metrics, logs and settings."""

    def covers(self, request: AdmissionRequest) -> bool:
        """True if the plug-in decides about the request. Cheap; looks nothing up."""

    def questions(self, request: AdmissionRequest, answers: Answers) -> Iterable[Question]:
        """The next look-ups, given the answers so far. Empty: ``decide`` may be called.

        Questions that ``answers`` has already may be returned again.
        """

    def decide(
        self, request: AdmissionRequest, answers: Answers, *, now: datetime, trace: Trace | None = None
    ) -> Decision:
        """The decision. Same input, same answer. A missing answer counts as ``Unknown``.

        Args:
            trace: collects the steps of the decision, for ``explain``; None on the hot path.
        """
