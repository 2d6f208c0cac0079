"""ImagePolicyConfig as values: resolution types, resolution rules, execution rules, defaults, validation.

Source: openshift/apiserver-library-go ``pkg/admission/imagepolicy/apis/imagepolicy/{v1,validation}``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from imagegate.core.admission.request import GroupResource
from imagegate.core.kube.field_errors import FieldError, duplicate, invalid, required
from imagegate.core.kube.go_quote import JsonValue
from imagegate.core.kube.label_selector import LabelSelector

PLUGIN_NAME = "image.openshift.io/ImagePolicy"
"""Name in field paths of errors, whichever of the two names the file uses."""
PLUGIN_NAMES = (PLUGIN_NAME, "openshift.io/ImagePolicy")
IGNORE_RULES_ANNOTATION = "alpha.image.policy.openshift.io/ignore-rules"
RESOLVE_NAMES_ANNOTATION = "alpha.image.policy.openshift.io/resolve-names"

ATTEMPT = "Attempt"
ATTEMPT_REWRITE = "AttemptRewrite"
DO_NOT_ATTEMPT = "DoNotAttempt"
REQUIRED = "Required"
REQUIRED_REWRITE = "RequiredRewrite"
RESOLUTION_TYPES = (ATTEMPT, ATTEMPT_REWRITE, DO_NOT_ATTEMPT, REQUIRED, REQUIRED_REWRITE)

PODS = GroupResource("", "pods")
FOLDED_GROUPS = frozenset(
    f"{name}.openshift.io"
    for name in (
        "authorization",
        "build",
        "apps",
        "template",
        "image",
        "project",
        "user",
        "oauth",
        "network",
        "route",
        "quota",
        "security",
    )
)
"""OpenShift's API groups, which 3.x also served as part of the core group."""
DEFAULT_RESOLUTION_TARGETS = tuple(
    GroupResource(group, resource)
    for group, resource in (
        ("", "pods"),
        ("", "replicationcontrollers"),
        ("apps.openshift.io", "deploymentconfigs"),
        ("apps", "daemonsets"),
        ("apps", "deployments"),
        ("apps", "statefulsets"),
        ("apps", "replicasets"),
        ("build.openshift.io", "builds"),
        ("batch", "jobs"),
        ("batch", "cronjobs"),
        ("extensions", "daemonsets"),
        ("extensions", "deployments"),
        ("extensions", "replicasets"),
    )
)


def folded(resource: GroupResource) -> GroupResource:
    """``resource`` with OpenShift's groups folded into the core group, as 3.x served them."""
    return GroupResource("", resource.resource) if resource.group in FOLDED_GROUPS else resource


def requests_resolution(policy: str) -> bool:
    """True if the resolution type asks for images to be resolved. An unknown type does not."""
    return policy in (ATTEMPT, ATTEMPT_REWRITE, REQUIRED, REQUIRED_REWRITE)


def fails(policy: str) -> bool:
    """True if a failed resolution rejects the image."""
    return policy in (REQUIRED, REQUIRED_REWRITE)


def rewrites(policy: str) -> bool:
    """True if the pull spec is replaced by its resolved reference."""
    return policy in (ATTEMPT_REWRITE, REQUIRED_REWRITE)


@dataclass(frozen=True, slots=True)
class ValueCondition:
    """A condition on one entry of a map of labels or annotations."""

    key: str
    set: bool = False
    value: str = ""

    def holds(self, entries: Mapping[str, str]) -> bool:
        """True if the key exists (``set``), else if its value is ``value``; a missing key reads as the empty string."""
        if self.set:
            return self.key in entries
        return entries.get(self.key, "") == self.value

    def to_json(self) -> dict[str, JsonValue]:
        """The condition as Go writes it."""
        return {"key": self.key, "set": self.set, "value": self.value}


@dataclass(frozen=True, slots=True)
class ResolutionRule:
    """Resolution of images in one resource. ``target.resource`` ``*``: every resource of the group."""

    target: GroupResource
    local_names: bool = False
    policy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionRule:
    """One rule of ``executionRules``. All conditions must hold; ``invert_match`` negates them together."""

    name: str = ""
    reject: bool = False
    on_resources: tuple[GroupResource, ...] = ()
    invert_match: bool = False
    match_integrated_registry: bool = False
    match_registries: tuple[str, ...] = ()
    match_docker_image_labels: tuple[ValueCondition, ...] = ()
    match_image_labels: tuple[LabelSelector, ...] = ()
    match_image_annotations: tuple[ValueCondition, ...] = ()
    skip_on_resolution_failure: bool = False
    ignore_namespace_override: bool = False
    allow_namespace_override: bool = False
    """imagegate's own: the namespace annotation may switch the rule off under ``namespaceOverride: restricted``."""
    match_registry_patterns: tuple[str, ...] = ()
    """imagegate's own: like ``match_registries``, with ``*`` and ``?``."""
    mode: str | None = None
    """imagegate's own: ``enforce``, ``warn`` or ``audit`` for this rule alone."""
    written_empty: frozenset[str] = field(default=frozenset(), compare=False)
    """List fields written as ``[]``: Go prints them so, and absent ones as ``null``. Used for nothing else."""

    @property
    def needs_image(self) -> bool:
        """True if a condition can only be evaluated with the Image object."""
        return bool(self.match_docker_image_labels or self.match_image_labels or self.match_image_annotations)

    @property
    def has_conditions(self) -> bool:
        """True if there is any condition; a rule without one matches everything (inverted: nothing)."""
        return bool(
            self.needs_image or self.match_integrated_registry or self.match_registries or self.match_registry_patterns
        )


