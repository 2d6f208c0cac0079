"""Makes the plug-ins from settings and documents. A new plug-in is registered here."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from imagegate.core.admission.plugin import Plugin
from imagegate.core.admission.request import Phase
from imagegate.core.always_pull import AlwaysPullPlugin
from imagegate.core.image_policy.behaviour import ControllerOwned
from imagegate.core.image_policy.config import ExecutionRule
from imagegate.core.image_policy.plugin import ImagePolicyPlugin
from imagegate.core.import_gate.gate import ImportGate
from imagegate.core.import_gate.plugin import ImportGatePlugin
from imagegate.core.namespace_guard import NamespaceGuard
from imagegate.core.profile import Profile
from imagegate.core.registry.pull_secrets import PullSecret
from imagegate.documents.master_config import MasterConfig
from imagegate.errors import InvalidSettings
from imagegate.service.guard.policy_guard import PolicyGuard
from imagegate.service.policies.policy_set import NO_RULES, ConfiguredPlugin, Modes, RuleCounts
from imagegate.settings.enforcement import CisePathSettings
from imagegate.settings.load import Settings
from imagegate.wiring.behaviours import (
    cise_behaviour,
    image_policy_behaviour,
    import_gate_behaviour,
    integrated_registries,
    names_nearest_rule,
    plugin_modes,
)
from imagegate.wiring.guard import guard_beside, policy_guard
from imagegate.wiring.mirrors import MirrorSource, checked_mirrors, settings_mirrors
from imagegate.wiring.record_keys import RecordKey
from imagegate.wiring.templates import CISE, extra_resources, judging_templates, without_templates

if TYPE_CHECKING:
    from imagegate.core.enforcement.behaviour import CiseSettings
    from imagegate.core.enforcement.plugin import CisePlugin
    from imagegate.core.enforcement.policy import Entry, ImagePolicyObject
    from imagegate.core.enforcement.selection import PolicySet
    from imagegate.documents.image_policies import LoadedPolicies
    from imagegate.ports.policy_objects import PolicyObjectsNow

HOOKS = ("admit", "trust", "va")
"""The CISE plug-in's own endpoints (docs/spec/enforcement.md 18); requested as ``cise-HOOK``."""


def enforces_images(settings: Settings) -> bool:
    """True if the CISE path is on."""
    watched = settings.cluster is not None and settings.cluster.policies
    return settings.cise is not None or bool(settings.policies) or watched


def configured_plugins(
    settings: Settings,
    config: MasterConfig,
    policies: LoadedPolicies | None = None,
    record_key: RecordKey | None = None,
    mirrors: MirrorSource | None = None,
    objects: PolicyObjectsNow | None = None,
    node_secrets: tuple[PullSecret, ...] = (),
) -> tuple[ConfiguredPlugin, ...]:
    """The plug-ins that the documents turn on, in the order of the mutating pass.

    Args:
        policies: of the CISE path; None: not read, and the path is left out.
        record_key: of the records of rewritten images (docs/spec/enforcement.md 15.2).
        mirrors: those of the registry client; None: those that the settings name.
        objects: policies of a cluster, in addition to ``policies``; None: none are watched.
        node_secrets: credentials of the nodes.

    Raises:
        ConfigError: a setting or a document is wrong.
    """
    _refuse_unsupported(settings)
    modes = plugin_modes(settings)
    image_policy, *others = _plugins(settings, config, mirrors or settings_mirrors(settings))
    plugins = (each for each in (image_policy, *others) if each is not None)
    found = [
        ConfiguredPlugin(
            each, modes.get(each.name, Modes()), rules=_rule_counts(each, config), settled=_is_settled(each, settings)
        )
        for each in plugins
    ]
    if policies is not None and enforces_images(settings):
        first = int(image_policy is not None)
        found[first:first] = _image_enforcement(
            settings, policies, record_key or RecordKey(), modes.get("cise", Modes()), objects, node_secrets
        )
    if settings.warn_on_templates and settings.profile is not Profile.OPENSHIFT_4:
        found = list(map(_warning, found))
    guard = policy_guard(settings, tuple(found))
    with_templates = judging_templates(found, settings.image_policy.extra_resources)
    return (*with_templates, guard) if guard is not None else tuple(with_templates)


