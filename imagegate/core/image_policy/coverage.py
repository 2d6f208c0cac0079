"""The plan of the image policy for each resource: execution rules, resolution, rewriting."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from imagegate.core.admission.request import GroupResource
from imagegate.core.admission.workload import holds_images
from imagegate.core.image_policy.behaviour import Behaviour
from imagegate.core.image_policy.config import (
    ImagePolicyConfig,
    ResolutionRule,
    fails,
    folded,
    requests_resolution,
    rewrites,
)
from imagegate.core.image_policy.execution_rules import RuleList, Rules, covers

NEVER_REWRITTEN_ON_UPDATE = frozenset({GroupResource("batch", "jobs"), GroupResource("build.openshift.io", "builds")})
PLANS_MAX = 256


class Plan(NamedTuple):
    """The configuration for one resource."""

    rules: RuleList | None
    resolution_rules: tuple[ResolutionRule, ...]
    attempts: bool
    """Resolution is attempted."""
    fatal: bool
    """A failed resolution rejects the image before any rule is evaluated."""
    fixed_on_update: bool
    """An UPDATE never rewrites (the API server refuses a change)."""
    rewrites_by_default: bool

    def rewrites(self, *, local: bool) -> bool:
        """True if a resolved image is rewritten; ``local``: it was written as a local name.

        Source: docs/spec/image-policy.md 8.1.
        """
        for rule in self.resolution_rules:
            if (rule.local_names and local) or rewrites(rule.policy):
                return True
        return not self.resolution_rules and self.rewrites_by_default


class Coverage:
    """Finds the plan for a request's group-resources. Immutable, but for a bounded cache."""

    __slots__ = ("_behaviour", "_config", "_rules", "plan")

    plan: Callable[[tuple[GroupResource, ...]], Plan | None]
    """The plan for group-resources; None if no rule of either kind covers any of them."""

    def __init__(self, config: ImagePolicyConfig, behaviour: Behaviour) -> None:
        self._config = config
        self._behaviour = behaviour
        self._rules = Rules(config.execution_rules, behaviour)
        # Callers choose the resources, so that the cache is bounded; lru_cache is read without running Python code.
        self.plan = lru_cache(maxsize=PLANS_MAX)(self._plan)

    def _plan(self, resources: tuple[GroupResource, ...]) -> Plan | None:
        rules = self._rules.covering(resources)
        resolution = tuple(
            rule for rule in self._config.resolution_rules if any(self._resolves(rule, each) for each in resources)
        )
        if rules is None and not resolution:
            return None
        mode = self._config.resolve_images
        fixed = NEVER_REWRITTEN_ON_UPDATE
        if self._behaviour.fold_groups:
            fixed |= {folded(each) for each in fixed}
        return Plan(
            rules=rules,
            resolution_rules=resolution,
            attempts=requests_resolution(mode) or bool(resolution),
            fatal=fails(mode),
            fixed_on_update=any(each in fixed for each in resources),
            rewrites_by_default=rewrites(mode),
        )

    def _resolves(self, rule: ResolutionRule, resource: GroupResource) -> bool:
        """True if a resolution rule covers ``resource``; here ``*`` is a wildcard in every profile.

        Only the original's reaches resources that hold no images, and refuses them.
        """
        if rule.target.resource == "*" and rule.target.group == resource.group:
            return not self._behaviour.wildcard_resources or holds_images(resource)
        return covers(rule.target, resource, self._behaviour)
