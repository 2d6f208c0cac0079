"""Spans of look-ups: the kind of the question, the host and the outcome; never the question itself."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

from imagegate.core.admission.lookup import Found, Lookup, Unknown
from imagegate.core.admission.plugin import Question
from imagegate.ports.tracing import Span, Value


def look_up_span(parent: Span, question: Question, host: str, *, is_own: bool) -> Span:
    """One look-up outside, from being queued to its answer.

    Args:
        host: that is asked; empty: it is not known.
        is_own: this review has started it; else it waits for that of another one, whose trace has the requests.
    """
    kind = type(question).__name__
    attributes: dict[str, Value] = {"imagegate.question": kind, "imagegate.shared": not is_own}
    if host:
        attributes["server.address"] = host
    return parent.child(f"look up {kind}", attributes)


def outcome_of(answer: Lookup[Any]) -> str:
    """``found``, ``absent`` or ``unknown``."""
    if isinstance(answer, Found):
        return "found"
    return "unknown" if isinstance(answer, Unknown) else "absent"


def end_look_up(span: Span, future: Future[Lookup[Any]]) -> None:
    """End the span of a look-up with its answer, which is there."""
    answer = future.result()
    span.set({"imagegate.outcome": outcome_of(answer)})
    if isinstance(answer, Unknown):
        span.fail("unknown")
    span.end()
