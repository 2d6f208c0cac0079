"""Makes the guard against policies that lock out imagegate or the cluster's system pods."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imagegate.core.admission.lookup import Lookup, Unknown
from imagegate.core.admission.plugin import Question
from imagegate.service.guard.at_start import LockoutCheck
from imagegate.service.guard.guarded import Guarded
from imagegate.service.guard.policy_guard import PolicyGuard
from imagegate.service.policies.policy_set import ConfiguredPlugin
from imagegate.settings.guard import DEFAULT_NAMESPACE, GuardSettings
from imagegate.settings.load import Settings

if TYPE_CHECKING:
    from imagegate.wiring.cluster import Cluster

_NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


def policy_guard(settings: Settings, plugins: tuple[ConfiguredPlugin, ...]) -> ConfiguredPlugin | None:
    """The guard of policy objects; None where nothing is known that could be locked out."""
    given = settings.guard
    lists_pods = settings.cluster is not None
    if not (lists_pods or given.images):
        return None
    guarded = Guarded(
        own_namespace=own_namespace(given),
        own_images=given.images,
        others=given.namespaces,
        lists_pods=lists_pods,
    )
    domain = settings.cise.cluster_domain if settings.cise is not None else ""
    guard = PolicyGuard(guarded, plugins, refuses=given.lockout == "refuse", cluster_domain=domain)
    return ConfiguredPlugin(guard, only_as=guard.name)


def guard_beside(guard: ConfiguredPlugin, plugins: tuple[ConfiguredPlugin, ...]) -> ConfiguredPlugin:
    """The same guard beside other plug-ins."""
    plugin = guard.plugin
    return replace(guard, plugin=replace(plugin, plugins=plugins)) if isinstance(plugin, PolicyGuard) else guard


def own_namespace(given: GuardSettings, file: Path = _NAMESPACE_FILE) -> str:
    """The namespace that imagegate runs in."""
    if given.own_namespace:
        return given.own_namespace
    try:
        return file.read_text(encoding="utf-8").strip() or DEFAULT_NAMESPACE
    except (OSError, UnicodeDecodeError):
        return DEFAULT_NAMESPACE


def lockout_check(cluster: Cluster | None, *, clock: Callable[[], datetime]) -> LockoutCheck:
    """The guard of policies from files, before they are in force."""
    answerers = {} if cluster is None else cluster.answerers()

    def look_up(question: Question, deadline_s: float) -> Lookup[Any]:
        answerer = answerers.get(type(question))
        if answerer is None:
            return Unknown(f"look-ups of {type(question).__name__} are not configured", retryable=False)
        return answerer.ask(question, deadline_s=deadline_s)

    return LockoutCheck(look_up, clock=clock)
