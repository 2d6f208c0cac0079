from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from itertools import count
from typing import Any

import pytest

from imagegate.core.admission.decision import Decision
from imagegate.core.admission.lookup import Absent, DeadlineExceeded, Found, Lookup, Unknown
from imagegate.core.admission.plugin import Answers, KnownAnswers, Question
from imagegate.core.admission.request import AdmissionRequest
from imagegate.service.review.lookups import ROUNDS_MAX, Answerer, Deadline, LookUp
from tests.service.plugins import Digest, Remembered, Told, asker, request


def asking(questions: Callable[[Answers], Iterable[Question]]) -> Told:
    class Asking(Told):
        def questions(self, request: AdmissionRequest, answers: Answers) -> Iterable[Question]:
            return questions(answers)

    return Asking("asks", lambda _request, _answers: Decision(plugin="asks"))


def in_memory(answer: Callable[[Any], Lookup[Any]]) -> Answerer:
    return Answerer(asker(answer), immediate=True)


def elsewhere(answer: Callable[[Any], Lookup[Any]]) -> Answerer:
    return Answerer(asker(answer))


def soon() -> Deadline:
    return Deadline.after(20)


def test_questions_that_follow_from_answers_are_asked_in_further_rounds() -> None:
    def next_question(answers: Answers) -> list[Question]:
        assert isinstance(answers, KnownAnswers)
        return [Digest(f"round {n}") for n in range(min(len(answers) + 1, 3))]

    look_up = LookUp({Digest: in_memory(lambda question: Found(question.name))})
    answers = look_up.answers(asking(next_question), request(), soon())
    assert answers == {Digest(f"round {n}"): Found(f"round {n}") for n in range(3)}


def test_a_plugin_that_never_stops_asking_is_stopped() -> None:
    look_up = LookUp({Digest: in_memory(lambda question: Absent("no"))})
    numbers = count()
    answers = look_up.answers(asking(lambda _answers: [Digest(str(next(numbers)))]), request(), soon())
    assert len(answers) == ROUNDS_MAX


def test_what_is_known_is_not_asked_again() -> None:
    asked: list[Question] = []

    def answer(question: Question) -> Lookup[Any]:
        asked.append(question)
        return Found(1)

    look_up = LookUp({Digest: in_memory(answer)})
    known = KnownAnswers({Digest("a"): Found(0)})
    look_up.answers(asking(lambda _answers: [Digest("a"), Digest("b"), Digest("b")]), request(), soon(), known)
    assert asked == [Digest("b")]
    assert known == {Digest("a"): Found(0), Digest("b"): Found(1)}


@pytest.mark.parametrize("answerer", [in_memory, elsewhere])
def test_an_unexpected_error_is_logged_and_is_no_answer(
    answerer: Callable[[Any], Answerer], caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_question: Question) -> Lookup[Any]:
        raise KeyError("surprise")

    with caplog.at_level(logging.ERROR):
        answer = LookUp({Digest: answerer(fail)}).look_up(Digest("a"), soon())
    assert isinstance(answer, Unknown)
    assert "surprise" in caplog.text
    assert "Traceback" in caplog.text


def test_nobody_to_ask_is_no_answer() -> None:
    answer = LookUp({}).look_up(Digest("a"), soon())
    assert answer == Unknown("Digest look-ups are not configured")


def test_a_late_answer_is_unknown_and_says_how_long_was_waited() -> None:
    release = threading.Event()

    def slow(_question: Question) -> Lookup[Any]:
        release.wait(20)
        return Found(1)

    look_up = LookUp({Digest: elsewhere(slow)})
    assert look_up.look_up(Digest("a"), Deadline(time.monotonic() + 0.5, 2.5)) == DeadlineExceeded(
        "no answer within 2.5 s"
    )
    release.set()
    assert look_up.look_up(Digest("a"), soon()) == Found(1)


def test_questions_of_one_round_are_asked_side_by_side() -> None:
    both = threading.Barrier(2, timeout=20)

    def answer(question: Any) -> Lookup[Any]:
        both.wait()  # breaks unless the other one is asked too
        return Found(question.name)

    look_up = LookUp({Digest: elsewhere(answer)})
    answers = look_up.answers(asking(lambda _answers: [Digest("a"), Digest("b")]), request(), soon())
    assert answers == {Digest("a"): Found("a"), Digest("b"): Found("b")}


