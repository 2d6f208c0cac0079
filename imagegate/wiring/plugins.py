"""Settings and documents to plug-ins."""

from __future__ import annotations

from collections.abc import Iterator

from imagegate.behaviours import (
    cise_behaviour,
    image_policy_behaviour,
    import_gate_behaviour,
    integrated_registries,
    plugin_modes,
)
from imagegate.core.always_pull import AlwaysPullPlugin
from imagegate.core.cise_plugin import CisePlugin, Hook
from imagegate.core.cise_selection import PolicySet as CisePolicies
from imagegate.core.image_policy_plugin import ImagePolicyPlugin
from imagegate.core.import_gate import ImportGate
from imagegate.core.import_gate_plugin import ImportGatePlugin
from imagegate.core.plugin import Plugin
from imagegate.core.profile import Profile
from imagegate.errors import InvalidSettings
from imagegate.policy.cluster_image_policy import LoadedPolicies
from imagegate.policy.master_config import MasterConfig
from imagegate.service.policy_set import ConfiguredPlugin, Modes
from imagegate.settings import Settings
from imagegate.settings_sections import CisePathSettings

HOOKS = {"cise-admit": Hook.ADMIT, "cise-trust": Hook.TRUST, "cise-va": Hook.VA}
"""The CISE plug-in at endpoints of its own (spec cise section 18), by the names they ask for."""


def configured_plugins(
    settings: Settings, config: MasterConfig, policies: LoadedPolicies, record_key: bytes
) -> tuple[ConfiguredPlugin, ...]:
    """Those that the documents turn on, in the order of the mutating pass.

    Args:
        record_key: of the records of rewritten images (spec cise section 15.2).

    Raises:
        ConfigError: a setting or a document is wrong.
    """
    _refuse_unsupported(settings)
    modes = plugin_modes(settings)
    found = []
    for plugin in _plugins(settings, config, policies, record_key):
        mode = modes.get(plugin.name, Modes())
        found.append(ConfiguredPlugin(plugin, mode, settled=_is_settled(plugin, settings)))
        if isinstance(plugin, CisePlugin):
            found += (ConfiguredPlugin(plugin.for_hook(hook), mode, name) for name, hook in HOOKS.items())
    return tuple(found)


def _is_settled(plugin: Plugin, settings: Settings) -> bool:
    """Whether both passes are the same procedure; in openshift-4 the image cache lies between them."""
    documented = settings.profile is Profile.DOCUMENTED
    return isinstance(plugin, AlwaysPullPlugin) or (documented and isinstance(plugin, ImagePolicyPlugin))


def _plugins(settings: Settings, config: MasterConfig, policies: LoadedPolicies, record_key: bytes) -> Iterator[Plugin]:
    block = config.import_policy
    if config.image_policy is not None:
        yield ImagePolicyPlugin(config.image_policy, image_policy_behaviour(settings, block))
    if settings.cise is not None or settings.policies:
        behaviour = cise_behaviour(settings.cise or CisePathSettings())
        yield CisePlugin(CisePolicies(policies.policies, behaviour.groups), behaviour, record_key)
    if config.always_pull:
        yield AlwaysPullPlugin()
    if block.allowed_registries_for_import is not None:
        gate = ImportGate.configured(
            block.allowed_registries_for_import,
            integrated_registry=next(iter(integrated_registries(settings, block)), ""),
            behaviour=import_gate_behaviour(settings),
        )
        yield ImportGatePlugin(gate)


def _refuse_unsupported(settings: Settings) -> None:
    """A setting that would be ignored is worse than none."""
    if settings.image_policy.extra_resources:
        raise InvalidSettings("imagePolicy.extraResources: not supported by this version")
    if settings.import_gate.check_mirrors:
        raise InvalidSettings("importGate.checkMirrors: not supported by this version")
