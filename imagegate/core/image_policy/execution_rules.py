"""executionRules: accept and reject rules for images.

The first matching reject rule wins over any accept rule. When nothing matches, the image is refused if the
list has any accept rule and allowed if it has only reject rules. Rules that name registries are indexed by
registry, so that the time of a decision does not grow with their number.
Source: docs/spec/image-policy.md 7; openshift/apiserver-library-go, pkg/admission/imagepolicy/rules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from imagegate.core.admission.request import GroupResource
from imagegate.core.admission.workload import holds_images
from imagegate.core.image_policy.attributes import Attributes
from imagegate.core.image_policy.behaviour import Behaviour
from imagegate.core.image_policy.config import ExecutionRule, folded
from imagegate.core.image_streams.docker_labels import NoConfig, UndecodableMetadata, docker_labels
from imagegate.core.references.near_hosts import NearHosts
from imagegate.core.references.openshift import DOCKER_HUB_HOSTS, ImageReference
from imagegate.core.references.registry_hosts import DOCKER_HUB, all_places, broad_pattern, places, texts
from imagegate.core.references.wildcard import Wildcard

Excluded = Callable[["CompiledRule"], bool]


class UpstreamPanic(Exception):
    """The original dereferences a nil pointer here; profile openshift-4 answers 500 as the original's server does."""


class RuleResult(NamedTuple):
    """The result of the rules for one image."""

    accepted: bool
    rule: CompiledRule | None = None
    """The reject rule that matched, else the first accept rule that matched; None if none did."""
    softened: tuple[CompiledRule, ...] = ()
    """Reject rules of mode warn or audit that matched and did not reject."""
    in_doubt: str = ""
    """Reason why the result is not known: it depends on a look-up that failed."""


@dataclass(frozen=True, slots=True, eq=False)
class CompiledRule:
    """An execution rule with everything computed that depends on configuration alone."""

    index: int
    rule: ExecutionRule
    registries: frozenset[str]
    patterns: tuple[Wildcard, ...]
    canonical: bool
    """Registries are compared as canonical hosts."""

    @property
    def names_registries(self) -> bool:
        """True if the rule has a condition on the registry."""
        return bool(self.registries or self.patterns)

    @property
    def label(self) -> str:
        """The rule in messages: ``executionRules[2] no-docker-hub``."""
        return f"executionRules[{self.index}] {self.rule.name}".rstrip()


