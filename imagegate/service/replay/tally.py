"""The sum of a replay, in bounded memory however many requests there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from imagegate.core.admission.request import AdmissionRequest
from imagegate.service.replay.comparison import Change, Difference
from imagegate.service.replay.recorded import Judged, Reason

GROUPS_MAX = 20_000
"""Groups that are listed; requests of further ones are only counted."""
REASONS_MAX = 20
"""Reasons of one request that are counted."""
TROUBLES_MAX = 1000
"""Broken lines that are named; further ones are only counted."""
_WORDS_MAX = 100
_TEXT_MAX = 512


class Group(NamedTuple):
    """Requests with the same change, for the same reason."""

    change: Change
    plugin: str
    rule: str
    code: str
    image: str
    namespace: str

    @property
    def label(self) -> str:
        """Plug-in, rule and code, as far as they are known."""
        code = f"[{self.code}]" if self.code else ""
        return " ".join(filter(None, (self.plugin, self.rule, code)))


class Example(NamedTuple):
    """The first request of a group."""

    place: str
    """``FILE:LINE``."""
    kind: str
    name: str
    user: str
    because: str


@dataclass(slots=True)
class Tally:
    """Counts of a part of a replay; parts are added up in the order of the input."""

    replayed: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)
    changes: Counter[Change] = field(default_factory=Counter)
    groups: dict[Group, tuple[int, Example]] = field(default_factory=dict)
    beyond: Counter[Change] = field(default_factory=Counter)
    """Reasons in groups that are not listed."""
    not_replayable: Counter[str] = field(default_factory=Counter)
    no_change: Counter[str] = field(default_factory=Counter)
    broken: int = 0
    troubles: list[str] = field(default_factory=list)
    """Broken records: ``FILE:LINE: why``."""

    def add(self, place: str, request: AdmissionRequest, now: Judged, difference: Difference) -> None:
        """Count one request."""
        self.replayed += 1
        self.verdicts[now.word.value] += 1
        self.changes[difference.change] += 1
        if difference.change is Change.SAME:
            return
        seen = set()
        for reason in difference.reasons[:REASONS_MAX] or (Reason(),):
            texts = (reason.plugin, reason.rule, reason.code, reason.image, request.namespace)
            group = Group(difference.change, *(text[:_TEXT_MAX] for text in texts))
            if group not in seen:
                seen.add(group)
                example = (place, str(request.kind), request.name, request.user.name, reason.because)
                self._count(group, 1, Example(*(text[:_TEXT_MAX] for text in example)))

    def add_broken(self, place: str, why: str) -> None:
        """Count a record that cannot be read."""
        self.broken += 1
        if len(self.troubles) < TROUBLES_MAX:
            self.troubles.append(f"{place}: {why}")

    def add_not_replayable(self, why: str) -> None:
        """Count a record that does not hold what a decision needs."""
        self.not_replayable[_bounded(self.not_replayable, why)] += 1

    def add_no_change(self, why: str) -> None:
        """Count a record that is about no change."""
        self.no_change[_bounded(self.no_change, why)] += 1

    def merge(self, later: Tally) -> None:
        """Add the counts of a later part of the input."""
        self.replayed += later.replayed
        self.verdicts += later.verdicts
        self.changes += later.changes
        self.beyond += later.beyond
        for group, (count, example) in later.groups.items():
            self._count(group, count, example)
        for mine, others in (
            (self.not_replayable, later.not_replayable),
            (self.no_change, later.no_change),
        ):
            for why, count in others.items():
                mine[_bounded(mine, why)] += count
        self.broken += later.broken
        self.troubles += later.troubles[: TROUBLES_MAX - len(self.troubles)]

    def listed(self, change: Change) -> list[tuple[Group, int, Example]]:
        """The groups of a change, those with most requests first."""
        found = [(group, count, example) for group, (count, example) in self.groups.items() if group.change is change]
        return sorted(found, key=lambda each: (-each[1], each[0]))

    def _count(self, group: Group, count: int, example: Example) -> None:
        known = self.groups.get(group)
        if known is not None:
            self.groups[group] = known[0] + count, known[1]
        elif len(self.groups) < GROUPS_MAX:
            self.groups[group] = count, example
        else:
            self.beyond[group.change] += count


def sums(listed: Iterable[tuple[Group, int, Example]], part: Callable[[Group], str]) -> dict[str, int]:
    """Requests by one part of their group, the largest number first; one with two reasons counts for both."""
    found: Counter[str] = Counter()
    for group, count, _ in listed:
        found[part(group)] += count
    return dict(found.most_common())


def _bounded(known: Counter[str], why: str) -> str:
    """``why``, unless too many different ones are counted already."""
    return why if why in known or len(known) < _WORDS_MAX else "other reasons"
