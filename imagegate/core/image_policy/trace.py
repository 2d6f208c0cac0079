"""Steps of the image policy for ``explain``, ``check --explain`` and the console."""

from __future__ import annotations

from imagegate.core.admission.request import AdmissionRequest
from imagegate.core.admission.trace import HINT, Step, Trace
from imagegate.core.admission.workload import ImageUse
from imagegate.core.image_policy.attributes import Attributes, Unresolved
from imagegate.core.image_policy.behaviour import Behaviour
from imagegate.core.image_policy.coverage import Plan
from imagegate.core.image_policy.execution_rules import CompiledRule, RuleList, RuleResult, may_match
from imagegate.core.image_policy.request import Exclusions
from imagegate.core.image_policy.unmet import unmet_conditions
from imagegate.core.kube.go_quote import go_quote
from imagegate.core.words import counted

SECOND_LOOK = "rules were also evaluated on the image looked up with imagegate's own rights"


def trace_request(trace: Trace, request: AdmissionRequest, plan: Plan, excluded: Exclusions) -> None:
    """Add the configuration for the resource."""
    rules = plan.rules
    ignored = [rule.label for rule in rules.rules if excluded.switches_off(rule)] if rules is not None else []
    trace.add(
        "",
        Step(
            "coverage",
            str(request.request_resource),
            "covered",
            f"{counted(len(rules.rules) if rules is not None else 0, 'execution rule')}, "
            f"{counted(len(plan.resolution_rules), 'resolution rule')}",
            {
                "resolution": "attempted" if plan.attempts else "not attempted",
                "failure": "denies" if plan.fatal else "is left to the rules",
                "without a matching rule": "accepted" if rules is None or rules.default_accept else "rejected",
                **({"ignored by namespace annotation": ignored} if ignored else {}),
            },
        ),
    )


def trace_image(
    trace: Trace,
    use: ImageUse,
    attributes: Attributes,
    error: Unresolved | None,
    rules: RuleList | None,
    excluded: Exclusions,
    outcome: RuleResult,
    behaviour: Behaviour,
    *,
    second_look: bool = False,
) -> None:
    """Add how one image was resolved, why each rule matched or not, and the verdict.

    Args:
        second_look: the verdict follows from what imagegate itself sees of the image, which is not shown.
    """
    at = use.error_field
    trace.add(at, _resolution_step(use, attributes, error))
    if second_look:
        trace.add(at, Step("look-up", use.name, "second-look", SECOND_LOOK))
    for rule in rules.rules if rules is not None else ():
        trace.add(at, _rule_step(rule, attributes, excluded, behaviour))
    trace.add(at, _verdict_step(use, outcome, rules))


def trace_hint(trace: Trace, use: ImageUse, hint: str) -> None:
    """Add what a denial tells of the rules."""
    if hint:
        trace.add(use.error_field, Step(HINT, use.name, "told", hint))


def _resolution_step(use: ImageUse, attributes: Attributes, error: Unresolved | None) -> Step:
    if error is not None:
        return Step("look-up", use.name, "unknown" if error.failed else "absent", error.because)
    detail: dict[str, object] = {"integratedRegistry": attributes.integrated}
    if attributes.image is None:
        return Step("look-up", use.name, "name-only", "only its name is known", detail)
    detail["image"] = (attributes.image.get("metadata") or {}).get("name", "")
    return Step("look-up", use.name, "found", f"resolved to {attributes.name.exact}", detail)


def _rule_step(rule: CompiledRule, attributes: Attributes, excluded: Exclusions, behaviour: Behaviour) -> Step:
    effect = "reject" if rule.rule.reject else "accept"
    if excluded.switches_off(rule):
        return Step("rule", rule.label, "skipped", "the namespace's annotation switches it off", {"effect": effect})
    doubt = attributes.doubt
    if attributes.image is None and not (doubt and doubt.image) and rule.rule.skip_on_resolution_failure:
        because = "there is no Image object and skipOnResolutionFailure is set"
        return Step("rule", rule.label, "skipped", because, {"effect": effect})
    matched = may_match(rule, attributes, behaviour)
    outcome = "unknown" if matched is None else "matched" if matched else "not-matched"
    detail: dict[str, object] = {"effect": effect}
    if matched is False and (unmet := unmet_conditions(rule, attributes, behaviour)):
        detail["unmet"] = list(unmet)
    return Step("rule", rule.label, outcome, _facts_of(rule, attributes), detail)


def _facts_of(compiled: CompiledRule, attributes: Attributes) -> str:
    """The facts that the conditions were evaluated on."""
    rule = compiled.rule
    facts = []
    if rule.match_integrated_registry:
        facts.append(f"integrated registry: {'yes' if attributes.integrated else 'no'}")
    if rule.match_registries or rule.match_registry_patterns:
        registry = attributes.name.registry
        facts.append(f"its registry is {go_quote(registry)}" if registry else "no registry is written")
    if attributes.doubt is not None:
        facts.append(f"not known: {attributes.doubt.because}")
    elif rule.needs_image and attributes.image is None:
        facts.append("there is no Image object")
    elif rule.needs_image:
        facts.append("conditions on labels and annotations of the Image")
    if not rule.has_conditions:
        facts.append("the rule has no condition")
    if rule.invert_match:
        facts.append("inverted")
    return "; ".join(facts)


def _verdict_step(use: ImageUse, outcome: RuleResult, rules: RuleList | None) -> Step:
    if outcome.rule is not None:
        return Step("verdict", use.name, "accepted" if outcome.accepted else "rejected", f"by {outcome.rule.label}")
    if outcome.accepted:
        because = "no rule covers the resource" if rules is None else "no rule matches, and there are only reject rules"
        return Step("verdict", use.name, "accepted", because)
    return Step("verdict", use.name, "rejected", "no accept rule matches" if rules is not None else "it must resolve")
