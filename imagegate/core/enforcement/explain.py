"""Steps of the CISE plug-in for ``explain`` and ``check --explain``."""

from __future__ import annotations

from imagegate.core.admission.trace import Step, Trace
from imagegate.core.admission.workload import ImageUse
from imagegate.core.enforcement.evaluate import RequirementsResult
from imagegate.core.enforcement.image import CiseImage
from imagegate.core.enforcement.nearest import mismatch
from imagegate.core.enforcement.patterns import compare_image_ref, quality
from imagegate.core.enforcement.policy import Entry
from imagegate.core.enforcement.requirement import Verified
from imagegate.core.enforcement.selection import EffectivePolicy, PolicySet, Selected
from imagegate.core.words import counted

ENTRY, REQUIREMENT, EVIDENCE = "policy-entry", "requirement", "evidence"


def explain_entries(effective: EffectivePolicy, spelling: str) -> list[Step]:
    """A step for every entry in force and one spelling of an image: match, specificity, and the one that decides.

    Walks the whole list, as the specification describes it; not for the hot path.
    """
    best = effective.best(spelling)
    return [_entry_step(entry, spelling, best) for entry in effective.entries]


def _entry_step(entry: Entry, spelling: str, best: Entry | None) -> Step:
    matches = entry.name == spelling if "*" not in entry.name else False
    matches = matches or compare_image_ref(entry.name, spelling)
    detail = {"name": entry.name, "group": entry.source.group.value}
    if not matches:
        return Step(ENTRY, entry.rule, "not-matched", mismatch(entry.name, spelling), detail)
    exact = entry.name == spelling and "*" not in entry.name
    detail["quality"] = "exact" if exact else str(quality(entry.name))
    if entry is best:
        return Step(ENTRY, entry.rule, "decides", "the most specific match", detail)
    because = f"less specific than {best.source}" if best is not None else ""
    if best is not None and not exact and quality(entry.name) == quality(best.name):
        because = f"as specific as {best.source}, which comes first"
    return Step(ENTRY, entry.rule, "matched", because, detail)


def trace_policies(trace: Trace, policies: PolicySet, namespace: str) -> None:
    """Add the policies in force."""
    if policies.unavailable:
        trace.add("", Step("policies", namespace, "unavailable", policies.unavailable))
        return
    effective = policies.effective(namespace)
    if effective is None:
        trace.add("", Step("policies", namespace, "none", "no image policies or cluster policies"))
    elif effective.broken:
        trace.add("", Step("policies", namespace, "broken", "; ".join(effective.broken)))
    else:
        trace.add("", Step("policies", namespace, effective.kind, counted(len(effective.entries), "entry")))


def trace_selection(trace: Trace, use: ImageUse, policies: PolicySet, namespace: str, spelling: str) -> None:
    """Add every entry for one image."""
    effective = None if policies.unavailable else policies.effective(namespace)
    if effective is not None:
        for step in explain_entries(effective, spelling):
            trace.add(use.field, step)


def trace_requirements(
    trace: Trace, use: ImageUse, image: CiseImage, selected: Selected, result: RequirementsResult
) -> None:
    """Add the results of the entry's requirements."""
    if image.original != use.name:
        trace.add(use.field, Step("record", use.name, "believed", f"was {image.original} before it was rewritten"))
    if selected.spelling != image.original:
        trace.add(use.field, Step("spelling", selected.spelling, "matched", f"nothing matches {image.original}"))
    for kind, outcome in result.tried:
        if isinstance(outcome, Verified):
            digest = {"digest": f"sha256:{outcome.digest}"} if outcome.digest else {}
            trace.add(use.field, Step(REQUIREMENT, kind, "holds", detail=digest | dict(outcome.detail)))
        else:
            detail = {"code": outcome.code.value} | dict(outcome.detail)
            trace.add(use.field, Step(REQUIREMENT, kind, "refused", outcome.text, detail))
        for name, value in outcome.detail:  # the text form shows no details, and who vouches must be seen there
            trace.add(use.field, Step(EVIDENCE, kind, name, value))
    if not result.tried:
        trace.add(use.field, Step(REQUIREMENT, "none", "holds", "the entry requires nothing"))
