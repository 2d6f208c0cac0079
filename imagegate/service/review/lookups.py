"""Asks the outside what plug-ins must know: in parallel, merged when identical, inside one deadline.

Waiting holds no thread. ``in_steps`` methods are generators that stop wherever something must be waited for and give a
``Wait``; ``finish`` runs one to its end in the caller's thread, an event loop takes it up again when the wait is over.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Generator, Iterable, Mapping
from concurrent.futures import Future, wait
from typing import Any, NamedTuple, Protocol, TypeAlias, TypeVar

from imagegate.core.admission.lookup import DeadlineExceeded, Found, Lookup, Unknown
from imagegate.core.admission.plugin import Answers, KnownAnswers, Plugin, Question
from imagegate.core.admission.request import AdmissionRequest
from imagegate.service.review.lookup_shares import HostShares, Shares

T = TypeVar("T")

ROUNDS_MAX = 6
IMMEDIATE_S = 1.0
"""The deadline told to answerers that answer from memory."""

_log = logging.getLogger(__name__)


class Deadline(NamedTuple):
    """Until when a review may look things up."""

    at: float
    """Seconds of the monotonic clock."""
    within_s: float
    """How long it was at the start, for the user's text."""

    @classmethod
    def after(cls, seconds: float, since: float | None = None) -> Deadline:
        """The deadline ``seconds`` after ``since`` on the monotonic clock; None: from now."""
        return cls((time.monotonic() if since is None else since) + seconds, seconds)

    def left_s(self) -> float:
        """Seconds that are left; zero or less once it has passed."""
        return self.at - time.monotonic()


class Wait(NamedTuple):
    """What a review waits for before it can go on."""

    futures: tuple[Future[Any], ...]
    deadline: Deadline

    def block(self) -> None:
        """Wait in this thread, until everything is there or the deadline has passed."""
        wait(self.futures, timeout=max(self.deadline.left_s(), 0))


Steps: TypeAlias = Generator[Wait, None, T]
"""Work that stops to wait. To be taken up again when all futures are done, or the deadline has passed."""


def finish(steps: Steps[T]) -> T:
    """The result of ``steps``, waiting in this thread."""
    try:
        while True:
            next(steps).block()
    except StopIteration as ended:
        result: T = ended.value
        return result


class Asker(Protocol):
    """A port method. Never raises for trouble outside: that is ``Unknown``. Called from several threads."""

    def __call__(self, question: Any, /, *, deadline_s: float) -> Lookup[Any]:
        """The answer to one question, given within ``deadline_s`` seconds."""


class Answerer(NamedTuple):
    """Who answers one class of questions."""

    ask: Asker
    immediate: bool = False
    """Answers from memory: called in the review's own thread."""
    remembered: Callable[[Any], Lookup[Any] | None] | None = None
    """The answer if it is known already, else None; never waits. Then nothing is asked or counted."""
    host: Callable[[Any], str] | None = None
    """Where a question is asked, ``host[:port]``; each host has a share of the threads. None: the kind has one."""


Count = Callable[[str, str], None]
"""Called with the question's class name and ``found``, ``absent`` or ``unknown`` for every look-up made."""


class _Pending:
    """A question on its way.

    ``deadline_at`` is the latest of all who wait for it, ``asked_until`` that at the time it was asked.
    """

    __slots__ = ("asked_until", "deadline_at", "future", "waiting")

    def __init__(self, deadline_at: float) -> None:
        self.deadline_at = deadline_at
        self.asked_until = float("-inf")
        self.waiting = 1
        self.future: Future[Lookup[Any]] = Future()

    def answer(self, deadline: Deadline) -> Lookup[Any]:
        """What is known now."""
        return (
            self.future.result()
            if self.future.done()
            else DeadlineExceeded(f"no answer within {deadline.within_s:g} s")
        )

    def was_cut_short(self, deadline: Deadline) -> bool:
        """Whether the answer failed for lack of time, and there is more of it until ``deadline``."""
        answer = self.answer(deadline)
        failed = self.future.done() and isinstance(answer, Unknown) and answer.retryable
        return failed and self.asked_until < deadline.at and deadline.left_s() > 0


class _Collected(Answers, Protocol):
    """Answers to which further ones are added."""

    def __setitem__(self, question: Question, answer: Lookup[Any], /) -> None:
        """Add an answer."""


