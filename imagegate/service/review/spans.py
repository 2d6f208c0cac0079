"""Attributes of a review's spans: names, places and results; never objects, users or secrets."""

from __future__ import annotations

from imagegate.core.admission.decision import Decision
from imagegate.ports.tracing import Span
from imagegate.service.review.response import Outcome

PREFIX = "imagegate."
LISTED_MAX = 20


def describe_review(span: Span, outcome: Outcome) -> None:
    """The question and the verdict. The uid leads to the line of the log."""
    request = outcome.request
    span.set(
        {
            f"{PREFIX}uid": request.uid,
            f"{PREFIX}operation": request.operation,
            f"{PREFIX}resource": str(request.request_resource),
            f"{PREFIX}sub_resource": request.sub_resource,
            f"{PREFIX}dry_run": request.dry_run,
            f"{PREFIX}allowed": outcome.allowed,
            f"{PREFIX}policy_version": outcome.policy_version[:12],
            "k8s.namespace.name": request.namespace,
        }
    )


def plugin_span(parent: Span, plugin: str) -> Span:
    """The decision of one plug-in, with its look-ups."""
    return parent.child(f"plug-in {plugin}", {f"{PREFIX}plugin": plugin})


def end_plugin(span: Span, decision: Decision) -> None:
    """End the span of a plug-in with what it decided."""
    codes = tuple(dict.fromkeys(denial.code.value for denial in decision.denials))
    span.set(
        {
            f"{PREFIX}denied": bool(decision.denials),
            f"{PREFIX}rewritten": bool(decision.rewrites),
            f"{PREFIX}codes": codes[:LISTED_MAX],
            f"{PREFIX}rules": decision.rules[:LISTED_MAX],
        }
    )
    span.end()
