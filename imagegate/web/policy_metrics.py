"""Metrics of the policies in force, and of the documents they are read from."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Gauge

from imagegate.service.policies.policy_set import PolicySet, ReloadState


class PolicyMetrics:
    """Shows rules, and how the last attempt to read the documents ended."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._reload_failed = Gauge(
            "imagegate_policy_reload_failed",
            "1 while the documents cannot be read and the last good policies are in force",
            registry=registry,
            multiprocess_mode="livemax",
        )
        self._reload_failed.set(0)
        self._held = Gauge(
            "imagegate_policy_reload_held",
            "1 while changed documents wait for a confirmation, since the change looks like an accident",
            registry=registry,
            multiprocess_mode="livemax",
        )
        self._restored = Gauge(
            "imagegate_policy_restored",
            "1 while the policies stored before the start are in force, since the files are wrong",
            registry=registry,
            multiprocess_mode="livemax",
        )
        self._rules = Gauge(
            "imagegate_policy_rules",
            "Rules of a plug-in: in force, and in documents that wait for a confirmation",
            ["plugin", "state"],
            registry=registry,
            multiprocess_mode="livemostrecent",
        )
        self._generation = Gauge(
            "imagegate_policy_generation",
            "Number of the policies in force in each process; it grows with every change",
            registry=registry,
            multiprocess_mode="liveall",
        )
        self._watch_failed = Gauge(
            "imagegate_policy_watch_failed",
            "1 while the policy files are not read, or a process does not look for newer policies",
            registry=registry,
            multiprocess_mode="livemax",
        )
        self._with_rules: set[str] = set()
        """Plug-ins whose rules were shown: one that loses its documents must be set to 0, not stay as it was."""

    def show(self, current: PolicySet, state: ReloadState) -> None:
        """Show the policies in force, and how the last attempt to read the documents ended."""
        self._reload_failed.set(1 if state.error else 0)
        self._held.set(1 if state.held is not None else 0)
        self._restored.set(1 if state.restored else 0)
        in_force = {plugin.name: plugin.rules_in_force for plugin in current.every}
        waiting: Mapping[str, int] = state.held.counts if state.held is not None else in_force
        for plugin in {*in_force, *waiting, *self._with_rules}:
            self._rules.labels(plugin, "in-force").set(in_force.get(plugin, 0))
            self._rules.labels(plugin, "held").set(waiting.get(plugin, 0) if state.held is not None else 0)
        self._with_rules |= in_force.keys() | waiting.keys()

    def watch(self, generation: int, problem: str) -> None:
        """Show the number of the policies in force, and that the files are not followed if there is a ``problem``."""
        self._generation.set(generation)
        self._watch_failed.set(1 if problem else 0)
