"""ImagePolicyConfig documents: documented is stricter, openshift-4 as the original.

Source: docs/spec/image-policy.md 1.2 to 1.4.
"""

import pytest

from imagegate.core.admission.request import GroupResource
from imagegate.core.image_policy.config import ResolutionRule, ValueCondition
from imagegate.core.kube.field_errors import aggregate
from imagegate.core.kube.label_selector import LabelSelector, Requirement
from imagegate.core.profile import Profile
from imagegate.documents.image_policy_config import InvalidImagePolicy, load_image_policy
from imagegate.errors import InvalidPolicy
from tests.conformance.config_json import config_to_json

HEAD = "kind: ImagePolicyConfig\napiVersion: image.openshift.io/v1\n"
EXACT = Profile.OPENSHIFT_4
PLUGIN = "image.openshift.io/ImagePolicy"


def refusal(text: str, profile: Profile = Profile.DOCUMENTED) -> str:
    with pytest.raises(InvalidPolicy) as caught:
        load_image_policy(text, "p.yaml", profile)
    return str(caught.value)


def warnings(text: str, profile: Profile = EXACT) -> list[str]:
    return [str(warning) for warning in load_image_policy(text, "p.yaml", profile).warnings]


def test_every_field_is_read() -> None:
    text = HEAD + (
        "resolveImages: Required\n"
        "executionRules:\n"
        "- name: a\n  reject: true\n  onResources: [{group: g, resource: r}]\n  invertMatch: true\n"
        "  matchIntegratedRegistry: true\n  matchRegistries: ['', q.io]\n"
        "  matchDockerImageLabels: [{key: k, set: true}]\n"
        "  matchImageLabels: [{matchLabels: {a: b}, matchExpressions: [{key: c, operator: In, values: [d]}]}]\n"
        "  matchImageAnnotations: [{key: k, value: v}]\n  skipOnResolutionFailure: true\n"
        "  ignoreNamespaceOverride: true\n  allowNamespaceOverride: true\n"
        "  matchRegistryPatterns: ['*.q.io']\n  mode: warn\n"
        "resolutionRules:\n- targetResource: {group: apps, resource: '*'}\n  localNames: true\n  policy: Attempt\n"
    )
    loaded = load_image_policy(text)
    config = loaded.config
    assert config.resolve_images == "Required"
    assert config.resolution_rules == (ResolutionRule(GroupResource("apps", "*"), True, "Attempt"),)
    (rule,) = config.execution_rules
    assert rule.name == "a"
    assert rule.on_resources == (GroupResource("g", "r"),)
    assert rule.match_registries == ("", "q.io")
    assert rule.match_docker_image_labels == (ValueCondition("k", set=True),)
    assert rule.match_image_labels == (LabelSelector.of({"a": "b"}, [Requirement("c", "In", ("d",))]),)
    assert rule.match_image_annotations == (ValueCondition("k", value="v"),)
    assert rule.match_registry_patterns == ("*.q.io",)
    assert rule.mode == "warn"
    flags = (
        rule.reject, rule.invert_match, rule.match_integrated_registry, rule.skip_on_resolution_failure,
        rule.ignore_namespace_override, rule.allow_namespace_override,
    )  # fmt: skip
    assert all(flags)
    assert dict(loaded.lines) == {"executionRules[0]": 5, "resolutionRules[0]": 20}


@pytest.mark.parametrize(
    "text, message",
    [
        ("resolveImages: Attempt\n", "p.yaml:1: kind: expected ImagePolicyConfig, got \"\""),
        ("kind: Pod\napiVersion: v1\n", 'p.yaml:1: kind: expected ImagePolicyConfig, got "Pod"'),
        ("kind: ImagePolicyConfig\napiVersion: v2\n", "p.yaml:2: apiVersion: expected image.openshift.io/v1 or v1"),
        (HEAD + "resolveImages: attempt\n", 'p.yaml:3: resolveImages: Unsupported value: "attempt": supported values:'),
        (HEAD + "resolveImage: Attempt\n", 'p.yaml:3: resolveImage: unknown field; did you mean "resolveImages"?'),
        (HEAD + "kind: ImagePolicyConfig\n", 'p.yaml:3: "kind" is repeated (first in line 1)'),
        (HEAD + "---\na: b\n", "p.yaml:4: a second document"),
        (HEAD + "executionRules: [{matchregistries: [x]}]\n", 'did you mean "matchRegistries"?'),
        (HEAD + "executionRules: [{matchRegistries: [~]}]\n", "executionRules[0].matchRegistries[0]: is null"),
        (HEAD + "executionRules: [~]\n", "p.yaml:3: executionRules[0]: is null"),
        (HEAD + "executionRules: [{reject: true 4}]\n", "4 looks like a callout number of the manual, remove it"),
        (HEAD + "executionRules: [{onResources: [{resource: pods 1}]}]\n", '"pods 1" is not a resource name; 1 looks'),
        (HEAD + "executionRules: [{matchRegistries: [docker.io 1]}]\n", '"docker.io 1" is not a registry; 1 looks'),
        (HEAD + "resolutionRules: [{targetResource: {resource: pods}, policy: X}]\n", "resolutionRules[0].policy: "),
        (
            HEAD + "executionRules:\n- {name: a, mode: warn, matchRegistries: [q.io]}\n",
            ":4: executionRules[0].mode: warn is for reject rules; to try out accept rules, set",
        ),
        (HEAD + "executionRules: [{mode: audit}]\n", "executionRules[0].mode: audit is for reject rules"),
    ],
)  # fmt: skip
def test_documented_refuses_what_changes_a_policy_unseen(text: str, message: str) -> None:
    assert message in refusal(text)


