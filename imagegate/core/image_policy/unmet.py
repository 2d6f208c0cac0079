"""Why a rule does not match an image, or does, in clauses: for explanations and hints, never for a decision."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from imagegate.core.admission.hint import nearest_rule_hint, rejected_hint, some
from imagegate.core.image_policy.attributes import Attributes
from imagegate.core.image_policy.behaviour import Behaviour
from imagegate.core.image_policy.config import ValueCondition
from imagegate.core.image_policy.execution_rules import (
    CompiledRule,
    RuleList,
    image_holds,
    image_labels,
    integrated_holds,
    matches,
    registry_holds,
)
from imagegate.core.image_policy.request import Exclusions
from imagegate.core.kube.go_quote import go_quote
from imagegate.core.references.near_hosts import host_of

TRIED_MAX = 64
"""Rules that are tried for the nearest one, and registries of a rule for the likest one."""


class NearestRule(NamedTuple):
    """The accept rule that comes nearest to matching, and a clause for each condition that does not hold."""

    compiled: CompiledRule
    unmet: tuple[str, ...]

    @property
    def hint(self) -> str:
        """As a denial tells it."""
        return nearest_rule_hint(self.compiled.label, self.unmet)


def nearest_rule(
    rules: RuleList, attributes: Attributes, excluded: Exclusions, behaviour: Behaviour
) -> NearestRule | None:
    """The accept rule nearest to an image that no rule accepts; None if there is none, or facts are in doubt.

    A rule for the image's registry with the fewest unmet conditions; else one for the registry most like it.

    Raises:
        UpstreamPanic: see ``execution_rules.matches``.
    """
    if attributes.doubt is not None:
        return None
    accepting = [rule for rule in rules.candidates(attributes)[:TRIED_MAX] if not rule.rule.reject]
    tried = [rule for rule in accepting if not excluded.switches_off(rule)]
    of_registry = [rule for rule in tried if registry_holds(rule, attributes, behaviour)]
    if not of_registry:
        like = rules.nearest_by_registry(attributes.name.registry)
        of_registry = [like] if like is not None and not excluded.switches_off(like) else tried
    found = [NearestRule(rule, unmet_conditions(rule, attributes, behaviour)) for rule in of_registry]
    if any(not each.unmet for each in found):  # as the user sees it: imagegate itself saw more, and tells nothing of it
        return None
    return min(found, key=lambda each: len(each.unmet), default=None)


def unmet_conditions(compiled: CompiledRule, attributes: Attributes, behaviour: Behaviour) -> tuple[str, ...]:
    """A clause for each condition that keeps the rule from deciding; none if it matches.

    Raises:
        UpstreamPanic: see ``execution_rules.matches``.
    """
    if attributes.image is None and compiled.rule.skip_on_resolution_failure:
        return ("it is skipped for images that are not known here (skipOnResolutionFailure)",)
    if matches(compiled, attributes, behaviour):
        return ()
    if compiled.rule.invert_match:
        return ("its conditions hold, and invertMatch turns that round",)
    return tuple(_unmet(compiled, attributes, behaviour))


def rejection_hint(compiled: CompiledRule, attributes: Attributes, behaviour: Behaviour) -> str:
    """Why a reject rule matches, as its denial tells it."""
    if compiled.rule.invert_match:
        return rejected_hint(("its conditions do not hold, and invertMatch turns that round",))
    return rejected_hint(tuple(_met(compiled, attributes, behaviour)) or ("it has no condition",))


def _met(compiled: CompiledRule, attributes: Attributes, behaviour: Behaviour) -> Iterator[str]:
    rule, registry, image = compiled.rule, attributes.name.registry, attributes.image
    if rule.match_integrated_registry:
        yield "it is of the integrated registry"
    if compiled.names_registries:
        unnamed = f"it names no registry, and so is pulled from {behaviour.default_registry}"
        yield f"its registry is {go_quote(registry)}" if registry else unnamed
    if rule.match_docker_image_labels and image and isinstance(image_labels(image, compiled, behaviour), bool):
        yield "the Image's labels cannot be read"
    elif rule.needs_image:
        yield f"the Image has {some(_wanted(compiled))}"


def _unmet(compiled: CompiledRule, attributes: Attributes, behaviour: Behaviour) -> Iterator[str]:
    registry = attributes.name.registry
    is_now = f"this image's is {go_quote(registry)}" if registry else "this image names none"
    if not integrated_holds(compiled, attributes):
        yield f"it is for images of the integrated registry, and {is_now}"
    if not registry_holds(compiled, attributes, behaviour):
        yield f"it is for registry {some(_likest_first(compiled, registry))}, and {is_now}"
    if not image_holds(compiled, attributes, behaviour):
        if attributes.image is None:
            yield f"it asks for {some(_wanted(compiled))} of the Image, and the image is not known here"
        else:
            yield f"the Image lacks {some(_wanted(compiled))}"


def _likest_first(compiled: CompiledRule, registry: str) -> Sequence[str]:
    """The registries of a rule in quotes; those with the image's host, whatever the port, come first."""
    rule = compiled.rule
    named = (*rule.match_registries, *rule.match_registry_patterns)
    host = host_of(registry)
    tried = sorted(named[:TRIED_MAX], key=lambda each: host_of(each) != host)
    return [*map(go_quote, tried), *named[TRIED_MAX:]]


def _wanted(compiled: CompiledRule) -> tuple[str, ...]:
    rule = compiled.rule
    return (
        *(f"label {_condition(each)}" for each in rule.match_docker_image_labels),
        *(f"annotation {_condition(each)}" for each in rule.match_image_annotations),
        *("labels that a selector asks for" for _ in rule.match_image_labels[:1]),
    )


def _condition(condition: ValueCondition) -> str:
    return condition.key if condition.set else f"{condition.key}={condition.value}"