class MemoryAnswers:
    """Answers of one review; a question that memory can answer is looked up the moment a plug-in asks it.

    With them a plug-in decides at once, in a single pass. ``missed`` says that it asked for something that must be
    fetched: then its decision does not count, and its questions are looked up first.
    """

    __slots__ = ("_known", "_look_up", "answerers", "missed", "snapshot")

    def __init__(self, look_up: LookUp, snapshot: object | None, answerers: Mapping[type[Question], Answerer]) -> None:
        self._known: dict[Question, Lookup[Any]] = {}
        self._look_up = look_up
        self.answerers = answerers
        """Who answers in this review: from first to last the same, whatever is put in force meanwhile."""
        self.missed = False
        self.snapshot = snapshot
        """See ``Answers.snapshot``."""

    def get(self, question: Question, /) -> Lookup[Any] | None:
        """The answer; None where it must be fetched."""
        answer = self._known.get(question)
        if answer is not None:
            return answer
        answer = self._look_up.from_memory(question, self.answerers)
        if answer is None:
            self.missed = True
        else:
            self._known[question] = answer
        return answer

    def __setitem__(self, question: Question, answer: Lookup[Any], /) -> None:
        """Add what was fetched."""
        self._known[question] = answer


class LookUp:
    """Answers the questions of plug-ins through a table of answerers.

    Identical questions that are in flight at the same time, in whatever reviews, are asked once. Safe to
    make before a fork: threads start with the first question that is not immediate.
    """

    def __init__(
        self,
        answerers: Mapping[type[Question], Answerer],
        *,
        shares: Shares | None = None,
        count: Count | None = None,
        snapshot: Callable[[], object | None] = lambda: None,
    ) -> None:
        """Nothing is asked yet.

        Args:
            answerers: who answers which class of questions.
            shares: how many look-ups are made at a time, at one host and altogether.
            count: is told of every look-up.
            snapshot: the state of memory that immediate answerers answer from: see ``Answers.snapshot``.
        """
        self._answerers = dict(answerers)
        self._snapshot = snapshot
        self._shares = HostShares(shares)
        self._combined: tuple[Mapping[type[Question], Answerer], Mapping[type[Question], Answerer]] = (
            {},
            self._answerers,
        )
        """The answerers of the policies that were asked for last, and the same with all others."""
        self._count = count
        self._lock = threading.Lock()
        self._in_flight: dict[Question, _Pending] = {}

    def answers(
        self,
        plugin: Plugin,
        request: AdmissionRequest,
        deadline: Deadline,
        known: KnownAnswers | None = None,
    ) -> KnownAnswers:
        """Everything ``plugin`` wants to know of ``request``; see ``answers_in_steps``."""
        known = KnownAnswers() if known is None else known
        finish(self.answers_in_steps(plugin, request, deadline, known))
        return known

    def answers_in_steps(
        self, plugin: Plugin, request: AdmissionRequest, deadline: Deadline, known: _Collected
    ) -> Steps[None]:
        """Add everything ``plugin`` wants to know of ``request`` to ``known``.

        Whatever could not be had by ``deadline``, or within six rounds, is ``Unknown`` or missing, which
        plug-ins treat alike.
        """
        answerers = known.answerers if isinstance(known, MemoryAnswers) else self._answerers
        for _ in range(ROUNDS_MAX):
            asked = [question for question in plugin.questions(request, known) if known.get(question) is None]
            if not asked:
                break
            yield from self._ask_all(asked, known, deadline, answerers)

    def on_demand(
        self,
        memory: Mapping[type[Question], Answerer] | None = None,
        snapshot: Callable[[], object | None] | None = None,
    ) -> MemoryAnswers:
        """What one review knows: nothing yet, but everything that can be answered from memory.

        Args:
            memory: who answers from the documents that decide this review; None: those that count now.
            snapshot: the state of that memory.
        """
        if not memory:
            return MemoryAnswers(self, self._snapshot(), self._answerers)
        combined = self._combined
        if combined[0] is not memory:
            combined = self._combined = (memory, {**self._answerers, **memory})
        return MemoryAnswers(self, (snapshot or self._snapshot)(), combined[1])

    def from_memory(
        self, question: Question, answerers: Mapping[type[Question], Answerer] | None = None
    ) -> Lookup[Any] | None:
        """The answer, None if it must be fetched."""
        answerer = (answerers or self._answerers).get(type(question))
        if answerer is None:
            return None
        if answerer.immediate:
            return self._call(question, answerer, IMMEDIATE_S)
        return answerer.remembered(question) if answerer.remembered is not None else None

    def look_up(self, question: Question, deadline: Deadline) -> Lookup[Any]:
        """The answer to a single question."""
        return finish(self.look_up_in_steps(question, deadline))

    def look_up_in_steps(
        self, question: Question, deadline: Deadline, answerers: Mapping[type[Question], Answerer] | None = None
    ) -> Steps[Lookup[Any]]:
        """The answer to a single question; ``answerers`` as of ``MemoryAnswers``."""
        known = KnownAnswers()
        yield from self._ask_all((question,), known, deadline, self._answerers if answerers is None else answerers)
        return known[question]

    def waiting(self) -> int:
        """How many reviews wait for answers from elsewhere; one that waits for two counts twice."""
        with self._lock:
            return sum(pending.waiting for pending in self._in_flight.values())

    def close(self) -> None:
        """Stop the threads; questions under way end by their deadlines."""
        self._shares.close()

    def _ask_all(
        self,
        questions: Iterable[Question],
        known: _Collected,
        deadline: Deadline,
        answerers: Mapping[type[Question], Answerer],
    ) -> Steps[None]:
        elsewhere: dict[Question, Answerer] = {}
        at_once: list[tuple[Question, Answerer]] = []
        for question in questions:
            answerer = answerers.get(type(question))
            if answerer is None:
                known[question] = Unknown(f"nothing here answers {type(question).__name__}")
            elif answerer.immediate:
                at_once.append((question, answerer))
            else:
                elsewhere[question] = answerer
        pending = {question: self._start(question, answerer, deadline) for question, answerer in elsewhere.items()}
        for question, answerer in at_once:
            if known.get(question) is None:
                known[question] = self._call(question, answerer, deadline.left_s())
        while pending:
            futures = tuple(started.future for started in pending.values() if not started.future.done())
            if futures:
                yield Wait(futures, deadline)
            again: dict[Question, _Pending] = {}
            for question, started in pending.items():
                if started.was_cut_short(deadline):  # had joined a review with less time than ours
                    again[question] = self._start(question, elsewhere[question], deadline)
                else:
                    known[question] = started.answer(deadline)
            pending = again

    def _start(self, question: Question, answerer: Answerer, deadline: Deadline) -> _Pending:
        with self._lock:
            pending = self._in_flight.get(question)
            if pending is not None:
                pending.deadline_at = max(pending.deadline_at, deadline.at)
                pending.waiting += 1
                return pending
            pending = self._in_flight[question] = _Pending(deadline.at)
        host = type(question).__name__ if answerer.host is None else answerer.host(question)
        try:
            taken = self._shares.submit(host, lambda: self._run(question, answerer, pending))
        except RuntimeError as error:  # no thread can be started, or the service is stopping
            self._refuse(question, pending, f"could not be asked: {error}")
        else:
            if not taken:
                self._refuse(question, pending, self._too_many(host))
        return pending

    def _too_many(self, host: str) -> str:
        running, waiting = self._shares.under_way(host)
        return f"not asked: too many look-ups at {host} ({running} under way, {waiting} waiting); try again later"

    def _refuse(self, question: Question, pending: _Pending, why: str) -> None:
        """Answer everybody who waits, whatever time they have left: asking again at once would not help."""
        pending.asked_until = float("inf")
        self._tell(question, Unknown(why))
        self._finish(question, pending, Unknown(why))

    def _run(self, question: Question, answerer: Answerer, pending: _Pending) -> None:
        pending.asked_until = pending.deadline_at
        left_s = pending.asked_until - time.monotonic()
        if left_s <= 0:
            self._finish(question, pending, DeadlineExceeded("not asked: the deadline had passed"))
        else:
            self._finish(question, pending, self._call(question, answerer, left_s))

    def _finish(self, question: Question, pending: _Pending, answer: Lookup[Any]) -> None:
        with self._lock:
            self._in_flight.pop(question, None)
        pending.future.set_result(answer)

    def _call(self, question: Question, answerer: Answerer, left_s: float) -> Lookup[Any]:
        try:
            answer = answerer.ask(question, deadline_s=left_s)
        except Exception:  # noqa: BLE001 - fail closed: an adapter's bug is no answer
            _log.exception("look-up failed unexpectedly", extra={"question": type(question).__name__})
            answer = Unknown("internal error while looking this up; see the log")
        self._tell(question, answer)
        return answer

    def _tell(self, question: Question, answer: Lookup[Any]) -> None:
        if self._count is not None:
            self._count(type(question).__name__, _outcome(answer))


def _outcome(answer: Lookup[Any]) -> str:
    if isinstance(answer, Found):
        return "found"
    return "unknown" if isinstance(answer, Unknown) else "absent"
