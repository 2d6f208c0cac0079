"""Marks: annotations and labels of an Image that decide whether its containers may run.

The documented mark is ``images.openshift.io/deny-execution`` (OpenShift 3.11, "Managing Images"). Rules may read others
(``matchImageAnnotations``, ``matchImageLabels``), and these count in the same way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from imagegate.core.image_policy.config import ExecutionRule

DENY_ANNOTATION = "images.openshift.io/deny-execution"
"""The annotation that the documented policies reject."""


@dataclass(frozen=True, slots=True)
class Marks:
    """Keys that are marks."""

    annotations: frozenset[str] = frozenset({DENY_ANNOTATION})
    labels: frozenset[str] = frozenset()
    every: bool = False
    """Every annotation and label is one, because the rules are not known."""

    @classmethod
    def of(cls, rules: Iterable[ExecutionRule]) -> Marks:
        """The documented mark, and all that these rules read."""
        known = tuple(rules)
        return cls(
            frozenset({DENY_ANNOTATION, *(each.key for rule in known for each in rule.match_image_annotations)}),
            frozenset(key for rule in known for selector in rule.match_image_labels for key in selector.keys),
        )

    def changed(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
        """The marks that differ between two metadata, such as ``annotation a.example.com/b``."""
        return [
            *(f"annotation {key}" for key in self._changed("annotations", self.annotations, old, new)),
            *(f"label {key}" for key in self._changed("labels", self.labels, old, new)),
        ]

    def _changed(
        self, field: str, keys: frozenset[str], old: Mapping[str, Any], new: Mapping[str, Any]
    ) -> Iterator[str]:
        before, after = old.get(field) or {}, new.get(field) or {}
        for key in sorted(before.keys() | after.keys()):
            is_same = key in before and key in after and before[key] == after[key]
            if not is_same and (self.every or key in keys):
                yield key
