"""Lint of the execution rules (docs/spec/image-policy.md 1.4 and 1.7)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from imagegate.core.admission.request import GroupResource
from imagegate.core.image_policy.behaviour import Behaviour, openshift_4
from imagegate.core.image_policy.config import (
    PODS,
    ExecutionRule,
    ImagePolicyConfig,
    ResolutionRule,
    ValueCondition,
    folded,
)
from imagegate.core.kube.field_errors import aggregate
from imagegate.core.kube.go_quote import go_quote
from imagegate.core.profile import Profile
from imagegate.core.references.openshift import DOCKER_HUB_HOSTS, ImageReference
from imagegate.core.references.registry_hosts import broad_pattern, spelled
from imagegate.documents.lint.findings import Finding, Severity
from imagegate.documents.lint.shadowing import described, shadowed_rules
from imagegate.documents.master_config import MasterConfig
from imagegate.errors import InvalidReference

RESOURCES_WITH_IMAGES = frozenset(
    GroupResource(group, resource)
    for group, resources in {
        "": ("pods", "podtemplates", "replicationcontrollers"),
        "apps": ("daemonsets", "deployments", "replicasets", "statefulsets"),
        "extensions": ("daemonsets", "deployments", "replicasets"),
        "batch": ("cronjobs", "jobs"),
        "apps.openshift.io": ("deploymentconfigs",),
        "build.openshift.io": ("buildconfigs", "builds"),
        "security.openshift.io": (
            "podsecuritypolicyreviews",
            "podsecuritypolicyselfsubjectreviews",
            "podsecuritypolicysubjectreviews",
        ),
    }.items()
    for resource in resources
)
_FOLDED = frozenset(folded(resource) for resource in RESOURCES_WITH_IMAGES)
_NO_IMAGES = (
    "hold no images that are known: every request for them will be denied, unless imagePolicy.extraResources in the"
    " settings says where they are"
)


def registry_problem(registry: str) -> tuple[str, str] | None:
    """Code and sentence for a ``matchRegistries`` value that no image reference can have; None if one can."""
    quoted = go_quote(registry)
    if "://" in registry:
        return "registry-scheme", f"{quoted} has a scheme; a registry is written host[:port]"
    if "/" in registry:
        return "registry-path", f"{quoted} has a path; only host[:port] is compared, so it matches nothing"
    if "*" in registry or "?" in registry:
        return "registry-pattern", f"{quoted} is compared literally; for patterns use matchRegistryPatterns"
    if registry and not ("." in registry or ":" in registry or registry == "localhost"):
        text = f'{quoted} has neither "." nor ":", so in an image reference it is part of the name, never a registry'
        return "registry-never", text
    if registry and not _is_registry(spelled(registry)):
        return "registry-never", f"{quoted} cannot stand as the registry of an image, so it matches nothing"
    return None


def exact_problem(registry: str) -> tuple[str, str] | None:
    """Code and sentence for a value that is compared exactly and matches less than it seems to; None if none does."""
    quoted = go_quote(registry)
    if registry and not _is_registry(registry):
        return (
            "registry-never",
            f"{quoted} is compared exactly, and no image can be written so; write {spelled(registry)}",
        )
    if registry != registry.lower():
        return "registry-upper-case", f"{quoted} has upper-case letters; the comparison is exact"
    if registry != spelled(registry):
        text = f"{quoted} is compared exactly: images of the same registry are mostly written {spelled(registry)}"
        return "registry-spelling", text
    return None


def _is_registry(text: str) -> bool:
    """True if an image reference can have this registry."""
    if text.startswith("["):
        return True  # an IPv6 address: other readers of image references know it
    try:
        return ImageReference.parse(f"{text}/x").registry == text
    except InvalidReference:
        return False


def pattern_can_match(pattern: str) -> bool:
    """True if some registry matches the pattern, tried with a few values for its wildcards."""
    return any(_is_registry(pattern.replace("*", star).replace("?", mark)) for star in _STARS for mark in _MARKS)


_STARS = ("a.a", "1", "a.a:1", "", "a", "localhost")
_MARKS = ("a", "1", ".", ":")


_TOLD_ONE_BY_ONE = ("matchRegistries", "matchRegistryPatterns")


def _contradicts(conditions: Sequence[ValueCondition]) -> bool:
    """True if two conditions require different values of one key."""
    wanted: dict[str, set[str]] = {}
    for condition in conditions:
        if not condition.set:
            wanted.setdefault(condition.key, set()).add(condition.value)
    return any(len(values) > 1 for values in wanted.values())


def never_holds(rule: ExecutionRule) -> str:
    """The field whose conditions no image can meet; empty if none. Only obvious contradictions are recognised."""
    registries, patterns = rule.match_registries, rule.match_registry_patterns
    exact = not rule.reject
    if (registries or patterns) and not any(map(pattern_can_match, patterns)):
        possible = [each for each in registries if registry_problem(each) is None]
        if not any(not exact or not each or _is_registry(each) for each in possible):
            return "matchRegistryPatterns" if patterns and not registries else "matchRegistries"
    if _contradicts(rule.match_docker_image_labels):
        return "matchDockerImageLabels"
    if _contradicts(rule.match_image_annotations):
        return "matchImageAnnotations"
    return "" if all(selector.is_satisfiable for selector in rule.match_image_labels) else "matchImageLabels"


def lint_rules(config: MasterConfig, profile: Profile, *, has_integrated_registry: bool = False) -> Iterator[Finding]:
    """Findings about the execution policy; none if there is no policy."""
    if config.image_policy is None:
        return
    linter = _RuleLinter(config, config.image_policy, profile)
    yield from linter.each_rule()
    yield from linter.each_resolution_rule()
    yield from linter.without_effect()
    yield from linter.lockouts()
    yield from linter.surroundings(has_integrated_registry)


@dataclass(frozen=True, slots=True)
class _RuleLinter:
    config: MasterConfig
    policy: ImagePolicyConfig
    profile: Profile

    def _at(self, severity: Severity, place: str, suffix: str, text: str, code: str) -> Finding:
        file, line = self.config.places.get(place, (self.config.file, 1))
        return Finding(severity, file, line, place + suffix, text, code)

    @property
    def _exact(self) -> bool:
        return self.profile is Profile.OPENSHIFT_4

    def each_rule(self) -> Iterator[Finding]:
        for index, rule in enumerate(self.policy.execution_rules):
            place = f"executionRules[{index}]"
            if not rule.name:
                text = "has no name, so messages cannot say which rule matched"
                yield self._at(Severity.INFO, place, ".name", text, "nameless-rule")
            for position, resource in enumerate(rule.on_resources):
                if found := self._resource_problem(resource):
                    yield self._at(found[0], place, f".onResources[{position}]", found[1], found[2])
            yield from self._registries(rule, place)
            yield from self._conditions(rule, place)

    def _resource_problem(self, resource: GroupResource) -> tuple[Severity, str, str] | None:
        if resource.resource == "*":
            if self._exact:
                return Severity.WARNING, '"*" is no wildcard here and matches nothing', "resource-wildcard"
            return (
                Severity.INFO,
                '"*" covers the resources of the group that hold images; OpenShift itself matches nothing by it',
                "resource-wildcard",
            )
        if resource in RESOURCES_WITH_IMAGES:
            return None
        if resource in _FOLDED:
            if not self._exact:
                return None
            group = next(one.group for one in RESOURCES_WITH_IMAGES if folded(one) == resource)
            return Severity.WARNING, f"matches nothing: {resource} are in the group {group}", "resource-group"
        text = f"{resource} {_NO_IMAGES}"
        return Severity.WARNING, text, "resource-unknown"

    def _registries(self, rule: ExecutionRule, place: str) -> Iterator[Finding]:
        seen: set[str] = set()
        for index, registry in enumerate(rule.match_registries):
            suffix = f".matchRegistries[{index}]"
            if problem := registry_problem(registry):
                yield self._at(Severity.WARNING, place, suffix, problem[1], problem[0])
            elif (self._exact or not rule.reject) and (problem := exact_problem(registry)):
                severity = Severity.INFO if problem[0] == "registry-spelling" else Severity.WARNING
                yield self._at(severity, place, suffix, problem[1], problem[0])
            if registry in seen:
                yield self._at(Severity.INFO, place, suffix, f"{go_quote(registry)} is repeated", "registry-duplicate")
            seen.add(registry)
        for index, pattern in enumerate(rule.match_registry_patterns):
            if not pattern_can_match(broad_pattern(pattern) if rule.reject else pattern):
                text = f"{go_quote(pattern)} matches no registry that an image can be written with"
                yield self._at(Severity.WARNING, place, f".matchRegistryPatterns[{index}]", text, "registry-never")
        hub = DOCKER_HUB_HOSTS.intersection(rule.match_registries)
        if rule.reject and self._exact and hub and not {*DOCKER_HUB_HOSTS, ""} <= seen:
            text = 'does not reject all names of Docker Hub (docker.io, index.docker.io, registry-1.docker.io, "")'
            yield self._at(Severity.WARNING, place, ".matchRegistries", text, "reject-evadable")

    def _conditions(self, rule: ExecutionRule, place: str) -> Iterator[Finding]:
        if rule.has_conditions:
            field = never_holds(rule)
            if field and field not in _TOLD_ONE_BY_ONE and not rule.invert_match:
                verb = "reject" if rule.reject else "accept"
                text = f"no image can meet the conditions of {field}, so the rule can never {verb} anything"
                yield self._at(Severity.WARNING, place, "", text, "matches-nothing")
            if rule.reject and rule.needs_image and not rule.skip_on_resolution_failure and not rule.invert_match:
                text = "matches only images that could be resolved; others pass this rule"
                yield self._at(Severity.INFO, place, "", text, "reject-unresolved-passes")
            return
        covered = aggregate(rule.on_resources)
        if rule.invert_match:
            yield self._at(
                Severity.WARNING,
                place,
                "",
                "has no condition and invertMatch, so it matches nothing",
                "matches-nothing",
            )
        elif not rule.reject:
            yield self._at(
                Severity.WARNING, place, "", f"has no condition: accepts every image on {covered}", "accepts-everything"
            )
        elif PODS not in rule.on_resources:
            yield self._at(
                Severity.WARNING, place, "", f"has no condition: rejects every image on {covered}", "rejects-everything"
            )

    def each_resolution_rule(self) -> Iterator[Finding]:
        seen: dict[GroupResource, int] = {}
        for index, rule in enumerate(self.policy.resolution_rules):
            place = f"resolutionRules[{index}]"
            if (first := seen.setdefault(rule.target, index)) != index:
                text = (
                    f"{rule.target} is already covered by resolutionRules[{first}]; a rewriting rule of the two decides"
                )
                yield self._at(Severity.INFO, place, ".targetResource", text, "resolution-duplicate")
            elif problem := self._target_problem(rule):
                yield self._at(Severity.WARNING, place, ".targetResource", problem, "resolution-unknown-resource")

    def _target_problem(self, rule: ResolutionRule) -> str:
        target = rule.target
        known = RESOURCES_WITH_IMAGES if self._exact else RESOURCES_WITH_IMAGES | _FOLDED
        groups = {resource.group for resource in known}
        if target in known or (target.resource == "*" and target.group in groups):
            return ""
        return f"{target} {_NO_IMAGES}"

    def without_effect(self) -> Iterator[Finding]:
        """Rules that never decide, because others do."""
        behaviour = openshift_4() if self._exact else Behaviour()
        for shadowed in shadowed_rules(self.policy.execution_rules, behaviour):
            place = f"executionRules[{shadowed.position}]"
            by = described(shadowed.by, self._described)
            one = len(shadowed.by) == 1
            if shadowed.is_rejected:
                verb = "rejects" if one else "reject"
                text = f"can never accept: {by} {verb} all that it matches, and a reject rule wins"
                yield self._at(Severity.WARNING, place, "", text, "unreachable-rule")
            else:
                together = "which matches" if one else "which together match"
                text = f"adds nothing to {by}, {together} all that it matches"
                yield self._at(Severity.INFO, place, "", text, "redundant-rule")

    def _described(self, index: int) -> str:
        """``executionRules[0] no-hub (FILE:LINE)``."""
        place = f"executionRules[{index}]"
        file, line = self.config.places.get(place, (self.config.file, 1))
        return f"{place} {self.policy.execution_rules[index].name}".rstrip() + f" ({file}:{line})"

    def lockouts(self) -> Iterator[Finding]:
        """Rules that deny every pod, imagegate's own included."""
        covering = [
            (index, rule) for index, rule in enumerate(self.policy.execution_rules) if PODS in rule.on_resources
        ]
        for index, rule in covering:
            always = not rule.has_conditions and not rule.invert_match and not rule.skip_on_resolution_failure
            if rule.reject and always and rule.mode in (None, "enforce"):
                text = "rejects every pod: nothing will start any more, imagegate itself included"
                yield self._at(Severity.ERROR, f"executionRules[{index}]", "", text, "lockout")
        accepting = [rule for _, rule in covering if not rule.reject]
        if accepting and not any(_can_match(rule) for rule in accepting):
            index = next(index for index, rule in covering if not rule.reject)
            text = "no accept rule for pods can match: nothing will start any more, imagegate itself included"
            yield self._at(Severity.ERROR, f"executionRules[{index}]", "", text, "lockout")

    def surroundings(self, has_integrated_registry: bool) -> Iterator[Finding]:
        """Findings that involve the rest of the file."""
        rules = self.policy.execution_rules
        integrated = [index for index, rule in enumerate(rules) if rule.match_integrated_registry]
        is_named = has_integrated_registry or self.config.import_policy.internal_registry_hostname
        if integrated and not self.config.stand_alone and not is_named:
            text = "internalRegistryHostname is not set: only images found through image streams can match"
            place = f"executionRules[{integrated[0]}]"
            yield self._at(Severity.WARNING, place, ".matchIntegratedRegistry", text, "no-integrated-registry")
        first = self.config.image_format.partition("/")[0]
        is_registry = "/" in self.config.image_format and ("." in first or ":" in first or first == "localhost")
        accepts = any(rule.match_registries for rule in rules)
        if self.config.image_format and not is_registry and accepts:
            text = (
                'infrastructure images will have no registry, and match no matchRegistries value but ""; '
                "begin the format with a registry"
            )
            yield self._at(Severity.WARNING, "imageConfig.format", "", text, "infrastructure-images")


def _can_match(rule: ExecutionRule) -> bool:
    """True if some image could match; only obvious contradictions are recognised."""
    if rule.invert_match:
        return rule.has_conditions
    return not never_holds(rule)
