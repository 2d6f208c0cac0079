"""The rules of the plug-ins in force, by the names that decisions give them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from imagegate.core.image_policy.plugin import ImagePolicyPlugin
from imagegate.core.import_gate.plugin import ImportGatePlugin
from imagegate.service.policies.policy_set import ConfiguredPlugin
from imagegate.wiring.templates import without_templates

if TYPE_CHECKING:  # takes time to import
    from imagegate.core.enforcement.plugin import CisePlugin


class RuleName(NamedTuple):
    """The names of one rule."""

    decides_as: str
    """In ``Decision.rules``. Execution rules of the same name share it."""
    label: str
    """With its position."""


def rule_names(plugins: Iterable[ConfiguredPlugin]) -> Iterator[RuleName]:
    """Every rule that can decide: execution rules, entries of image policies and of the import list."""
    for each in plugins:
        plugin = without_templates(each.plugin)
        if isinstance(plugin, ImagePolicyPlugin):
            for index, rule in enumerate(plugin.config.execution_rules):
                label = f"executionRules[{index}] {rule.name}".rstrip()
                yield RuleName(rule.name or label, label)
        elif isinstance(plugin, ImportGatePlugin):
            yield from (RuleName(rule.name, rule.name) for rule in plugin.gate.rules if rule.position >= 0)
        elif not each.only_as and (enforcement := as_enforcement(each)) is not None:
            entries = (entry for policy in enforcement.policies.policies for entry in policy.entries)
            yield from (RuleName(entry.rule, entry.rule) for entry in entries)


def as_enforcement(configured: ConfiguredPlugin) -> CisePlugin | None:
    """The plug-in if it is image enforcement."""
    if configured.plugin.name != "cise":
        return None
    from imagegate.core.enforcement.plugin import CisePlugin  # takes time to import: imported when it is there

    plugin = without_templates(configured.plugin)
    return plugin if isinstance(plugin, CisePlugin) else None
