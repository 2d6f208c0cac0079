"""Asks the outside what plug-ins must know: in parallel, merged when identical, inside one deadline."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotInTime
from typing import Any, NamedTuple, Protocol

from imagegate.core.admission import AdmissionRequest
from imagegate.core.evidence import Absent, Found, Lookup, OutOfTime, Unknown
from imagegate.core.plugin import Plugin, Question

ROUNDS_MAX = 6
PARALLEL_MAX = 32
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
    def after(cls, seconds: float) -> Deadline:
        """The deadline ``seconds`` from now."""
        return cls(time.monotonic() + seconds, seconds)

    def left_s(self) -> float:
        """Seconds that are left; zero or less once it has passed."""
        return self.at - time.monotonic()


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


Count = Callable[[str, str], None]
"""Called with the question's class name and ``found``, ``absent`` or ``unknown`` for every look-up made."""


class _Pending:
    """A question on its way.

    ``deadline_at`` is the latest of all who wait for it, ``asked_until`` that at the time it was asked.
    """

    __slots__ = ("asked_until", "deadline_at", "future", "waiting")

    def __init__(self, deadline_at: float) -> None:
        self.deadline_at = deadline_at
        self.asked_until = 0.0
        self.waiting = 1
        self.future: Future[Lookup[Any]] = Future()


class OnDemand(dict[Question, Lookup[Any]]):
    """Answers that come from memory the moment a plug-in looks at them.

    With it a plug-in can decide at once, in a single pass. ``incomplete`` says that it looked for an answer
    which must be fetched: then what it decided does not count, and its questions are asked first.
    """

    __slots__ = ("_look_up", "incomplete", "stamp")

    def __init__(self, look_up: LookUp, stamp: object | None) -> None:
        super().__init__()
        self._look_up = look_up
        self.incomplete = False
        self.stamp = stamp
        """See ``core.plugin.stamp_of``."""

    def get(self, question: Question, default: Any = None) -> Any:
        """The answer; ``default`` where it must be fetched."""
        answer = dict.get(self, question)
        if answer is not None:
            return answer
        answer = self._look_up.from_memory(question)
        if answer is None:
            self.incomplete = True
            return default
        self[question] = answer
        return answer

    def __missing__(self, question: Question) -> Lookup[Any]:
        answer: Lookup[Any] | None = self.get(question)
        if answer is None:
            raise KeyError(question)
        return answer

    def __contains__(self, question: object) -> bool:
        return isinstance(question, Question) and self.get(question) is not None


