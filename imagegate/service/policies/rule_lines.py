"""The rules of a plug-in in words, under the names that decisions and metrics use."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from imagegate.core.admission.plugin import Plugin
from imagegate.core.admission.template_plugin import TemplatePlugin
from imagegate.core.image_policy.config import ExecutionRule, ValueCondition
from imagegate.core.image_policy.plugin import ImagePolicyPlugin
from imagegate.core.import_gate.plugin import ImportGatePlugin


class RuleLine(NamedTuple):
    """One rule."""

    name: str
    """As in ``imagegate_decisions_total``: ``no-docker-hub``."""
    place: str
    """As in denials: ``executionRules[2] no-docker-hub``."""
    effect: str
    """``accept``, ``reject`` or ``require``."""
    text: str


def rule_lines(plugin: Plugin) -> tuple[RuleLine, ...]:
    """The rules in the order of the documents; none for a plug-in without rules."""
    if isinstance(plugin, TemplatePlugin):
        return rule_lines(plugin.plugin)
    if isinstance(plugin, ImagePolicyPlugin):
        return tuple(_execution_rule(number, rule) for number, rule in enumerate(plugin.config.execution_rules))
    if isinstance(plugin, ImportGatePlugin):
        return tuple(
            RuleLine(rule.name, rule.name, "accept", f"imports from {rule.label}") for rule in plugin.gate.rules
        )
    return tuple(_entries(plugin))


def _entries(plugin: Plugin) -> Iterator[RuleLine]:
    from imagegate.core.enforcement.nearest import required
    from imagegate.core.enforcement.plugin import CisePlugin  # imports cryptography, which takes memory

    if not isinstance(plugin, CisePlugin):
        return
    for policy in plugin.policies.policies:
        if policy.broken:
            place = f"{policy.kind} {f'{policy.namespace}/' if policy.namespace else ''}{policy.name}"
            yield RuleLine(place, place, "reject", policy.broken)
        for entry in policy.entries:
            text = entry.broken or f"requires {' and '.join(required(entry)) or 'nothing'}"
            yield RuleLine(entry.rule, entry.rule, "require" if entry.requires else "accept", text)


def _execution_rule(number: int, rule: ExecutionRule) -> RuleLine:
    conditions = "; ".join(_conditions(rule)) or "every image"
    resources = ", ".join(map(str, rule.on_resources))
    mode = f" (mode {rule.mode})" if rule.mode else ""
    inverted = "not: " if rule.invert_match else ""
    place = f"executionRules[{number}] {rule.name}".rstrip()
    return RuleLine(
        rule.name or place, place, "reject" if rule.reject else "accept", f"{resources}: {inverted}{conditions}{mode}"
    )


def _conditions(rule: ExecutionRule) -> Iterator[str]:
    if rule.match_integrated_registry:
        yield "from the integrated registry"
    if rule.match_registries or rule.match_registry_patterns:
        yield f"from {', '.join((*rule.match_registries, *rule.match_registry_patterns))}"
    if rule.match_docker_image_labels:
        yield f"image labels {_values(rule.match_docker_image_labels)}"
    if rule.match_image_annotations:
        yield f"annotations {_values(rule.match_image_annotations)}"
    if rule.match_image_labels:
        yield "labels of the Image object"
    if rule.skip_on_resolution_failure:
        yield "only if it resolves"


def _values(conditions: tuple[ValueCondition, ...]) -> str:
    return ", ".join(each.key if each.set else f"{each.key}={each.value}" for each in conditions)
