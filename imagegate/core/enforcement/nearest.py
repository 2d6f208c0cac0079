"""The entry whose pattern comes nearest to an image, and the part that differs; the requirements that an image fails.

For the words of a denial and for explanations, never for a decision.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from imagegate.core.admission.decision import DenialCode
from imagegate.core.admission.hint import decided_hint, nearest_rule_hint, short
from imagegate.core.enforcement.evaluate import RequirementsResult
from imagegate.core.enforcement.patterns import compare
from imagegate.core.enforcement.policy import Entry, RequirementType
from imagegate.core.enforcement.requirement import Refused
from imagegate.core.references.near_hosts import NearHosts, host_of

TRIED_MAX = 64
"""Entries for one host that are tried, and entries with ``*`` in the host."""
SIGNATURES, TRUST, REPORTS = "signatures", "content trust", "vulnerability reports"
_SIMPLE = "simple"
_OF_KIND = {_SIMPLE: SIGNATURES, "trust": TRUST, "vulnerability": REPORTS}
"""Kind of a check -> what it requires."""


def required(entry: Entry) -> list[str]:
    """The requirements of an entry on images that it matches, in words."""
    wanted = ((SIGNATURES, entry.simple), (TRUST, entry.trust), (REPORTS, entry.vulnerability))
    return [word for word, policy in wanted if policy.enabled]


class NearestEntry(NamedTuple):
    """An entry, and the part of an image string that its name does not match."""

    entry: Entry
    unmet: str

    @property
    def hint(self) -> str:
        """As a denial tells it."""
        return nearest_rule_hint(self.entry.rule, (self.unmet,), required(self.entry))


class NearestEntries:
    """Finds the nearest of the entries in force in a namespace. Nothing is read of policies in force elsewhere."""

    __slots__ = ("_by_host", "_wild")

    def __init__(self, entries: Sequence[Entry]) -> None:
        groups: dict[str, list[Entry]] = {}
        self._wild: list[Entry] = []
        for entry in entries:
            host, slash, _ = entry.name.partition("/")
            group = groups.setdefault(host_of(host) if slash else "", [])
            if len(group) < TRIED_MAX:
                group.append(entry)
            if slash and "*" in host and len(self._wild) < TRIED_MAX:
                self._wild.append(entry)
        self._by_host = NearHosts(groups.items())

    def nearest(self, image: str) -> NearestEntry | None:
        """The entry with the image's host and the likest path, else the one with the likest host; None without any."""
        host, slash, path = image.partition("/")
        tried = [entry for entry in self._wild if slash and compare(entry.name.partition("/")[0], host)]
        tried = tried or self._by_host.nearest(host if slash else "") or []
        likest = max(tried, key=lambda entry: _shared(path, entry.name.partition("/")[2]), default=None)
        return NearestEntry(likest, mismatch(likest.name, image)) if likest is not None else None


def _shared(one: str, other: str) -> int:
    """The number of characters that both begin with."""
    pairs = zip(one, other, strict=False)
    return next((at for at, (left, right) in enumerate(pairs) if left != right), min(len(one), len(other)))


def mismatch(name: str, image: str) -> str:
    """The part of an image string that an entry's name does not match."""
    host_pattern, slash, path_pattern = name.partition("/")
    image, name = short(image), short(name)
    if not slash:
        return f"{image} is not {name}" if "*" not in name else f"{image} does not match {name}"
    host, slash, path = image.partition("/")
    if not slash:
        return f"{image} has no / and so no host part"
    if not compare(host_pattern, host):
        return f"host {host} does not match {short(host_pattern)}"
    return f"path {path} does not match {short(path_pattern)}"


def failed_hint(result: RequirementsResult, refused: Refused) -> str:
    """The entry that decides an image, and the requirement that refuses it."""
    if refused.code is DenialCode.CONFLICT:
        return decided_hint(result.entry.rule, "accepts one digest only: sign the digest that is used")
    failed = next((kind for kind, outcome in result.tried if outcome is refused and kind in _OF_KIND), "")
    if not failed:
        return ""
    requirements = result.entry.simple.requirements if failed == _SIMPLE else ()
    if any(each.type == RequirementType.REJECT for each in requirements):
        return decided_hint(result.entry.rule, "rejects every image that it matches")
    return decided_hint(result.entry.rule, f"requires {_OF_KIND[failed]}{_ADVICE.get(refused.code, '')}")


def no_policy_hint(namespace: str) -> str:
    """The advice where no policy is in force."""
    return f"create an ImagePolicy in namespace {short(namespace)}, or a ClusterImagePolicy, that covers the image"


_ADVICE = {
    DenialCode.LOOK_UP_FAILED: "; a look-up for it failed: try again",
    DenialCode.DEADLINE: "; looking it up took too long: try again",
    DenialCode.NO_PULL_SECRET: "; the registry wants credentials: name a Secret for its host in imagePullSecrets",
}