class LookUp:
    """Answers the questions of plug-ins through a table of answerers.

    Identical questions that are in flight at the same time, in whatever reviews, are asked once. Safe to
    make before a fork: threads start with the first question that is not immediate.
    """

    def __init__(
        self,
        answerers: Mapping[type[Question], Answerer],
        *,
        parallel_max: int = PARALLEL_MAX,
        count: Count | None = None,
        stamp: Callable[[], object | None] = lambda: None,
    ) -> None:
        """Nothing is asked yet.

        Args:
            answerers: who answers which class of questions.
            parallel_max: threads that ask.
            count: is told of every look-up.
            stamp: the state of memory that immediate answerers answer from: see ``core.plugin.stamp_of``.
        """
        self._answerers = dict(answerers)
        self._stamp = stamp
        self._pool = ThreadPoolExecutor(parallel_max, thread_name_prefix="look-up")
        self._count = count
        self._lock = threading.Lock()
        self._in_flight: dict[Question, _Pending] = {}

    def answers(
        self,
        plugin: Plugin,
        request: AdmissionRequest,
        deadline: Deadline,
        known: dict[Question, Lookup[Any]] | None = None,
    ) -> Mapping[Question, Lookup[Any]]:
        """Everything ``plugin`` wants to know of ``request``.

        Whatever could not be had by ``deadline``, or within six rounds, is ``Unknown`` or missing, which
        plug-ins treat alike. ``known`` holds what was learned before and is added to.
        """
        if known is None:
            known = {}
        for _ in range(ROUNDS_MAX):
            asked = [question for question in plugin.questions(request, known) if question not in known]
            if not asked:
                break
            self._ask_all(asked, known, deadline)
        return known

    def on_demand(self) -> OnDemand:
        """What one review knows: nothing yet, but everything that can be answered from memory."""
        return OnDemand(self, self._stamp())

    def from_memory(self, question: Question) -> Lookup[Any] | None:
        """The answer, None if it must be fetched."""
        answerer = self._answerers.get(type(question))
        if answerer is None:
            return None
        if answerer.immediate:
            return self._call(question, answerer, IMMEDIATE_S)
        return answerer.remembered(question) if answerer.remembered is not None else None

    def one(self, question: Question, deadline: Deadline) -> Lookup[Any]:
        """The answer to a single question."""
        known: dict[Question, Lookup[Any]] = {}
        self._ask_all((question,), known, deadline)
        return known[question]

    def waiting(self) -> int:
        """How many reviews wait for answers from elsewhere; one that waits for two counts twice."""
        with self._lock:
            return sum(pending.waiting for pending in self._in_flight.values())

    def close(self) -> None:
        """Stop the threads; questions under way end by their deadlines."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _ask_all(self, questions: Iterable[Question], known: dict[Question, Lookup[Any]], deadline: Deadline) -> None:
        waiting: dict[Question, Answerer] = {}
        at_once: list[tuple[Question, Answerer]] = []
        for question in questions:
            answerer = self._answerers.get(type(question))
            if answerer is None:
                known[question] = Unknown(f"nothing here answers {type(question).__name__}")
            elif answerer.immediate:
                at_once.append((question, answerer))
            else:
                waiting[question] = answerer
        pending = {question: self._start(question, answerer, deadline) for question, answerer in waiting.items()}
        for question, answerer in at_once:
            if question not in known:
                known[question] = self._call(question, answerer, deadline.left_s())
        for question, started in pending.items():
            known[question] = self._await(question, waiting[question], started, deadline)

    def _start(self, question: Question, answerer: Answerer, deadline: Deadline) -> _Pending:
        with self._lock:
            pending = self._in_flight.get(question)
            if pending is not None:
                pending.deadline_at = max(pending.deadline_at, deadline.at)
                pending.waiting += 1
                return pending
            pending = self._in_flight[question] = _Pending(deadline.at)
        try:
            self._pool.submit(self._run, question, answerer, pending)
        except RuntimeError as error:  # no thread can be started, or the service is stopping
            pending.asked_until = deadline.at
            self._finish(question, pending, Unknown(f"could not be asked: {error}"))
        return pending

    def _run(self, question: Question, answerer: Answerer, pending: _Pending) -> None:
        pending.asked_until = pending.deadline_at
        left_s = pending.asked_until - time.monotonic()
        if left_s <= 0:
            self._finish(question, pending, OutOfTime("not asked: the deadline had passed"))
        else:
            self._finish(question, pending, self._call(question, answerer, left_s))

    def _finish(self, question: Question, pending: _Pending, answer: Lookup[Any]) -> None:
        with self._lock:
            self._in_flight.pop(question, None)
        pending.future.set_result(answer)

    def _await(self, question: Question, answerer: Answerer, pending: _Pending, deadline: Deadline) -> Lookup[Any]:
        while True:
            try:
                answer = pending.future.result(timeout=max(deadline.left_s(), 0))
            except NotInTime:
                return OutOfTime(f"no answer within {deadline.within_s:g} s")
            cut_short = isinstance(answer, Unknown) and answer.retryable and pending.asked_until < deadline.at
            if not cut_short or deadline.left_s() <= 0:
                return answer
            pending = self._start(question, answerer, deadline)  # had joined a review with less time than ours

    def _call(self, question: Question, answerer: Answerer, left_s: float) -> Lookup[Any]:
        try:
            answer = answerer.ask(question, deadline_s=left_s)
        except Exception:  # noqa: BLE001 - fail closed: an adapter's bug is no answer
            _log.exception("look-up failed unexpectedly", extra={"question": type(question).__name__})
            answer = Unknown("internal error while looking this up; see the log")
        if self._count is not None:
            self._count(type(question).__name__, _outcome(answer))
        return answer


def _outcome(answer: Lookup[Any]) -> str:
    if isinstance(answer, Found):
        return "found"
    return "absent" if isinstance(answer, Absent) else "unknown"