def test_the_same_question_of_many_reviews_is_asked_once() -> None:
    reviews = 16
    release = threading.Event()
    asked: list[Question] = []
    answers: list[Lookup[Any]] = []

    def answer(question: Question) -> Lookup[Any]:
        asked.append(question)
        release.wait(20)
        return Found("one")

    look_up = LookUp({Digest: elsewhere(answer)})
    threads = [
        threading.Thread(target=lambda: answers.append(look_up.look_up(Digest("a"), soon()))) for _ in range(reviews)
    ]
    for thread in threads:
        thread.start()
    while look_up.waiting() < reviews:
        time.sleep(0.001)
    release.set()
    for thread in threads:
        thread.join()
    assert answers == [Found("one")] * reviews
    assert asked == [Digest("a")]


def test_who_joins_a_review_with_less_time_asks_again() -> None:
    deadlines: list[float] = []
    joined = threading.Event()

    def answer(_question: Question, *, deadline_s: float) -> Lookup[Any]:
        deadlines.append(deadline_s)
        if len(deadlines) == 1:
            joined.wait(20)
            return Unknown("too little time")
        return Found("in the end")

    look_up = LookUp({Digest: Answerer(answer)})
    answers: list[Lookup[Any]] = []
    first = threading.Thread(target=lambda: answers.append(look_up.look_up(Digest("a"), Deadline.after(5))))
    first.start()
    while not deadlines:
        time.sleep(0.001)
    second = threading.Thread(target=lambda: answers.append(look_up.look_up(Digest("a"), Deadline.after(20))))
    second.start()
    while look_up.waiting() < 2:
        time.sleep(0.001)
    joined.set()
    first.join()
    second.join()
    assert Found("in the end") in answers
    assert deadlines[0] < 6 < deadlines[1]


def test_look_ups_are_counted_by_question_and_outcome() -> None:
    counted: list[tuple[str, str]] = []
    outcomes: dict[str, Lookup[Any]] = {"a": Found(1), "b": Absent("none"), "c": Unknown("who knows")}
    look_up = LookUp(
        {
            Digest: elsewhere(lambda question: outcomes[question.name]),
            Remembered: in_memory(lambda question: Found(question.name)),
        },
        count=lambda question, outcome: counted.append((question, outcome)),
    )
    asked: list[Question] = [*map(Digest, outcomes), Remembered("d")]
    look_up.answers(asking(lambda _answers: asked), request(), soon())
    counts = [("Digest", "absent"), ("Digest", "found"), ("Digest", "unknown"), ("Remembered", "found")]
    assert sorted(counted) == counts


def test_a_stopped_look_up_answers_unknown() -> None:
    look_up = LookUp({Digest: elsewhere(lambda _question: Found(1))})
    look_up.close()
    assert isinstance(look_up.look_up(Digest("a"), soon()), Unknown)


def test_what_is_in_memory_is_answered_at_once_and_the_rest_is_missed() -> None:
    asked: list[Question] = []

    def from_memory(question: Question) -> Lookup[Any]:
        asked.append(question)
        return Found(len(asked))

    look_up = LookUp({Digest: Answerer(asker(from_memory), immediate=True)})
    memory = look_up.on_demand()
    assert memory.get(Digest("a")) == Found(1)
    assert memory.get(Digest("a")) == Found(1)
    assert asked == [Digest("a")]
    assert not memory.missed
    look_up = LookUp({Digest: elsewhere(from_memory)})
    memory = look_up.on_demand()
    assert memory.get(Digest("b")) is None
    assert memory.missed
    memory[Digest("b")] = Found("fetched")
    assert memory.get(Digest("b")) == Found("fetched")
    assert asked == [Digest("a")]


def test_the_callers_time_counts_from_the_arrival() -> None:
    deadline = Deadline.after(2, since=time.monotonic() - 1.5)
    assert 0 < deadline.left_s() <= 0.5
    assert deadline.within_s == 2