@pytest.mark.parametrize(
    "text, message",
    [
        (HEAD + "resolveImages: attempt\n", "acts as no resolution and no rewriting"),
        (HEAD + "resolveImage: Attempt\n", 'unknown field; did you mean "resolveImages"?'),
        (HEAD + "executionRules: [{mode: warn}]\n", "executionRules[0].mode: unknown field"),
        (HEAD + "executionRules: [~]\n", "executionRules[0]: is null"),
        (HEAD + "executionRules: [{onResources: [{resource: pods 1}]}]\n", '"pods 1" is not a resource name'),
    ],
)
def test_openshift_4_warns_where_documented_refuses(text: str, message: str) -> None:
    (warning,) = warnings(text)
    assert message in warning


def test_api_version_v1_is_one_of_3_x_only() -> None:
    text = "kind: ImagePolicyConfig\napiVersion: v1\n"
    assert load_image_policy(text).api_version == "v1"
    assert 'no kind "ImagePolicyConfig" is known for version "v1"' in refusal(text, EXACT)


def test_nothing_at_all_is_the_default_configuration_in_openshift_4() -> None:
    loaded = load_image_policy("", profile=EXACT)
    assert len(loaded.config.resolution_rules) == 13
    assert set(config_to_json(loaded)) == {"resolveImages", "resolutionRules", "executionRules"}
    assert "kind: expected ImagePolicyConfig" in refusal("")


def test_builds_without_a_group_get_the_global_policy_in_documented_only() -> None:
    text = HEAD + "resolveImages: Required\nexecutionRules: [{name: a, onResources: [{resource: builds}]}]\n"
    builds = GroupResource("build.openshift.io", "builds")
    by_profile = {
        profile: next(
            r.policy for r in load_image_policy(text, profile=profile).config.resolution_rules if r.target == builds
        )
        for profile in Profile
    }
    assert by_profile == {Profile.DOCUMENTED: "Required", Profile.OPENSHIFT_4: "DoNotAttempt"}


def test_validation_errors_carry_file_line_and_the_original_text() -> None:
    text = (
        HEAD
        + "resolveImages: DoNotAttempt\nexecutionRules:\n- name: a\n- name: a\n  matchImageAnnotations: [{key: k}]\n"
    )
    with pytest.raises(InvalidImagePolicy) as caught:
        load_image_policy(text, "p.yaml")
    unresolved = "images are not being resolved, this condition will always fail"
    one = f'{PLUGIN}.executionRules[1].name: Duplicate value: "a"'
    value = '[{"key":"k","set":false,"value":""}]'
    two = f"{PLUGIN}.executionRules[1].matchImageAnnotations: Invalid value: {value}: {unresolved}"
    assert str(caught.value).split("\n") == [f"p.yaml:6: {one}", f"p.yaml:6: {two}"]
    assert aggregate(caught.value.errors) == f"[{one}, {two}]"
    assert len(caught.value.loaded.config.execution_rules) == 2


def test_all_errors_of_a_file_come_at_once() -> None:
    text = HEAD + "executionRules:\n- reject: 1\n  invertMatch: x\n- name: 5\n"
    assert [line.split(":")[1] for line in refusal(text).split("\n")] == ["4", "5", "6"]


def test_the_printed_form_keeps_null_and_empty_apart() -> None:
    printed = config_to_json(load_image_policy(HEAD + "executionRules: [{matchRegistries: []}]\n"))
    rules = printed["executionRules"]
    assert isinstance(rules, list)
    assert (rules[0]["matchRegistries"], rules[0]["matchImageLabels"]) == ([], None)
    assert config_to_json(load_image_policy(HEAD + "executionRules: []\n"))["executionRules"] == []
    assert config_to_json(load_image_policy(HEAD))["executionRules"] is None
