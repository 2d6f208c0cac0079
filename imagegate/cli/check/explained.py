"""The explanation of an object, and of the Pods that it makes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from imagegate.core.admission.trace import Trace
from imagegate.service.review.both_passes import TwoPassResult
from imagegate.service.review.explanation import explanation, lines
from imagegate.service.review.made_pods import PodResult


def explained_lines(both: TwoPassResult, trace: Trace, pods: PodResult | None, of_pods: Trace | None) -> Iterator[str]:
    """The decision in sentences: the object's, unless only its Pods are judged, then that about its Pods.

    Args:
        of_pods: steps of the decision about ``pods``.
    """
    if both.covered or pods is None or not pods.result.covered:
        yield from lines(explanation(both, trace.steps))
    if pods is not None and of_pods is not None and pods.result.covered:
        found = explanation(pods.result, of_pods.steps)
        yield f"The Pod that it makes, by {pods.template.place}: {found.verdict}"
        yield from (f"  {line}" for line in lines(found))


def all_steps(trace: Trace, pods: PodResult | None, of_pods: Trace | None) -> Iterator[dict[str, Any]]:
    """The steps as JSON objects; those about Pods have the places of the object's template."""
    yield from trace.to_json()
    for step in of_pods.to_json() if pods is not None and of_pods is not None else ():
        at = step["at"]
        yield {**step, "at": pods.template.field(at) if at else pods.template.place} if pods is not None else step
