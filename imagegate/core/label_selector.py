"""Label selectors (meta/v1 LabelSelector), as namespaces are selected by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist")


class Requirement(NamedTuple):
    """One of ``matchExpressions``."""

    key: str
    operator: str
    """One of ``OPERATORS``."""
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether ``labels`` fulfil it. ``NotIn`` is also true without the key, as in Kubernetes."""
        if self.operator == "In":
            return labels.get(self.key) in self.values
        if self.operator == "NotIn":
            return labels.get(self.key) not in self.values
        return (self.key in labels) == (self.operator == "Exists")


class LabelSelector(NamedTuple):
    """All requirements must be fulfilled; an empty selector selects everything."""

    requirements: tuple[Requirement, ...] = ()

    @classmethod
    def of(cls, match_labels: Mapping[str, str], expressions: tuple[Requirement, ...] = ()) -> LabelSelector:
        """From ``matchLabels`` and ``matchExpressions``.

        Raises:
            ValueError: an operator is unknown, or has values where it must have none (or the reverse).
        """
        for each in expressions:
            if each.operator not in OPERATORS:
                raise ValueError(f"operator must be one of {', '.join(OPERATORS)}, got {each.operator!r}")
            if bool(each.values) != (each.operator in ("In", "NotIn")):
                raise ValueError(f"values must be {'given' if not each.values else 'empty'} for {each.operator}")
        exact = tuple(Requirement(key, "In", frozenset((value,))) for key, value in match_labels.items())
        return cls(exact + expressions)

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether an object with ``labels`` is selected."""
        return all(requirement.matches(labels) for requirement in self.requirements)
