"""Why a rule does not match an image, in sentences: for ``explain`` and the console, never for a decision."""

from __future__ import annotations

from collections.abc import Iterator

from imagegate.core.image_policy.behaviour import Behaviour
from imagegate.core.image_policy.config import ValueCondition
from imagegate.core.image_policy.execution_rules import (
    CompiledRule,
    image_holds,
    integrated_holds,
    matches,
    registry_holds,
)
from imagegate.core.image_policy.resolution import Attributes
from imagegate.core.kube.go_quote import go_quote

NAMED_MAX = 5
"""Registries of a rule that a sentence names."""


def unmet_conditions(compiled: CompiledRule, attributes: Attributes, behaviour: Behaviour) -> tuple[str, ...]:
    """A sentence for each condition that keeps the rule from matching; none if it matches.

    Raises:
        UpstreamPanic: see ``execution_rules.matches``.
    """
    if matches(compiled, attributes, behaviour):
        return ()
    if compiled.rule.invert_match:
        return ("its conditions hold, and invertMatch turns that round",)
    return tuple(_unmet(compiled, attributes, behaviour))


def _unmet(compiled: CompiledRule, attributes: Attributes, behaviour: Behaviour) -> Iterator[str]:
    rule, registry = compiled.rule, attributes.name.registry
    if not integrated_holds(compiled, attributes):
        yield "the image is not of the integrated registry"
    if not registry_holds(compiled, attributes, behaviour):
        is_now = f"the registry is {go_quote(registry)}" if registry else "no registry is written"
        yield f"{is_now}, the rule names {_some((*rule.match_registries, *rule.match_registry_patterns))}"
    if not image_holds(compiled, attributes, behaviour):
        if attributes.image is None:
            yield "there is no Image object, whose labels or annotations the rule asks for"
        else:
            yield f"the Image lacks {_some(_wanted(compiled))}"


def _wanted(compiled: CompiledRule) -> tuple[str, ...]:
    rule = compiled.rule
    return (
        *(f"label {_condition(each)}" for each in rule.match_docker_image_labels),
        *(f"annotation {_condition(each)}" for each in rule.match_image_annotations),
        *("labels of the Image object that a selector asks for" for _ in rule.match_image_labels[:1]),
    )


def _condition(condition: ValueCondition) -> str:
    return condition.key if condition.set else f"{condition.key}={condition.value}"


def _some(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:NAMED_MAX])
    return f"{shown} and {len(names) - NAMED_MAX} more" if len(names) > NAMED_MAX else shown