def _warning(configured: ConfiguredPlugin) -> ConfiguredPlugin:
    """The plug-in, made to warn of the Pods that an object makes.

    In the validating pass, unless an endpoint has no other pass; not at all where such Pods are not judged later.
    """
    plugin = configured.plugin
    if isinstance(plugin, ImagePolicyPlugin):
        judged = plugin.behaviour.controller_owned is ControllerOwned.VALIDATE
        return replace(configured, warns_in=frozenset({Phase.VALIDATE})) if judged else configured
    if plugin.name != CISE:
        return configured
    from imagegate.core.enforcement.behaviour import Parents  # slow imports only where they are used
    from imagegate.core.enforcement.plugin import CisePlugin, Hook

    if not isinstance(plugin, CisePlugin) or plugin.hook is Hook.TRUST:
        return configured
    if plugin.settings.pods_only and plugin.settings.parents is Parents.TRUST:
        return configured
    phase = Phase.MUTATE if plugin.hook is Hook.ADMIT else Phase.VALIDATE
    return replace(configured, warns_in=frozenset({phase}), judges_alike=True)


def with_objects(
    plugins: Sequence[ConfiguredPlugin], policies: LoadedPolicies, objects: PolicyObjectsNow
) -> tuple[ConfiguredPlugin, ...]:
    """The same plug-ins with other policy objects of a cluster.

    Args:
        plugins: of ``configured_plugins``.
        policies: of the files, as given there.
        objects: all objects of the cluster.
    """
    from imagegate.core.enforcement.plugin import CisePlugin

    found: list[ConfiguredPlugin] = []
    fresh: CisePlugin | None = None
    guard: ConfiguredPlugin | None = None
    rules = sum(len(policy.entries) for policy in _from_cluster(policies, objects))
    for each in plugins:
        plugin = without_templates(each.plugin)
        if isinstance(plugin, PolicyGuard):
            guard = each
            continue
        if isinstance(plugin, CisePlugin):
            if fresh is None:
                fresh = replace(plugin, policies=_policy_set(policies, objects, plugin.settings, plugin.policies))
            plugin = fresh.for_hook(plugin.hook)
            each = replace(each, watched_rules=rules)
        found.append(replace(each, plugin=plugin))
    with_templates = tuple(judging_templates(found, extra_resources(plugins)))
    return with_templates if guard is None else (*with_templates, guard_beside(guard, tuple(found)))


def _policy_set(
    policies: LoadedPolicies, objects: PolicyObjectsNow | None, behaviour: CiseSettings, before: PolicySet | None
) -> PolicySet:
    """The policies of files and cluster. An object of the same name in a file has precedence."""
    from imagegate.core.enforcement.selection import PolicySet

    if objects is None:
        return PolicySet(policies.policies, behaviour.groups)
    found = _from_cluster(policies, objects)
    return PolicySet((*policies.policies, *found), behaviour.groups, unavailable=objects.unavailable, before=before)


def _from_cluster(policies: LoadedPolicies, objects: PolicyObjectsNow) -> Iterator[ImagePolicyObject]:
    written = {(key[0].value, *key[1:]) for key in policies.objects}
    return (each.policy for each in objects.objects if each.key not in written)


def _image_enforcement(
    settings: Settings,
    policies: LoadedPolicies,
    record_key: RecordKey,
    modes: Modes,
    objects: PolicyObjectsNow | None,
    node_secrets: tuple[PullSecret, ...],
) -> Iterator[ConfiguredPlugin]:
    """The CISE plug-in, and the same plug-in for its own endpoints.

    Rules are counted in files only: they tell a file that was cut off, and objects of a cluster never are.
    """
    from imagegate.core.enforcement.plugin import CisePlugin, Hook  # slow imports only where they are used
    from imagegate.core.enforcement.policy import IMAGE_POLICY

    behaviour = replace(
        cise_behaviour(settings.cise or CisePathSettings(), settings.scanner),
        node_secrets=node_secrets,
        names_nearest_rule=names_nearest_rule(settings),
    )
    plugin = CisePlugin(
        _policy_set(policies, objects, behaviour, None), behaviour, record_key.key, key_lasts=record_key.lasts
    )
    entries = [entry for each in policies.policies for entry in each.entries]
    counts = RuleCounts(
        total=len(entries),
        accepts=len(entries),
        enforced=len(entries),
        requirements=sum(entry.requires for entry in entries),
        namespaces=frozenset(each.namespace for each in policies.policies if each.kind == IMAGE_POLICY),
        content=lambda: _content(behaviour, *map(_without_position, entries)),
    )
    yield ConfiguredPlugin(plugin, modes, rules=counts)
    for hook in HOOKS:
        yield ConfiguredPlugin(plugin.for_hook(Hook(hook)), modes, only_as=f"cise-{hook}")


