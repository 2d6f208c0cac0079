"""Execution rules that never decide, proved with the matcher of the rules.

A rule is taken apart into the registries and patterns that it matches. If for each of them other rules match every
such image, the rule changes no verdict. Several rules may do that together.
Source: docs/spec/image-policy.md 7.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from imagegate.core.image_policy.attributes import Attributes
from imagegate.core.image_policy.behaviour import Behaviour
from imagegate.core.image_policy.config import ExecutionRule
from imagegate.core.image_policy.execution_rules import (
    CompiledRule,
    canonical_hosts,
    compile_rule,
    covers,
    registry_holds,
)
from imagegate.core.references.openshift import ImageReference
from imagegate.core.references.wildcard import Wildcard

ANY = "*"
COMPARED_MAX = 300
"""Rules for one registry, and rules with patterns, that are compared, so that long lists take reasonable time."""
_ANY_RUN = "\0"
"""Stands for a ``*`` of a pattern: only a ``*`` matches it in every length."""


class Shadowed(NamedTuple):
    """A rule that changes no verdict."""

    position: int
    """Index in ``executionRules``."""
    by: tuple[int, ...]
    """The rules that decide instead, in the order of the file."""
    is_rejected: bool
    """True if the rule accepts, and every image that it matches is rejected."""


def shadowed_rules(rules: Sequence[ExecutionRule], behaviour: Behaviour) -> list[Shadowed]:
    """Rules that could be removed together without a change, in the order of the file; of equal rules the later ones.

    An accept rule that is the only one of its kind is not among them unless everything it matches is rejected.
    """
    proof = _Proof(rules, behaviour)
    found = [shadow for index in reversed(range(len(rules))) if (shadow := proof.of(index)) is not None]
    return found[::-1]


class _Proof:
    """Rules by what they match; those that were found without effect prove nothing about others."""

    def __init__(self, rules: Sequence[ExecutionRule], behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        self._rules = [compile_rule(index, rule, behaviour) for index, rule in enumerate(rules)]
        self._general: list[CompiledRule] = []
        self._listing: dict[str, list[CompiledRule]] = {}
        for compiled in self._rules:
            if not compiled.rule.invert_match:
                self._file(compiled)
        self._without_effect: set[int] = set()

    def _file(self, compiled: CompiledRule) -> None:
        is_general = bool(compiled.patterns) or not compiled.names_registries
        for where in (
            [self._general] if is_general else [self._listing.setdefault(one, []) for one in compiled.registries]
        ):
            if len(where) < COMPARED_MAX:
                where.append(compiled)

    def of(self, index: int) -> Shadowed | None:
        """The proof that a rule has no effect; None if there is none."""
        compiled = self._rules[index]
        if compiled.rule.invert_match or not compiled.rule.has_conditions:
            return None
        by: set[int] = set()
        for others in self._of_each_part(compiled):
            found = self._first(compiled, others)
            if found is None:
                return None
            by.add(found.index)
        self._without_effect.add(index)
        is_rejected = not compiled.rule.reject and all(self._rules[other].rule.reject for other in by)
        return Shadowed(index, tuple(sorted(by)), is_rejected)

    def _of_each_part(self, compiled: CompiledRule) -> Iterator[Iterable[CompiledRule]]:
        """For each registry and pattern of a rule, the rules that match all of it."""
        for registry in compiled.registries:
            yield self._matching(registry)
        patterns = [pattern.pattern for pattern in compiled.patterns]
        for pattern in patterns if compiled.names_registries else [ANY]:
            yield self._covering(pattern)

    def _matching(self, registry: str) -> Iterator[CompiledRule]:
        attributes = Attributes(name=ImageReference(registry, "", "x"))
        keys = {registry, *canonical_hosts(registry, self._behaviour)}
        listed = [other for key in keys for other in self._listing.get(key, ())]
        for other in (*listed, *self._general):
            if registry_holds(other, attributes, self._behaviour):
                yield other

    def _covering(self, pattern: str) -> Iterator[CompiledRule]:
        for other in self._general:
            if not other.names_registries or any(pattern_covers(wide.pattern, pattern) for wide in other.patterns):
                yield other

    def _first(self, narrow: CompiledRule, others: Iterable[CompiledRule]) -> CompiledRule | None:
        """The rule that decides instead of another one: a reject rule before an accept rule, the earliest first."""
        usable = [
            other
            for other in others
            if other is not narrow
            and other.index not in self._without_effect
            and self._outdoes(other.rule, narrow.rule)
        ]
        return min(usable, key=lambda other: (not other.rule.reject, other.index), default=None)

    def _outdoes(self, wide: ExecutionRule, narrow: ExecutionRule) -> bool:
        """True if ``wide`` holds for every image of ``narrow`` whose registry it matches, and decides at least as it.

        The conditions of a rule must all hold, so that the wider rule has a part of those of the narrower one.
        """
        if (narrow.reject and not wide.reject) or _mode(wide) != _mode(narrow):
            return False
        if wide.skip_on_resolution_failure and not (narrow.skip_on_resolution_failure or narrow.needs_image):
            return False
        if narrow.ignore_namespace_override and not wide.ignore_namespace_override:
            return False
        return (
            all(
                any(covers(wider, each, self._behaviour) for wider in wide.on_resources) for each in narrow.on_resources
            )
            and (narrow.match_integrated_registry or not wide.match_integrated_registry)
            and set(wide.match_docker_image_labels) <= set(narrow.match_docker_image_labels)
            and set(wide.match_image_labels) <= set(narrow.match_image_labels)
            and set(wide.match_image_annotations) <= set(narrow.match_image_annotations)
        )


def _mode(rule: ExecutionRule) -> str:
    return rule.mode or "enforce"


def pattern_covers(wide: str, narrow: str) -> bool:
    """True if every string that matches ``narrow`` certainly matches ``wide`` (``*`` and ``?``)."""
    if wide in (narrow, ANY):
        return True
    if "*" in narrow and "?" in wide:
        return False  # the run of a "*" may have any length
    return Wildcard(wide).matches(narrow.replace("*", _ANY_RUN))


def described(indices: Sequence[int], describe: Callable[[int], str]) -> str:
    """``A``, ``A and B``, ``A, B and 3 more``."""
    shown = [describe(index) for index in indices[:3]]
    rest = len(indices) - len(shown)
    if rest:
        return f"{', '.join(shown)} and {rest} more"
    return " and ".join([", ".join(shown[:-1]), shown[-1]]) if len(shown) > 1 else shown[0]
