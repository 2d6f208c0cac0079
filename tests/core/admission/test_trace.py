"""Traces keep the order of steps and leave empty fields out."""

from __future__ import annotations

from imagegate.core.admission.trace import Step, Trace


def test_steps_in_order_each_with_its_place() -> None:
    trace = Trace()
    trace.add("", Step("plug-in", "always-pull", "covered"))
    trace.add("spec.containers[0].image", Step("rule", "no-hub", "matched", "registry is docker.io", {"effect": "x"}))
    assert trace.to_json() == [
        {"at": "", "what": "plug-in", "subject": "always-pull", "outcome": "covered"},
        {
            "at": "spec.containers[0].image",
            "what": "rule",
            "subject": "no-hub",
            "outcome": "matched",
            "because": "registry is docker.io",
            "detail": {"effect": "x"},
        },
    ]
