"""Changes of single rules, each of which a good suite of tests notices: a rule dropped, or one condition loosened.

A dropped rule keeps its place, so that the names of the others stay.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from imagegate.core.always_pull import AlwaysPullPlugin
from imagegate.core.image_policy.config import ExecutionRule
from imagegate.core.image_policy.plugin import ImagePolicyPlugin
from imagegate.core.import_gate.gate import ImportGate
from imagegate.core.import_gate.plugin import ImportGatePlugin
from imagegate.core.import_gate.rules import AllowedRegistry, ImportRule
from imagegate.service.policies.policy_set import ConfiguredPlugin, Mode
from imagegate.wiring.rules_in_force import as_enforcement
from imagegate.wiring.templates import extra_resources, judging_templates, without_templates

if TYPE_CHECKING:  # takes time to import
    from imagegate.core.enforcement.plugin import CisePlugin
    from imagegate.core.enforcement.policy import Entry, ImagePolicyObject

DROPPED = "dropped"
_NOWHERE = "dropped-{}.invalid"
"""A registry that no image has (RFC 2606)."""
_CONDITIONS = {
    "matchIntegratedRegistry": "match_integrated_registry",
    "matchRegistries": "match_registries",
    "matchRegistryPatterns": "match_registry_patterns",
    "matchDockerImageLabels": "match_docker_image_labels",
    "matchImageLabels": "match_image_labels",
    "matchImageAnnotations": "match_image_annotations",
}


class Mutant(NamedTuple):
    """The plug-ins with one change."""

    change: str
    """``executionRules[2] no-docker-hub: dropped``."""
    plugins: tuple[ConfiguredPlugin, ...]


def mutants(plugins: Sequence[ConfiguredPlugin]) -> Iterator[Mutant]:
    """Every change of one rule of the plug-ins in force."""
    resources = extra_resources(plugins)
    plain = [replace(each, plugin=without_templates(each.plugin)) for each in plugins]
    for position, each in enumerate(plain):
        if each.only_as:
            continue
        for change, changed in _changes(each):
            mutated = [*plain[:position], *changed, *plain[position + 1 :]]
            yield Mutant(change, tuple(judging_templates(mutated, resources)))


def _changes(each: ConfiguredPlugin) -> Iterator[tuple[str, tuple[ConfiguredPlugin, ...]]]:
    plugin = each.plugin
    if isinstance(plugin, ImagePolicyPlugin):
        yield from ((change, (replace(each, plugin=changed),)) for change, changed in _of_image_policy(plugin))
    elif isinstance(plugin, ImportGatePlugin):
        yield from ((change, (replace(each, plugin=changed),)) for change, changed in _of_import_gate(plugin))
    elif isinstance(plugin, AlwaysPullPlugin):
        yield f"{plugin.name}: {DROPPED}", ()
    elif (enforcement := as_enforcement(each)) is not None:
        yield from ((change, (replace(each, plugin=changed),)) for change, changed in _of_enforcement(enforcement))
    else:
        return
    if each.modes.default is Mode.ENFORCE:
        yield f"{plugin.name}: mode audit", (replace(each, modes=replace(each.modes, default=Mode.AUDIT)),)


def _of_image_policy(plugin: ImagePolicyPlugin) -> Iterator[tuple[str, ImagePolicyPlugin]]:
    config = plugin.config
    rules = config.execution_rules
    for index, rule in enumerate(rules):
        label = f"executionRules[{index}] {rule.name}".rstrip()
        for how, changed in _of_rule(rule):
            with_it = replace(config, execution_rules=(*rules[:index], changed, *rules[index + 1 :]))
            yield f"{label}: {how}", ImagePolicyPlugin(with_it, plugin.behaviour)
    resolution = config.resolution_rules
    for index, each in enumerate(resolution):
        without = replace(config, resolution_rules=(*resolution[:index], *resolution[index + 1 :]))
        yield f"resolutionRules[{index}] {each.target}: {DROPPED}", ImagePolicyPlugin(without, plugin.behaviour)


def _of_rule(rule: ExecutionRule) -> Iterator[tuple[str, ExecutionRule]]:
    """The rule dropped; one that accepts also without each condition, one that rejects where it is most lenient."""
    yield DROPPED, replace(rule, on_resources=())
    if rule.reject:
        if rule.needs_image and not rule.skip_on_resolution_failure:
            yield "skipOnResolutionFailure: true", replace(rule, skip_on_resolution_failure=True)
        return
    for field, name in _CONDITIONS.items():
        value = getattr(rule, name)
        if value:
            yield f"without {field}", replace(rule, **{name: type(value)()})


def _of_import_gate(plugin: ImportGatePlugin) -> Iterator[tuple[str, ImportGatePlugin]]:
    gate = plugin.gate
    rules = {rule.position: rule for rule in gate.rules if rule.position >= 0}
    listed = [_entry(rules.get(position), position) for position in range(max(rules, default=-1) + 1)]
    for position, rule in rules.items():
        for how, entry in (
            (DROPPED, AllowedRegistry(_NOWHERE.format(position))),
            ("every host", AllowedRegistry("*:*", repository=rule.repository)),
        ):
            entries = [*listed[:position], entry, *listed[position + 1 :]]
            changed = ImportGate(
                entries,
                integrated_registry=gate.integrated_registry,
                behaviour=gate.behaviour,
                mirrors=gate.mirrors,
                unavailable=gate.unavailable,
            )
            yield f"{rule.name}: {how}", ImportGatePlugin(changed)


def _entry(rule: ImportRule | None, position: int) -> AllowedRegistry:
    if rule is None:  # repeated further down, where it counts
        return AllowedRegistry(_NOWHERE.format(position))
    return AllowedRegistry(f"{rule.host}:{rule.port}", repository=rule.repository)


def _of_enforcement(plugin: CisePlugin) -> Iterator[tuple[str, CisePlugin]]:
    from imagegate.core.enforcement.selection import PolicySet  # takes time to import: imported when it is there

    policies = plugin.policies.policies
    for number, policy in enumerate(policies):
        for how, changed in _of_policy(policy):
            objects = (*policies[:number], changed, *policies[number + 1 :])
            yield how, replace(plugin, policies=PolicySet(objects, plugin.settings.groups))


def _of_policy(policy: ImagePolicyObject) -> Iterator[tuple[str, ImagePolicyObject]]:
    entries = policy.entries
    for index, entry in enumerate(entries):
        yield f"{entry.rule}: {DROPPED}", replace(policy, entries=(*entries[:index], *entries[index + 1 :]))
        for how, changed in _of_entry(entry):
            yield f"{entry.rule}: {how}", replace(policy, entries=(*entries[:index], changed, *entries[index + 1 :]))


def _of_entry(entry: Entry) -> Iterator[tuple[str, Entry]]:
    """The entry without each of its requirements."""
    from imagegate.core.enforcement.policy import SimplePolicy, TrustPolicy, VulnerabilityPolicy

    if entry.trust.enabled:
        yield "without trust", replace(entry, trust=TrustPolicy())
        for signer in entry.trust.signer_secrets if len(entry.trust.signer_secrets) > 1 else ():
            rest = tuple(each for each in entry.trust.signer_secrets if each != signer)
            yield f"without signer {signer}", replace(entry, trust=replace(entry.trust, signer_secrets=rest))
    if entry.simple.enabled:
        yield "without simple", replace(entry, simple=SimplePolicy())
        requirements = entry.simple.requirements
        for index in range(len(requirements)) if len(requirements) > 1 else ():
            rest_of = replace(entry.simple, requirements=(*requirements[:index], *requirements[index + 1 :]))
            yield f"without simple.requirements[{index}]", replace(entry, simple=rest_of)
    if entry.vulnerability.enabled:
        yield "without vulnerability", replace(entry, vulnerability=VulnerabilityPolicy())
