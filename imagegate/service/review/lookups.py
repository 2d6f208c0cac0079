"""Looks up what plug-ins need from outside: in parallel, identical look-ups merged, within one deadline.

A waiting review holds no thread. The ``in_steps`` methods are generators that yield a ``Wait`` wherever they must wait.
``finish`` runs one to its end in the caller's thread; an event loop resumes it when the wait is over.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator, Iterable, Mapping
from concurrent.futures import Future, wait
from functools import partial
from typing import Any, NamedTuple, Protocol, TypeAlias, TypeVar

from imagegate.caching import Flight, SingleFlight
from imagegate.core.admission.lookup import DeadlineExceeded, Lookup, Unknown
from imagegate.core.admission.plugin import Answers, KnownAnswers, Plugin, Question
from imagegate.core.admission.request import AdmissionRequest
from imagegate.ports.tracing import Span, within
from imagegate.service.review.look_up_spans import end_look_up, look_up_span, outcome_of
from imagegate.service.review.lookup_shares import HostShares, Place, Shares

T = TypeVar("T")

ROUNDS_MAX = 6
"""Rounds of questions that depend on earlier answers. A faulty plug-in must not loop for ever."""
IMMEDIATE_S = 1.0
"""Deadline given to answerers that read memory."""

CIRCUIT = "circuit"
"""Reason of a refused look-up: the host does not answer, and is not asked for a while."""
SHARE = "share"
"""Reason of a refused look-up: too many are under way or wait."""
NO_THREAD = "no-thread"
"""Reason of a refused look-up: no thread can be started, or the service is stopping."""

_log = logging.getLogger(__name__)


class Deadline(NamedTuple):
    """The instant until which a review may look things up."""

    at: float
    """Seconds of the monotonic clock."""
    within_s: float
    """Seconds there were at the start, for messages."""

    @classmethod
    def after(cls, seconds: float, since: float | None = None) -> Deadline:
        """The deadline ``seconds`` after ``since`` on the monotonic clock (None: now)."""
        return cls((time.monotonic() if since is None else since) + seconds, seconds)

    def left_s(self) -> float:
        """Seconds left; zero or less once it has passed."""
        return self.at - time.monotonic()


class Wait(NamedTuple):
    """Look-ups under way that a review needs before it can go on."""

    futures: tuple[Future[Any], ...]
    deadline: Deadline

    def block(self) -> None:
        """Wait in this thread until all are done or the deadline has passed."""
        wait(self.futures, timeout=max(self.deadline.left_s(), 0))


Steps: TypeAlias = Generator[Wait, None, T]
"""Work that stops to wait. Resume it when all futures are done, or the deadline has passed."""


def finish(steps: Steps[T]) -> T:
    """Run ``steps`` to the end, waiting in this thread, and return the result."""
    try:
        while True:
            next(steps).block()
    except StopIteration as ended:
        result: T = ended.value
        return result


class Asker(Protocol):
    """A method of a port. Never raises for errors outside: they are ``Unknown``. Called from several threads."""

    def __call__(self, question: Any, /, *, deadline_s: float) -> Lookup[Any]:
        """The answer to one question, within ``deadline_s`` seconds."""


class Answerer(NamedTuple):
    """The adapter for one class of questions."""

    ask: Asker
    immediate: bool = False
    """True for an adapter that only reads memory: it is called in the review's own thread."""
    cached: Callable[[Any], Lookup[Any] | None] | None = None
    """The cached answer, or None; never waits. A cached answer is not counted as a look-up."""
    host: Callable[[Any], str] | None = None
    """Host of a question, ``host[:port]``; each host has a share of the threads. None: all of its class share one."""
    refusal: Callable[[Any], str] | None = None
    """The reason why looking up would be useless now (a host that does not answer), or empty; never waits."""


Count = Callable[[str, str], None]
"""Called with the question's class name and ``found``, ``absent`` or ``unknown`` for every look-up made."""


class _Collected(Answers, Protocol):
    """Answers that further ones can be added to."""

    def __setitem__(self, question: Question, answer: Lookup[Any], /) -> None:
        """Add an answer."""


class MemoryAnswers:
    """Answers of one review; a question that memory can answer is looked up the moment a plug-in asks it.

    With them a plug-in decides at once, in a single pass. ``missed`` says that it asked for something that must be
    fetched: then its decision does not count, and its questions are looked up first.
    """

    __slots__ = ("_known", "_look_up", "answerers", "missed", "snapshot", "span")

    def __init__(self, look_up: LookUp, snapshot: object | None, answerers: Mapping[type[Question], Answerer]) -> None:
        self._known: dict[Question, Lookup[Any]] = {}
        self._look_up = look_up
        self.answerers = answerers
        """Adapters of this review: the same from first to last, whatever policies are put in force meanwhile."""
        self.missed = False
        self.span: Span | None = None
        """The step of a traced review that asks now."""
        self.snapshot = snapshot
        """See ``Answers.snapshot``."""

    def get(self, question: Question, /) -> Lookup[Any] | None:
        """The answer; None if it must be fetched."""
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
        """Add a fetched answer."""
        self._known[question] = answer


