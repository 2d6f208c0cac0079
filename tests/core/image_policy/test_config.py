"""Defaults and validation of ImagePolicyConfig (docs/spec/image-policy.md 1.3 and 1.4)."""

import pytest

from imagegate.core.admission.request import GroupResource
from imagegate.core.image_policy.config import (
    DEFAULT_RESOLUTION_TARGETS,
    PODS,
    RESOLUTION_TYPES,
    ExecutionRule,
    ResolutionRule,
    ValueCondition,
    apply_defaults,
    fails,
    folded,
    requests_resolution,
    rewrites,
    validate,
)
from imagegate.core.kube.label_selector import LabelSelector, Requirement

BUILDS = GroupResource("build.openshift.io", "builds")
CORE_BUILDS = GroupResource("", "builds")


@pytest.mark.parametrize(
    "policy, asks, fatal, replaces",
    [
        ("RequiredRewrite", True, True, True),
        ("Required", True, True, False),
        ("AttemptRewrite", True, False, True),
        ("Attempt", True, False, False),
        ("DoNotAttempt", False, False, False),
        ("attempt", False, False, False),
        ("", False, False, False),
    ],
)
def test_resolution_types(policy: str, asks: bool, fatal: bool, replaces: bool) -> None:
    assert (requests_resolution(policy), fails(policy), rewrites(policy)) == (asks, fatal, replaces)


def test_nothing_written_gives_the_default_rules_that_do_not_attempt() -> None:
    config = apply_defaults()
    assert config.resolve_images == "Attempt"
    assert tuple(rule.target for rule in config.resolution_rules) == DEFAULT_RESOLUTION_TARGETS
    assert all(rule.local_names and rule.policy == "DoNotAttempt" for rule in config.resolution_rules)


def test_a_rule_without_resources_is_one_for_pods_and_gives_pods_the_global_policy() -> None:
    config = apply_defaults("Required", None, [ExecutionRule(name="a")])
    assert config.execution_rules[0].on_resources == (PODS,)
    policies = {rule.target: rule.policy for rule in config.resolution_rules}
    assert policies.pop(PODS) == "Required"
    assert set(policies.values()) == {"DoNotAttempt"}


def test_a_star_in_an_execution_rule_counts_for_the_default_policy() -> None:
    rule = ExecutionRule(on_resources=(GroupResource("apps", "*"),))
    listed = {
        r.target.group for r in apply_defaults("Required", None, [rule]).resolution_rules if r.policy == "Required"
    }
    assert listed == {"apps"}


@pytest.mark.parametrize("fold, policy", [(True, "Required"), (False, "DoNotAttempt")])
def test_builds_of_the_core_group_count_for_builds_only_where_groups_fold(fold: bool, policy: str) -> None:
    config = apply_defaults("Required", None, [ExecutionRule(on_resources=(CORE_BUILDS,))], fold_groups=fold)
    assert {rule.target: rule.policy for rule in config.resolution_rules}[BUILDS] == policy


def test_folding_leaves_other_groups_alone() -> None:
    assert folded(BUILDS) == CORE_BUILDS
    assert folded(GroupResource("apps", "deployments")) == GroupResource("apps", "deployments")


def test_resolution_rules_written_are_kept_and_an_empty_list_stays_empty() -> None:
    assert apply_defaults("", ()).resolution_rules == ()
    given = (ResolutionRule(PODS), ResolutionRule(BUILDS, policy="Attempt"))
    policies = [rule.policy for rule in apply_defaults("Required", given).resolution_rules]
    assert policies == ["Required", "Attempt"]


@pytest.mark.parametrize(
    "condition, entries, holds",
    [
        (ValueCondition("k", value="v"), {"k": "v"}, True),
        (ValueCondition("k", value="v"), {"k": "w"}, False),
        (ValueCondition("k", value="v"), {}, False),
        (ValueCondition("k"), {}, True),
        (ValueCondition("k"), {"k": ""}, True),
        (ValueCondition("k"), {"k": "v"}, False),
        (ValueCondition("k", set=True), {"k": "any"}, True),
        (ValueCondition("k", set=True, value="v"), {"k": "other"}, True),
        (ValueCondition("k", set=True), {}, False),
    ],
)
def test_value_condition(condition: ValueCondition, entries: dict[str, str], holds: bool) -> None:
    assert condition.holds(entries) is holds


def test_conditions_are_told_apart_from_a_rule_without_any() -> None:
    assert not ExecutionRule(name="a", invert_match=True).has_conditions
    assert ExecutionRule(match_registry_patterns=("*.io",)).has_conditions
    assert ExecutionRule(match_image_labels=(LabelSelector(),)).needs_image
    assert not ExecutionRule(match_registries=("a",)).needs_image


def test_validation_reports_everything_in_the_original_order() -> None:
    bad = LabelSelector(match_expressions=(Requirement("a", "in", ("b",)),))
    config = apply_defaults(
        "DoNotAttempt",
        [ResolutionRule(GroupResource("apps", ""))],
        [
            ExecutionRule(name="a", match_image_annotations=(ValueCondition("x", value="y"),)),
            ExecutionRule(name="a", match_image_labels=(LabelSelector(), bad)),
        ],
    )
    at = "image.openshift.io/ImagePolicy"
    unresolved = "images are not being resolved, this condition will always fail"
    assert [str(error) for error in validate(config)] == [
        f'{at}.executionRules[1].name: Duplicate value: "a"',
        f'{at}.executionRules[1].matchImageLabels[1]: Invalid value: null: "in" is not a valid label selector operator',
        (
            f"{at}.resolutionRules[0].targetResource.resource: Required value: "
            "a target resource name or '*' must be provided"
        ),
        (
            f"{at}.executionRules[0].matchImageAnnotations: Invalid value: "
            f'[{{"key":"x","set":false,"value":"y"}}]: {unresolved}'
        ),
        (
            f"{at}.executionRules[1].matchImageLabels: Invalid value: "
            f'[{{}},{{"matchExpressions":[{{"key":"a","operator":"in","values":["b"]}}]}}]: {unresolved}'
        ),
    ]


@pytest.mark.parametrize("policy", [policy for policy in RESOLUTION_TYPES if policy != "DoNotAttempt"])
def test_conditions_on_images_are_fine_where_images_are_resolved(policy: str) -> None:
    rule = ExecutionRule(name="a", match_image_annotations=(ValueCondition("x"),))
    assert validate(apply_defaults(policy, None, [rule])) == []


def test_a_resolution_rule_without_policy_is_an_error_only_before_defaults() -> None:
    config = apply_defaults("", [ResolutionRule(PODS)])
    assert validate(config) == []
    undefaulted = type(config)("Attempt", (ResolutionRule(PODS),), ())
    assert [str(error) for error in validate(undefaulted)] == [
        (
            "image.openshift.io/ImagePolicy.resolutionRules[0].policy: Required value: "
            "a policy must be specified for this resource"
        )
    ]