def _without_position(entry: Entry) -> object:
    source = entry.source
    requirements = (entry.mutate_image, entry.trust, entry.simple, entry.vulnerability)
    return (source.kind, source.namespace, source.policy, entry.name, requirements)


def _rule_counts(plugin: Plugin, config: MasterConfig) -> RuleCounts:
    if isinstance(plugin, ImagePolicyPlugin):
        rules = plugin.config.execution_rules
        accepts = [rule for rule in rules if not rule.reject]
        return RuleCounts(
            total=len(rules),
            rejects=len(rules) - len(accepts),
            accepts=len(accepts),
            unconditional=sum(_accepts_everything(rule) for rule in accepts),
            enforced=sum(rule.mode in (None, "enforce") for rule in rules),
            content=lambda: _content(plugin.behaviour, replace(plugin.config, execution_rules=()), *rules),
        )
    if isinstance(plugin, ImportGatePlugin):
        listed = tuple(config.import_policy.allowed_registries_for_import or ())
        count = len(listed)
        return RuleCounts(
            total=count, accepts=count, enforced=count, content=lambda: _content(plugin.gate.behaviour, *listed)
        )
    return NO_RULES


def _content(*parts: object) -> frozenset[Hashable]:
    return frozenset(map(repr, parts))


def _accepts_everything(rule: ExecutionRule) -> bool:
    conditions = (
        rule.match_integrated_registry,
        rule.match_registries,
        rule.match_registry_patterns,
        rule.match_docker_image_labels,
        rule.match_image_labels,
        rule.match_image_annotations,
    )
    return not any(conditions) and not rule.invert_match


def _is_settled(plugin: Plugin, settings: Settings) -> bool:
    """True if both passes decide alike; in openshift-4 the image cache changes between them."""
    documented = settings.profile is Profile.DOCUMENTED
    return isinstance(plugin, AlwaysPullPlugin) or (documented and isinstance(plugin, ImagePolicyPlugin))


def _plugins(settings: Settings, config: MasterConfig, mirrors: MirrorSource) -> Iterator[Plugin | None]:
    """The image policy (None if it is off), then the others of the master-config."""
    block = config.import_policy
    policy = config.image_policy
    yield None if policy is None else ImagePolicyPlugin(policy, image_policy_behaviour(settings, block))
    if config.always_pull:
        yield AlwaysPullPlugin(advises=names_nearest_rule(settings))
    if block.unavailable or block.allowed_registries_for_import is not None:
        gate = ImportGate.configured(
            block.allowed_registries_for_import,
            integrated_registry=next(iter(integrated_registries(settings, block)), ""),
            behaviour=import_gate_behaviour(settings),
            mirrors=checked_mirrors(settings, mirrors) if settings.import_gate.check_mirrors else None,
            unavailable=block.unavailable,
        )
        yield ImportGatePlugin(gate)
    elif settings.cluster is not None and settings.cluster.image_config:
        # The cluster's object names no list, and may name one at any time: its webhook is asked, and allows.
        internal = next(iter(integrated_registries(settings, block)), "")
        yield ImportGatePlugin(ImportGate(None, integrated_registry=internal))
    by_labels = tuple(modes for modes in plugin_modes(settings).values() if modes.by_namespace)
    overrides = config.image_policy is not None and settings.profile is Profile.DOCUMENTED
    if overrides or by_labels:
        yield NamespaceGuard(lambda labels: tuple(each.weakness(labels) for each in by_labels), annotation=overrides)


def _refuse_unsupported(settings: Settings) -> None:
    """Refuse settings without an effect: a setting that is ignored is worse than none."""
    if settings.scanner is not None and not enforces_images(settings):
        raise InvalidSettings("scanner: only policies use reports: name some in policies, or write cise: {}")