class LookUp:
    """Answers the questions of plug-ins through a table of adapters.

    Reviews that need the same look-up at the same time share one. Safe to make before a fork: threads start with the
    first question that is not immediate.
    """

    def __init__(
        self,
        answerers: Mapping[type[Question], Answerer],
        *,
        shares: Shares | None = None,
        count: Count | None = None,
        refused: Count | None = None,
        snapshot: Callable[[], object | None] = lambda: None,
    ) -> None:
        """Make the table; nothing is looked up yet.

        Args:
            answerers: adapter of each class of questions.
            shares: limits of concurrent look-ups, per host, per kind and altogether.
            count: called after every look-up.
            refused: called for every refused look-up, with the question's class name and ``CIRCUIT``, ``SHARE`` or
                ``NO_THREAD``.
            snapshot: token of the memory that immediate adapters read: see ``Answers.snapshot``.
        """
        self._answerers = dict(answerers)
        self._snapshot = snapshot
        self._shares = HostShares(shares)
        self._combined: tuple[Mapping[type[Question], Answerer], Mapping[type[Question], Answerer]] = (
            {},
            self._answerers,
        )
        """Adapters of the policies used last, and the whole table with them: reviews rarely change policies."""
        self._count = count
        self._refused = refused
        self._flights: SingleFlight[Question, Lookup[Any]] = SingleFlight()

    def answers(
        self,
        plugin: Plugin,
        request: AdmissionRequest,
        deadline: Deadline,
        known: KnownAnswers | None = None,
    ) -> KnownAnswers:
        """Every answer that ``plugin`` needs for ``request``; see ``answers_in_steps``."""
        known = KnownAnswers() if known is None else known
        finish(self.answers_in_steps(plugin, request, deadline, known))
        return known

    def answers_in_steps(
        self, plugin: Plugin, request: AdmissionRequest, deadline: Deadline, known: _Collected
    ) -> Steps[None]:
        """Add every answer that ``plugin`` needs for ``request`` to ``known``.

        An answer that does not come by ``deadline``, or within six rounds, is ``Unknown`` or missing; plug-ins treat
        both alike.
        """
        answerers: Mapping[type[Question], Answerer] = self._answerers
        span: Span | None = None
        if isinstance(known, MemoryAnswers):
            answerers, span = known.answerers, known.span
        for _ in range(ROUNDS_MAX):
            asked = [question for question in plugin.questions(request, known) if known.get(question) is None]
            if not asked:
                break
            yield from self._ask_all(asked, known, deadline, answerers, span)

    def on_demand(
        self,
        memory: Mapping[type[Question], Answerer] | None = None,
        snapshot: Callable[[], object | None] | None = None,
    ) -> MemoryAnswers:
        """Answers of a new review: empty, reading memory as they are needed.

        Args:
            memory: adapters over the documents that decide this review; None: the table's own.
            snapshot: token of that memory.
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
        """The answer if memory has it; None if it must be fetched."""
        answerer = (answerers or self._answerers).get(type(question))
        if answerer is None:
            return None
        if answerer.immediate:
            return self._call(question, answerer, IMMEDIATE_S)
        return answerer.cached(question) if answerer.cached is not None else None

    def look_up(self, question: Question, deadline: Deadline) -> Lookup[Any]:
        """The answer to a single question."""
        return finish(self.look_up_in_steps(question, deadline))

    def look_up_in_steps(
        self,
        question: Question,
        deadline: Deadline,
        answerers: Mapping[type[Question], Answerer] | None = None,
        span: Span | None = None,
    ) -> Steps[Lookup[Any]]:
        """The answer to a single question; ``answerers`` and ``span`` as in ``MemoryAnswers``."""
        known = KnownAnswers()
        asked = self._answerers if answerers is None else answerers
        yield from self._ask_all((question,), known, deadline, asked, span)
        return known[question]

    def waiting(self) -> int:
        """Number of reviews that wait for a look-up; one that waits for two counts twice."""
        return self._flights.callers()

    def under_way(self) -> tuple[int, int]:
        """Number of look-ups that run, and that wait for a thread."""
        return self._shares.busy()

    def close(self) -> None:
        """Stop the threads; look-ups under way end by their deadlines."""
        self._shares.close()

    def _ask_all(
        self,
        questions: Iterable[Question],
        known: _Collected,
        deadline: Deadline,
        answerers: Mapping[type[Question], Answerer],
        span: Span | None,
    ) -> Steps[None]:
        to_fetch: dict[Question, Answerer] = {}
        at_once: list[tuple[Question, Answerer]] = []
        for question in questions:
            answerer = answerers.get(type(question))
            if answerer is None:
                known[question] = Unknown(f"{type(question).__name__} look-ups are not configured")
            elif answerer.immediate:
                at_once.append((question, answerer))
            else:
                to_fetch[question] = answerer
        # Fetching begins first, so that it goes on while memory is read.
        flights = {question: self._start(question, answerer, deadline, span) for question, answerer in to_fetch.items()}
        for question, answerer in at_once:
            if known.get(question) is None:
                known[question] = self._call(question, answerer, deadline.left_s())
        while flights:
            futures = tuple(flight.future for flight in flights.values() if not flight.future.done())
            if futures:
                yield Wait(futures, deadline)
            again: dict[Question, Flight[Lookup[Any]]] = {}
            for question, flight in flights.items():
                if _was_cut_short(flight, deadline):
                    again[question] = self._start(question, to_fetch[question], deadline, span)
                else:
                    known[question] = _result(flight, deadline)
            flights = again

    def _start(
        self, question: Question, answerer: Answerer, deadline: Deadline, span: Span | None
    ) -> Flight[Lookup[Any]]:
        flight, is_own = self._flights.join(question, until=deadline.at)
        step = None
        if span is not None:
            host = "" if answerer.host is None else answerer.host(question)
            step = look_up_span(span, question, host, is_own=is_own)
            flight.future.add_done_callback(partial(end_look_up, step))
        if not is_own:
            return flight
        why = answerer.refusal(question) if answerer.refusal is not None else ""
        if why:
            self._refuse(question, flight, why, CIRCUIT)
            return flight
        kind = type(question).__name__
        place = Place(kind if answerer.host is None else answerer.host(question), kind)
        try:
            why = self._shares.submit(place, lambda: self._run(question, answerer, flight, step))
        except RuntimeError as error:  # no thread can be started, or the service is stopping
            self._refuse(question, flight, f"could not be looked up: {error}", NO_THREAD)
        else:
            if why:
                self._refuse(question, flight, f"not looked up: {why}", SHARE)
        return flight

    def _refuse(self, question: Question, flight: Flight[Lookup[Any]], why: str, cause: str) -> None:
        """Answer every caller, however much time it has left: looking up again at once would not help."""
        if self._refused is not None:
            self._refused(type(question).__name__, cause)
        flight.worked_until = float("inf")
        self._report(question, Unknown(why))
        self._flights.finish(question, flight, Unknown(why))

    def _run(
        self, question: Question, answerer: Answerer, flight: Flight[Lookup[Any]], step: Span | None
    ) -> bool | None:
        """Look up in this thread. Says whether the host answered, as far as that can be told."""
        # Work that waited for a thread gets the latest deadline of all reviews that joined meanwhile.
        flight.worked_until = flight.until
        left_s = flight.worked_until - time.monotonic()
        if left_s <= 0:
            answer: Lookup[Any] = DeadlineExceeded("not looked up: the deadline had passed")
        else:
            with within(step):
                answer = self._call(question, answerer, left_s)
        self._flights.finish(question, flight, answer)
        if not isinstance(answer, Unknown):
            return True
        return False if answer.retryable and left_s > 0 else None

    def _call(self, question: Question, answerer: Answerer, left_s: float) -> Lookup[Any]:
        try:
            answer = answerer.ask(question, deadline_s=left_s)
        except Exception:  # noqa: BLE001 - fail closed: an adapter's bug is no answer
            _log.exception("look-up failed unexpectedly", extra={"question": type(question).__name__})
            answer = Unknown("internal error while looking this up; see the log")
        self._report(question, answer)
        return answer

    def _report(self, question: Question, answer: Lookup[Any]) -> None:
        if self._count is not None:
            self._count(type(question).__name__, outcome_of(answer))


def _result(flight: Flight[Lookup[Any]], deadline: Deadline) -> Lookup[Any]:
    """The result so far."""
    done = flight.future.done()
    return flight.future.result() if done else DeadlineExceeded(f"no answer within {deadline.within_s:g} s")


def _was_cut_short(flight: Flight[Lookup[Any]], deadline: Deadline) -> bool:
    """True if a shared look-up failed, perhaps for its own shorter deadline, and there is time for another."""
    answer = _result(flight, deadline)
    failed = flight.future.done() and isinstance(answer, Unknown) and answer.retryable
    return failed and flight.worked_until < deadline.at and deadline.left_s() > 0