class RuleList:
    """The rules for one group-resource, indexed by registry. Immutable."""

    __slots__ = ("_behaviour", "_by_registry", "_general", "_near", "accepts_by_image", "default_accept", "rules")

    def __init__(self, rules: Sequence[CompiledRule], behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        self.rules = tuple(rules)
        self.default_accept = all(rule.rule.reject for rule in rules)
        self.accepts_by_image = any(_needs_resolution(each.rule) for each in rules if not each.rule.reject)
        """True if an accept rule may be without effect only because an image is not known here."""
        by_registry: dict[str, list[CompiledRule]] = {}
        general = []
        for rule in rules:
            if _is_indexable(rule):
                for registry in rule.registries:
                    by_registry.setdefault(registry, []).append(rule)
            else:
                general.append(rule)
        self._by_registry = {registry: tuple(found) for registry, found in by_registry.items()}
        self._general = tuple(general)
        self._near: NearHosts[CompiledRule] | None = None

    def candidates(self, attributes: Attributes) -> Sequence[CompiledRule]:
        """Every rule that can match the image, in file order; all others name other registries."""
        if not self._by_registry:
            return self._general
        keys = {attributes.name.registry, *canonical_hosts(attributes.name.registry, self._behaviour)}
        if self._behaviour.unqualified_is_docker_hub and not attributes.name.registry:
            keys.add(DOCKER_HUB)
        if not attributes.name.name:
            keys |= canonical_hosts("", self._behaviour)
        found = {rule.index: rule for key in keys for rule in self._by_registry.get(key, ())}
        if not found:
            return self._general
        found.update((rule.index, rule) for rule in self._general)
        return [found[index] for index in sorted(found)]

    def nearest_by_registry(self, registry: str) -> CompiledRule | None:
        """The accept rule for the registry most like ``registry``; None if no accept rule names registries.

        Only for the words of a denial. The index is built for the first one: threads may build it at the same time.
        """
        if self._near is None:
            accepting = [each for each in self.rules if not each.rule.reject and not each.rule.invert_match]
            self._near = NearHosts(
                (named, each)
                for each in accepting
                for named in (*each.rule.match_registries, *each.rule.match_registry_patterns)
            )
        return self._near.nearest(registry)

    def decide(self, attributes: Attributes, excluded: Excluded) -> RuleResult:
        """The result for one image.

        Raises:
            UpstreamPanic: profile openshift-4 met metadata that crashes the original.
        """
        accepted_by = None
        softened: tuple[CompiledRule, ...] = ()
        for compiled in self.candidates(attributes):
            rule = compiled.rule
            if excluded(compiled) or (attributes.image is None and rule.skip_on_resolution_failure):
                continue
            if not matches(compiled, attributes, self._behaviour):
                continue
            if not rule.reject:
                accepted_by = accepted_by or compiled
            elif rule.mode in ("warn", "audit"):
                softened += (compiled,)
            else:
                return RuleResult(False, compiled, softened)
        return RuleResult(accepted_by is not None or self.default_accept, accepted_by, softened)

    def weigh(
        self, attributes: Attributes, excluded: Excluded, uncertain: Uncertain, *, rejects_only: bool = False
    ) -> RuleResult:
        """The result for one image when a look-up about it failed (docs/spec/image-policy.md 14 row 18).

        If every possible answer leads to the same result, that is the result; else it is in doubt.

        Args:
            uncertain: the reason why it is not known if a rule is switched off; empty where it is known.
            rejects_only: accept every image that no rule rejects.

        Raises:
            UpstreamPanic: see ``decide``.
        """
        doubt = attributes.doubt
        accepted_by, accepts, rejects = None, "", ""
        softened: tuple[CompiledRule, ...] = ()
        for compiled in self.rules:  # not only the candidates: if the name is in doubt, so is its registry
            rule = compiled.rule
            matched = False if excluded(compiled) else may_match(compiled, attributes, self._behaviour)
            if matched is False:
                continue
            why = "" if matched or doubt is None else doubt.because
            if not rule.reject:
                why = why or uncertain(compiled)
                if not why:
                    accepted_by = accepted_by or compiled
                accepts = accepts or why
            elif rule.mode in ("warn", "audit"):
                softened += (compiled,)
            elif why:
                rejects = rejects or why
            else:
                return RuleResult(False, compiled, softened)
        if rejects:
            return RuleResult(False, None, softened, rejects)
        if accepted_by is not None or self.default_accept or rejects_only:
            return RuleResult(True, accepted_by, softened)
        return RuleResult(False, None, softened, accepts)


Uncertain = Callable[[CompiledRule], str]


class Rules:
    """All execution rules. Immutable; ``coverage.Coverage`` caches the rules of a resource."""

    __slots__ = ("_all", "_behaviour")

    def __init__(self, rules: Iterable[ExecutionRule], behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        self._all = tuple(compile_rule(index, rule, behaviour) for index, rule in enumerate(rules))

    def covering(self, resources: tuple[GroupResource, ...]) -> RuleList | None:
        """The rules that cover any of ``resources``; None if none does."""
        covering = [
            compiled
            for compiled in self._all
            if any(
                covers(target, resource, self._behaviour)
                for resource in resources
                for target in compiled.rule.on_resources
            )
        ]
        return RuleList(covering, self._behaviour) if covering else None


def _needs_resolution(rule: ExecutionRule) -> bool:
    return rule.needs_image or rule.skip_on_resolution_failure


def covers(target: GroupResource, resource: GroupResource, behaviour: Behaviour) -> bool:
    """True if an onResources entry covers ``resource``; group folding and ``*`` depend on the profile (7.2)."""
    if target == resource:
        return True
    if behaviour.fold_groups:
        target, resource = folded(target), folded(resource)
        if target == resource:
            return True
    is_wildcard = behaviour.wildcard_resources and target.resource == "*" and target.group == resource.group
    return is_wildcard and holds_images(resource)


def compile_rule(index: int, rule: ExecutionRule, behaviour: Behaviour) -> CompiledRule:
    """Precompute the registry names that the rule compares with (docs/spec/image-policy.md 14 row 8)."""
    registries = frozenset(rule.match_registries)
    # An inverted rule matches registries outside its list, so there the accept rule must compare broadly.
    canonical = behaviour.canonical_rejects and rule.reject != rule.invert_match
    written = rule.match_registry_patterns
    if canonical:
        registries |= all_places(registry for registry in registries if registry)
        written = tuple(dict.fromkeys((*written, *map(broad_pattern, written))))
    elif behaviour.canonical_rejects and DOCKER_HUB in registries:
        registries |= DOCKER_HUB_HOSTS
    patterns = tuple(Wildcard(pattern) for pattern in written)
    return CompiledRule(index, rule, registries, patterns, canonical)


def canonical_hosts(registry: str, behaviour: Behaviour) -> frozenset[str]:
    """Hosts that a node would pull from, in one spelling; without a registry those of the default registry."""
    return places(registry or behaviour.default_registry)


def matches(compiled: CompiledRule, attributes: Attributes, behaviour: Behaviour) -> bool:
    """True if all conditions of the rule hold, negated if the rule says so.

    Raises:
        UpstreamPanic: profile openshift-4 met metadata that crashes the original.
    """
    return _conditions_hold(compiled, attributes, behaviour) != compiled.rule.invert_match


def may_match(compiled: CompiledRule, attributes: Attributes, behaviour: Behaviour) -> bool | None:
    """True if the rule applies and matches in spite of a doubt, None if that depends on the doubt.

    Raises:
        UpstreamPanic: profile openshift-4 met metadata that crashes the original.
    """
    rule, doubt = compiled.rule, attributes.doubt
    if attributes.image is None and rule.skip_on_resolution_failure and not (doubt and doubt.image):
        return False
    if doubt is None:
        return matches(compiled, attributes, behaviour)
    held = {
        integrated_holds(compiled, attributes) or (None if doubt.integrated else False),
        None if doubt.name and compiled.names_registries else registry_holds(compiled, attributes, behaviour),
        None if doubt.image and rule.needs_image else image_holds(compiled, attributes, behaviour),
    }
    if False in held:
        matched: bool | None = rule.invert_match
    else:
        matched = None if None in held else not rule.invert_match
    return None if matched and doubt.image and rule.skip_on_resolution_failure else matched


def _conditions_hold(compiled: CompiledRule, attributes: Attributes, behaviour: Behaviour) -> bool:
    return (
        integrated_holds(compiled, attributes)
        and registry_holds(compiled, attributes, behaviour)
        and image_holds(compiled, attributes, behaviour)
    )


def integrated_holds(compiled: CompiledRule, attributes: Attributes) -> bool:
    """True unless the rule asks for the integrated registry and the image is of another one."""
    return attributes.integrated or not compiled.rule.match_integrated_registry


def registry_holds(compiled: CompiledRule, attributes: Attributes, behaviour: Behaviour) -> bool:
    """True unless the rule names registries and the image is of another one."""
    return not compiled.names_registries or _registry_matches(compiled, attributes.name, behaviour)


def image_holds(compiled: CompiledRule, attributes: Attributes, behaviour: Behaviour) -> bool:
    """True if the conditions on labels and annotations hold; there may be none.

    Raises:
        UpstreamPanic: profile openshift-4 met metadata that crashes the original.
    """
    rule, image = compiled.rule, attributes.image
    if not rule.needs_image:
        return True
    if image is None:
        return False
    if rule.match_docker_image_labels:
        labels = image_labels(image, compiled, behaviour)
        if isinstance(labels, bool):
            return labels
        if not all(condition.holds(labels) for condition in rule.match_docker_image_labels):
            return False
    metadata = image.get("metadata") or {}
    annotations = metadata.get("annotations") or {}
    if not all(condition.holds(annotations) for condition in rule.match_image_annotations):
        return False
    labels_of_image = metadata.get("labels") or {}
    return all(selector.matches(labels_of_image) for selector in rule.match_image_labels)


def image_labels(image: Mapping[str, Any], compiled: CompiledRule, behaviour: Behaviour) -> Mapping[str, str] | bool:
    """The image's own labels; where they cannot be read, the value of all image conditions together.

    Source: docs/spec/image-policy.md 14 rows 15, 16.
    """
    rule = compiled.rule
    unreadable = rule.reject != rule.invert_match  # after inversion: reject rules match, accept rules do not
    from imagegate.core.imports.image_content import labels_of_bytes  # needed only where a rule matches labels

    try:
        labels = labels_of_bytes(image) if behaviour.labels_from_bytes else docker_labels(image)
    except UndecodableMetadata:
        return not rule.skip_on_resolution_failure if behaviour.lenient_metadata else unreadable
    except NoConfig:
        if behaviour.lenient_metadata:
            raise UpstreamPanic("runtime error: invalid memory address or nil pointer dereference") from None
        return {}
    if labels is None:  # no metadata: the labels are unknown
        return behaviour.labels_from_bytes and unreadable
    return labels


def _registry_matches(compiled: CompiledRule, name: ImageReference, behaviour: Behaviour) -> bool:
    registry = name.registry
    if registry in compiled.registries:
        return True
    if not registry and behaviour.unqualified_is_docker_hub and DOCKER_HUB in compiled.registries:
        return True
    hosts: frozenset[str] = frozenset()
    if compiled.canonical and (registry or name.name):  # a blank image is filled in later by something else
        hosts = canonical_hosts(registry, behaviour)
        if not name.name:  # "some.name" parses as a registry, but a node reads it as a name
            hosts |= canonical_hosts("", behaviour)
        if not compiled.registries.isdisjoint(hosts):
            return True
    if not compiled.patterns:
        return False
    written = {registry}.union(*map(texts, hosts))
    if hosts:
        written |= texts(registry)
    return any(pattern.matches(text) for pattern in compiled.patterns for text in written)


def _is_indexable(compiled: CompiledRule) -> bool:
    """True if the rule can only match images whose registry it lists."""
    return bool(compiled.registries) and not compiled.patterns and not compiled.rule.invert_match
