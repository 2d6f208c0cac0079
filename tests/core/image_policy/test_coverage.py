"""The plan for each resource (docs/spec/image-policy.md 4, 7.2 and 8.1)."""

from __future__ import annotations

import pytest

from imagegate.core.admission.request import GroupResource
from imagegate.core.image_policy.behaviour import Behaviour, openshift_4
from imagegate.core.image_policy.config import ExecutionRule, ResolutionRule, apply_defaults
from imagegate.core.image_policy.coverage import Coverage, Plan

PODS = GroupResource("", "pods")
BUILDS = GroupResource("build.openshift.io", "builds")
JOBS = GroupResource("batch", "jobs")


def plan(
    resource: GroupResource,
    mode: str = "Attempt",
    rules: tuple[ExecutionRule, ...] = (),
    resolution: tuple[ResolutionRule, ...] | None = (),
    behaviour: Behaviour | None = None,
) -> Plan | None:
    config = apply_defaults(mode, resolution, rules)
    return Coverage(config, behaviour or Behaviour()).plan((resource,))


def test_a_resource_without_any_rule_is_not_covered() -> None:
    assert plan(PODS) is None
    assert plan(JOBS, rules=(ExecutionRule(name="a"),)) is None, "a rule without resources is one for pods"
    assert plan(PODS, rules=(ExecutionRule(name="a"),)) is not None
    assert plan(PODS, resolution=(ResolutionRule(PODS),)) is not None


@pytest.mark.parametrize(
    "mode, attempts, fatal, rewrites",
    [
        ("Attempt", True, False, False),
        ("AttemptRewrite", True, False, True),
        ("DoNotAttempt", False, False, False),
        ("Required", True, True, False),
        ("RequiredRewrite", True, True, True),
    ],
)
def test_resolution_types(mode: str, attempts: bool, fatal: bool, rewrites: bool) -> None:
    found = plan(PODS, mode, (ExecutionRule(name="a"),))
    assert found is not None
    assert (found.attempts, found.fatal, found.rewrites(local=False)) == (attempts, fatal, rewrites)


def test_a_resolution_rule_replaces_the_default() -> None:
    found = plan(PODS, "AttemptRewrite", resolution=(ResolutionRule(PODS, True, "Attempt"),))
    assert found is not None
    assert found.rewrites(local=True), "a local name is rewritten wherever local names are allowed"
    assert not found.rewrites(local=False)


def test_resolution_rules_may_name_every_resource_of_a_group() -> None:
    for behaviour in (Behaviour(), openshift_4()):
        assert plan(JOBS, resolution=(ResolutionRule(GroupResource("batch", "*")),), behaviour=behaviour) is not None
        assert plan(PODS, resolution=(ResolutionRule(GroupResource("batch", "*")),), behaviour=behaviour) is None


def test_builds_without_a_group_are_folded_in_profile_documented_only() -> None:
    rule = ExecutionRule(name="a", on_resources=(GroupResource("", "builds"),))
    assert plan(BUILDS, rules=(rule,)) is not None
    assert plan(BUILDS, rules=(rule,), behaviour=openshift_4()) is None


@pytest.mark.parametrize(
    "resource, fixed", [(JOBS, True), (BUILDS, True), (GroupResource("", "builds"), True), (PODS, False)]
)
def test_images_that_an_update_cannot_change(resource: GroupResource, fixed: bool) -> None:
    found = plan(resource, resolution=(ResolutionRule(resource),))
    assert found is not None
    assert found.fixed_on_update is fixed


def test_plans_are_made_once() -> None:
    coverage = Coverage(apply_defaults("Attempt", None, ()), Behaviour())
    assert coverage.plan((PODS,)) is coverage.plan((PODS,))
