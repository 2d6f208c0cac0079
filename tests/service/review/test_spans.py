"""Spans of reviews: what belongs to what, and what they never hold."""

from __future__ import annotations

import threading
import time
from typing import Any, Self

from imagegate.core.admission.decision import Decision
from imagegate.core.admission.lookup import Found, Lookup, Unknown
from imagegate.core.admission.plugin import Answers, Question
from imagegate.core.admission.request import AdmissionRequest, Phase
from imagegate.errors import InvalidReview
from imagegate.ports.tracing import Attributes, current, request_to
from imagegate.service.policies.policy_set import ConfiguredPlugin, PolicyHolder, PolicySet
from imagegate.service.review.lookups import Answerer, LookUp
from imagegate.service.review.reviewer import Reviewer
from tests.service.plugins import NOW, Digest, Told, allowing, asker, denying, review
from tests.support.processes import wait_until


def read_and_allow(_request: AdmissionRequest, answers: Answers) -> Decision:
    answers.get(Digest("x"))
    return Decision(plugin="cise")


ASKS = Told("cise", read_and_allow, (Digest("x"),))


class Kept:
    """A span that is kept."""

    def __init__(self, name: str, parent: Kept | None, all_spans: list[Kept], attributes: Attributes) -> None:
        self.name, self.parent, self.failed, self.ended = name, parent, "", 0
        self.attributes = dict(attributes)
        self._all = all_spans
        all_spans.append(self)

    @property
    def traceparent(self) -> str:
        return f"00-trace-{self._all.index(self)}-01"

    def child(self, name: str, attributes: Attributes, *, asks: bool = False) -> Self:
        return type(self)(name, self, self._all, attributes)

    def set(self, attributes: Attributes) -> None:
        self.attributes |= attributes

    def fail(self, why: str) -> None:
        self.failed = why

    def end(self) -> None:
        self.ended += 1


class Keeping:
    """A tracer that traces what belongs to a trace."""

    def __init__(self) -> None:
        self.spans: list[Kept] = []

    def review(self, name: str, *, traceparent: str, arrived: float | None) -> Kept | None:
        return Kept(name, None, self.spans, {"from": traceparent}) if traceparent else None

    def one(self, name: str) -> Kept:
        (found,) = [each for each in self.spans if each.name == name]
        return found


def traced(*plugins: Told, ask: Any = None) -> tuple[Reviewer, Keeping]:
    keeping = Keeping()
    configured = tuple(ConfiguredPlugin(each) for each in plugins)
    policies = PolicyHolder(lambda: PolicySet(configured, version="0123456789abcdef"), lambda: NOW)
    answerers: dict[type[Question], Answerer] = {
        Digest: Answerer(asker(ask or (lambda question: Found("x"))), host=lambda question: "r.example")
    }
    return Reviewer(policies, LookUp(answerers), clock=lambda: NOW, tracer=keeping), keeping


def run(reviewer: Reviewer, document: Any, traceparent: str = "t") -> Any:
    steps = reviewer.review_in_steps(document, Phase.MUTATE, traceparent=traceparent)
    try:
        while True:
            next(steps).block()
    except StopIteration as ended:
        return ended.value


def test_a_review_its_plugins_and_their_look_ups() -> None:
    denies = denying("image-policy", "no")
    reviewer, keeping = traced(denies, ASKS)
    assert run(reviewer, review())["response"]["allowed"] is False
    whole, first, second = (keeping.one(name) for name in ("review mutate", "plug-in image-policy", "plug-in cise"))
    look_up = keeping.one("look up Digest")
    assert (first.parent, second.parent) == (whole, whole)
    assert look_up.parent is second
    assert look_up.attributes == {
        "imagegate.question": "Digest",
        "imagegate.shared": False,
        "server.address": "r.example",
        "imagegate.outcome": "found",
    }
    assert first.attributes["imagegate.codes"] == ("rejected-by-rule",)
    assert (whole.attributes["imagegate.allowed"], whole.attributes["imagegate.uid"]) == (False, "u-1")
    assert [each.ended for each in keeping.spans] == [1] * 4
    held = repr([each.attributes for each in keeping.spans])
    assert "alice" not in held
    assert "containers" not in held


def test_a_review_that_is_not_traced_has_no_spans() -> None:
    reviewer, keeping = traced(allowing())
    assert run(reviewer, review(), "")["response"]["allowed"] is True
    assert keeping.spans == []


def test_requests_of_a_look_up_are_its_steps_in_whatever_thread() -> None:
    def ask(_question: Digest) -> Lookup[str]:
        with request_to("GET", "r.example", 443) as span:
            assert span is not None
            return Unknown("down")

    reviewer, keeping = traced(ASKS, ask=ask)
    run(reviewer, review())
    look_up = keeping.one("look up Digest")
    assert keeping.one("GET").parent is look_up
    assert (look_up.failed, look_up.attributes["imagegate.outcome"]) == ("unknown", "unknown")
    assert current.get() is None


def test_a_shared_look_up_belongs_to_the_review_that_began_it() -> None:
    going_on = threading.Event()

    def ask(_question: Digest) -> Lookup[str]:
        going_on.wait(10)
        return Found("x")

    reviewer, keeping = traced(ASKS, ask=ask)
    threads = [threading.Thread(target=run, args=(reviewer, review())) for _ in range(2)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len([each for each in keeping.spans if each.name == "look up Digest"]) == 2, "both look-ups")
    going_on.set()
    for thread in threads:
        thread.join()
    wait_until(lambda: all(each.ended == 1 for each in keeping.spans), "the ends")
    shared = [each.attributes["imagegate.shared"] for each in keeping.spans if each.name == "look up Digest"]
    assert sorted(shared) == [False, True]


def test_a_review_that_fails_and_one_that_cannot_be_read_end(monkeypatch: Any) -> None:
    reviewer, keeping = traced(allowing())
    monkeypatch.setattr(AdmissionRequest, "parse", lambda *_: 1 / 0)
    assert run(reviewer, review())["response"]["status"]["code"] == 500
    assert (keeping.spans[0].failed, keeping.spans[0].ended) == ("internal error", 1)
    monkeypatch.undo()
    try:
        run(reviewer, {})
    except InvalidReview:
        assert keeping.spans[1].ended == 1
    else:
        raise AssertionError("it was read")


def test_a_look_up_beyond_the_deadline_does_not_hold_up_the_span_of_the_review() -> None:
    def ask(_question: Digest) -> Lookup[str]:
        time.sleep(1.5)
        return Found("late")

    reviewer, keeping = traced(ASKS, ask=ask)
    steps = reviewer.review_in_steps(review(), Phase.MUTATE, timeout_s=0.5, traceparent="t")
    try:
        while True:
            next(steps).block()
    except StopIteration:
        pass
    assert (keeping.one("review mutate").ended, keeping.one("look up Digest").ended) == (1, 0)
    wait_until(lambda: keeping.one("look up Digest").ended == 1, "the late answer")