@dataclass(frozen=True, slots=True)
class ImagePolicyConfig:
    """The policy, defaults applied (``apply_defaults`` makes it)."""

    resolve_images: str
    resolution_rules: tuple[ResolutionRule, ...]
    execution_rules: tuple[ExecutionRule, ...]


def apply_defaults(
    resolve_images: str = "",
    resolution_rules: Sequence[ResolutionRule] | None = None,
    execution_rules: Iterable[ExecutionRule] = (),
    *,
    fold_groups: bool = False,
) -> ImagePolicyConfig:
    """The configuration with defaults for fields left out (SetDefaults_ImagePolicyConfig).

    Args:
        resolve_images: as written; empty means ``Attempt``.
        resolution_rules: None where absent or null, which gives the default rules; empty gives none.
        execution_rules: as written; a rule without ``on_resources`` is one for pods.
        fold_groups: count an execution rule on ``builds`` of the core group as one on
            ``builds.build.openshift.io`` (profile ``documented``).
    """
    resolve_images = resolve_images or ATTEMPT
    rules = tuple(rule if rule.on_resources else replace(rule, on_resources=(PODS,)) for rule in execution_rules)
    if resolution_rules is not None:
        given = tuple(rule if rule.policy else replace(rule, policy=resolve_images) for rule in resolution_rules)
        return ImagePolicyConfig(resolve_images, given, rules)
    listed = {resource for rule in rules for resource in rule.on_resources}
    if fold_groups:
        listed |= {folded(resource) for resource in listed}
    defaults = tuple(
        ResolutionRule(target, True, resolve_images if _is_listed(target, listed, fold_groups) else DO_NOT_ATTEMPT)
        for target in DEFAULT_RESOLUTION_TARGETS
    )
    return ImagePolicyConfig(resolve_images, defaults, rules)


def _is_listed(target: GroupResource, listed: set[GroupResource], fold_groups: bool) -> bool:
    if target in listed or GroupResource(target.group, "*") in listed:
        return True
    return fold_groups and folded(target) in listed


def validate(config: ImagePolicyConfig) -> list[FieldError]:
    """Errors in the configuration, in the original's words and order (its ``Validate``)."""
    return [*_execution_rule_errors(config), *_resolution_rule_errors(config), *_unresolved_errors(config)]


def _execution_rule_errors(config: ImagePolicyConfig) -> Iterable[FieldError]:
    seen = set()
    for index, rule in enumerate(config.execution_rules):
        at = f"{PLUGIN_NAME}.executionRules[{index}]"
        if rule.name in seen:
            yield duplicate(f"{at}.name", rule.name)
        seen.add(rule.name)
        for position, selector in enumerate(rule.match_image_labels):
            if problem := selector.problem():
                yield invalid(f"{at}.matchImageLabels[{position}]", None, problem)


def _resolution_rule_errors(config: ImagePolicyConfig) -> Iterable[FieldError]:
    for index, rule in enumerate(config.resolution_rules):
        at = f"{PLUGIN_NAME}.resolutionRules[{index}]"
        if not rule.policy:
            yield required(f"{at}.policy", "a policy must be specified for this resource")
        if not rule.target.resource:
            yield required(f"{at}.targetResource.resource", "a target resource name or '*' must be provided")


def _unresolved_errors(config: ImagePolicyConfig) -> Iterable[FieldError]:
    if config.resolve_images != DO_NOT_ATTEMPT:
        return
    detail = "images are not being resolved, this condition will always fail"
    for index, rule in enumerate(config.execution_rules):
        conditions: tuple[tuple[str, Sequence[ValueCondition | LabelSelector]], ...] = (
            ("matchDockerImageLabels", rule.match_docker_image_labels),
            ("matchImageLabels", rule.match_image_labels),
            ("matchImageAnnotations", rule.match_image_annotations),
        )
        for name, values in conditions:
            if values:
                at = f"{PLUGIN_NAME}.executionRules[{index}].{name}"
                yield invalid(at, [value.to_json() for value in values], detail)
