"""The entry of the list that comes nearest to admitting a reference, and the parts that differ: for the words of a
refusal and for explanations, never for a decision.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from imagegate.core.admission.hint import nearest_rule_hint
from imagegate.core.import_gate.rules import INSECURE_PORT, PORTS_OF_NO_PORT, SECURE_PORT, ImportRule
from imagegate.core.kube.go_quote import go_quote
from imagegate.core.references.near_hosts import NearHosts, host_of
from imagegate.core.references.wildcard import Wildcard

TRIED_MAX = 64
"""Entries for one host that are tried."""


class Place(NamedTuple):
    """A reference as the list compares it."""

    hosts: tuple[str, ...]
    """Its host; before it, ``docker.io`` for Docker Hub's other names."""
    port: str
    """Empty: not known."""
    repository: str
    """``NAMESPACE/NAME``."""


class NearestEntry(NamedTuple):
    """An entry, and a clause for each part of a reference that it does not match."""

    rule: ImportRule
    unmet: tuple[str, ...]

    @property
    def hint(self) -> str:
        """As a refusal tells it."""
        return nearest_rule_hint(self.rule.name, self.unmet)


class NearestEntries:
    """Finds the nearest entry of a list. Built with the first refusal: threads may build it at the same time."""

    __slots__ = ("_by_host", "_folded", "_rules")

    def __init__(self, rules: Sequence[ImportRule], folded: Callable[[str], str]) -> None:
        self._rules = rules
        self._folded = folded
        self._by_host: NearHosts[list[ImportRule]] | None = None

    def nearest(self, place: Place) -> NearestEntry | None:
        """The entry that differs least, of those for the host that is most like the reference's; None without any."""
        if self._by_host is None:
            groups: dict[str, list[ImportRule]] = {}
            for rule in self._rules:
                group = groups.setdefault(host_of(rule.host), [])
                if len(group) < TRIED_MAX:
                    group.append(rule)
            self._by_host = NearHosts(groups.items())
        tried = self._by_host.nearest(place.hosts[0]) or ()
        found = [NearestEntry(rule, mismatches(rule, place, self._folded)) for rule in tried]
        return min((each for each in found if each.unmet), key=lambda each: len(each.unmet), default=None)


def mismatches(rule: ImportRule, place: Place, folded: Callable[[str], str]) -> tuple[str, ...]:
    """A clause for each part of a reference that an entry does not match: host, port, repository."""
    found = (_of_host(rule, place, folded), _of_port(rule, place), _of_repository(rule, place))
    return tuple(filter(None, found))


def _of_host(rule: ImportRule, place: Place, folded: Callable[[str], str]) -> str:
    pattern = Wildcard(folded(rule.host))
    if any(pattern.matches(folded(host)) for host in place.hosts):
        return ""
    if "/" in rule.host:
        return f"{go_quote(rule.host)} has a path or a scheme, only the registry's host is compared"
    return f"host {go_quote(place.hosts[-1])} does not match {go_quote(rule.host)}"


def _of_port(rule: ImportRule, place: Place) -> str:
    if not place.port:
        if rule.port in PORTS_OF_NO_PORT:
            return ""
        return f"without a port only rules for port 80, 443 or * count, and this one is for {go_quote(rule.port)}"
    if Wildcard(rule.port).matches(place.port):
        return ""
    insecure = " (that of imports marked insecure)" if (place.port, rule.port) == (SECURE_PORT, INSECURE_PORT) else ""
    return f"port {place.port} does not match {go_quote(rule.port)}{insecure}"


def _of_repository(rule: ImportRule, place: Place) -> str:
    if not rule.repository or Wildcard(rule.repository).matches(place.repository):
        return ""
    return f"repository {go_quote(place.repository)} does not match {go_quote(rule.repository)}"
