"""Cached verdicts on images, valid while answers come from the same snapshot.

A verdict follows from the policy, the image as written, the request's resource and namespace, and answers. While
``Answers.snapshot`` is the same, so is the verdict.
"""

from __future__ import annotations

from typing import NamedTuple

from imagegate.caching import BoundedCache
from imagegate.core.admission.answer_reader import AnswerReader
from imagegate.core.admission.decision import Decision
from imagegate.core.admission.request import AdmissionRequest, GroupResource
from imagegate.core.admission.workload import ImageUse
from imagegate.core.image_policy.attributes import Attributes, Unresolved
from imagegate.core.image_policy.execution_rules import RuleResult
from imagegate.core.image_policy.request import Exclusions, PolicyRequest

VERDICTS_MAX = 4096
DECISIONS_MAX = 1024
IMAGES_MAX = 32
"""Images of an object whose decision is cached: bounds the memory."""
NAMESPACES_MAX = 4096

Key = tuple[tuple[tuple[GroupResource, ...], str, bool], bool, tuple[str, str, str]]
"""Resources, namespace and ``resolve_all``; ``rewriting``; kind, namespace and name of the image."""


class DecisionKey(NamedTuple):
    """Everything that a decision which allows a new object follows from, besides the snapshot."""

    resources: tuple[GroupResource, ...]
    namespace: str
    resolve_all: bool
    mutating: bool
    """The mutating pass, of an object that may be rewritten."""
    uses: tuple[ImageUse, ...]


class Verdict(NamedTuple):
    """The verdict on one image, the same for every place in the object."""

    attributes: Attributes
    error: Unresolved | None
    """The reason why it could not be resolved."""
    outcome: RuleResult | None
    """The result of the rules; None if ``error`` came before them."""
    bad_name: str
    """The reason why it is not an image reference, where that denies."""
    exact: str
    """The reference that a rewrite would write; empty if none."""
    second_look: bool = False
    """The result follows from what imagegate itself sees, with its own rights."""
    hint: str = ""
    """The nearest rule, in words, where the rules deny."""


class VerdictCache:
    """Verdicts under one snapshot. Bounded; without a lock: threads at worst compute the same verdict twice."""

    __slots__ = ("_without_exclusions", "decisions", "snapshot", "verdicts")

    def __init__(self, snapshot: object | None) -> None:
        self.snapshot = snapshot
        self.verdicts: BoundedCache[Key, Verdict] = BoundedCache(VERDICTS_MAX)
        self.decisions: BoundedCache[DecisionKey, Decision] = BoundedCache(DECISIONS_MAX)
        """Whole decisions that allow, so that the second pod of a workload costs reading its images."""
        self._without_exclusions: BoundedCache[str, Exclusions] = BoundedCache(NAMESPACES_MAX)

    def exclusions(self, request: AdmissionRequest, work: PolicyRequest, reader: AnswerReader) -> Exclusions:
        """The rules that the request's namespace switches off; cached where it certainly switches off none.

        Others are read anew, because ``Exclusions.used`` belongs to one request.
        """
        found = self._without_exclusions.get(request.namespace)
        if found is None:
            found = work.exclusions(reader)
            if found.are_none:
                self._without_exclusions.put(request.namespace, found)
        return found
