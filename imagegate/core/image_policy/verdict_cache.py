"""Verdicts on images, kept while nothing that was asked for them has changed.

A verdict follows from the policy, the image as written, the request's resource and namespace, and answers. While
the answers come from the same state of memory (``Answers.snapshot``), so does the verdict.
"""

from __future__ import annotations

from typing import NamedTuple

from imagegate.caching import BoundedCache
from imagegate.core.admission.answer_reader import AnswerReader
from imagegate.core.admission.request import AdmissionRequest, GroupResource
from imagegate.core.image_policy.execution_rules import RuleResult
from imagegate.core.image_policy.request import Exclusions, PolicyRequest
from imagegate.core.image_policy.resolution import Attributes, Unresolved

VERDICTS_MAX = 4096
NAMESPACES_MAX = 4096

Key = tuple[tuple[tuple[GroupResource, ...], str, bool], bool, tuple[str, str, str]]
"""Resources, namespace, whether all names resolve; whether it may be rewritten; kind, namespace, name of the image."""


class Verdict(NamedTuple):
    """What becomes of one image, whatever its place in the object."""

    attributes: Attributes
    error: Unresolved | None
    """Why it could not be resolved."""
    outcome: RuleResult | None
    """What the rules say; None if they were not asked because of ``error``."""
    bad_name: str
    """Why the text is no image reference, where that denies."""
    exact: str
    """What a rewrite would write; empty if nothing."""
    second_look: bool = False
    """The outcome is that of what imagegate itself sees, with its own rights."""


class VerdictCache:
    """What was concluded under one snapshot. Bounded; safe for threads, which at worst conclude the same twice."""

    __slots__ = ("_without_exclusions", "snapshot", "verdicts")

    def __init__(self, snapshot: object | None) -> None:
        self.snapshot = snapshot
        self.verdicts: BoundedCache[Key, Verdict] = BoundedCache(VERDICTS_MAX)
        self._without_exclusions: BoundedCache[str, Exclusions] = BoundedCache(NAMESPACES_MAX)

    def exclusions(self, request: AdmissionRequest, work: PolicyRequest, reader: AnswerReader) -> Exclusions:
        """The rules that the request's namespace switches off; remembered where it certainly switches off none."""
        found = self._without_exclusions.get(request.namespace)
        if found is None:
            found = work.exclusions(reader)
            if found.are_none:
                self._without_exclusions.put(request.namespace, found)
        return found
