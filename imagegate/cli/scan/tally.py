"""Results of a scan, grouped: one group for each image and reason, however many objects have it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from imagegate.cli.check.run import ALLOWED, DENIED, NOT_COVERED, REWRITTEN, UNKNOWN, Problem, Result
from imagegate.cli.scan.images import ImageRows

GROUPS_MAX = 10_000
"""Groups that are kept; objects of further ones are counted."""
NAMESPACES_MAX = 1_000
"""Namespaces of a group that are counted by name."""
REPORTED_MAX = 1_000
"""Results of one namespace's PolicyReport: the whole object must fit into etcd."""


class Key(NamedTuple):
    """The fields that all objects of a group share."""

    verdict: str
    """``denied``, ``unknown``, or the mode that admits it: ``warn``, ``audit``."""
    image: str
    plugin: str
    rule: str
    code: str


@dataclass(slots=True)
class Group:
    """Objects with one image that is denied for one reason."""

    key: Key
    because: str
    """Of the first object."""
    first: Result
    at: str
    """Place of the image in the first object."""
    objects: int = 0
    namespaces: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class Tally:
    """Everything that a scan found.

    Args:
        keeps_results: keep results for PolicyReports, at most ``REPORTED_MAX`` of a namespace.
        images: gets the images of all objects; None: they are not listed.
    """

    keeps_results: bool = False
    images: ImageRows | None = None
    verdicts: Counter[str] = field(default_factory=Counter)
    groups: dict[Key, Group] = field(default_factory=dict)
    left_out: int = 0
    """Problems in groups beyond ``GROUPS_MAX``."""
    results: dict[str, list[Result]] = field(default_factory=dict)
    """By namespace: what is denied first, so far as it is kept."""
    not_kept: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def objects(self) -> int:
        """Objects that were judged, or that no policy covers."""
        return self.verdicts.total()

    @property
    def exit_code(self) -> int:
        """0 nothing denied, 1 something, 2 something could not be read, or nothing was, 3 only for lack of evidence."""
        if self.errors or not self.objects:
            return 2
        return 1 if self.verdicts[DENIED] else 3 if self.verdicts[UNKNOWN] else 0

    def add(self, result: Result) -> None:
        """Count the result for one object."""
        self.verdicts[result.verdict] += 1
        if self.images is not None:
            self.images.add(result)
            result = result._replace(steps=(), explained=())
        seen: set[Key] = set()
        for problem in result.problems:
            key = _key(result, problem)
            if key not in seen:
                seen.add(key)
                self._add(key, result, problem)
        if self.keeps_results and result.verdict != NOT_COVERED:
            self._keep(result)

    def _add(self, key: Key, result: Result, problem: Problem) -> None:
        group = self.groups.get(key)
        if group is None:
            if len(self.groups) >= GROUPS_MAX:
                self.left_out += 1
                return
            group = self.groups[key] = Group(key, problem.text, result, problem.at)
        group.objects += 1
        if result.namespace in group.namespaces or len(group.namespaces) < NAMESPACES_MAX:
            group.namespaces[result.namespace] += 1

    def _keep(self, result: Result) -> None:
        kept = self.results.setdefault(result.namespace, [])
        if len(kept) < REPORTED_MAX:
            kept.append(result)
            return
        self.not_kept[result.namespace] += 1
        if result.problems:  # what is denied is kept before what is allowed
            place = next((at for at, each in enumerate(kept) if each.verdict in (ALLOWED, REWRITTEN)), None)
            if place is not None:
                kept[place] = result

    def sorted_groups(self) -> Iterator[Group]:
        """Denied first, then by the number of objects."""
        order = {DENIED: 0, UNKNOWN: 1, "warn": 2, "audit": 3}
        yield from sorted(self.groups.values(), key=lambda each: (order[each.key.verdict], -each.objects, each.key))


def _key(result: Result, problem: Problem) -> Key:
    verdict = problem.mode if problem.mode in ("warn", "audit") else result.verdict
    return Key(verdict, problem.image, problem.plugin, problem.rule, problem.code)
