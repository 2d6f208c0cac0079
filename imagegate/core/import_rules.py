"""``allowedRegistriesForImport`` as rules, compiled for asking.

Rule: spec import-gate sections 1 and 2. Source: openshift-apiserver,
pkg/image/apis/image/validation/whitelist (``WhitelistRegistry``, ``IsWildcardMatch``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from imagegate.core.field_errors import aggregate
from imagegate.core.go_quote import go_quote
from imagegate.core.pattern_index import PatternIndex
from imagegate.errors import InvalidPolicy

SECURE_PORT = "443"
INSECURE_PORT = "80"
PORTS_OF_NO_PORT = frozenset({INSECURE_PORT, SECURE_PORT, "*"})
"""A reference whose port is not known is admitted by rules whose port text is literally one of these."""


class AllowedRegistry(NamedTuple):
    """One entry as configured."""

    domain_name: str
    insecure: bool = False


class ImportRule(NamedTuple):
    """One rule: a host pattern and a port pattern, with the place it was written at."""

    host: str
    port: str
    position: int
    """Position in the configured list; -1 for the integrated registry."""

    @property
    def label(self) -> str:
        """``HOST:PORT``, as messages list it."""
        return join_host_port(self.host, self.port)

    @property
    def name(self) -> str:
        """How denials, traces and metrics call the rule."""
        where = f"allowedRegistriesForImport[{self.position}]" if self.position >= 0 else "integrated registry"
        return f"{where} {self.label}"

    @classmethod
    def parse(cls, entry: AllowedRegistry, position: int) -> ImportRule:
        """Read ``HOST[:PORT]``; without a port it is 443, or 80 if ``insecure``.

        Raises:
            InvalidPolicy: more than one colon; the original's text.
        """
        parts = entry.domain_name.split(":", 2)
        if len(parts) == 1:
            return cls(parts[0], INSECURE_PORT if entry.insecure else SECURE_PORT, position)
        if len(parts) == 2:
            return cls(parts[0], parts[1], position)
        raise InvalidPolicy(f"failed to parse allowed registry {go_quote(entry.domain_name)}: too many colons")


def join_host_port(host: str, port: str) -> str:
    """Go's net.JoinHostPort: brackets around a host with a colon."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def parse_rules(entries: Sequence[AllowedRegistry]) -> tuple[ImportRule, ...]:
    """The rules in the order of the file; of equal host and port pairs only the last is kept.

    Raises:
        InvalidPolicy: every entry that cannot be read, the last one first, as the original lists them.
    """
    rules: list[ImportRule] = []
    errors: list[InvalidPolicy] = []
    for index, entry in enumerate(entries):
        try:
            rules.append(ImportRule.parse(entry, index))
        except InvalidPolicy as error:
            errors.append(error)
    if errors:
        raise InvalidPolicy(aggregate(reversed(errors)))
    last = {(rule.host, rule.port): rule for rule in rules}
    return tuple(rule for rule in rules if last[rule.host, rule.port] is rule)


class _Ports:
    """The rules of one host pattern, by port pattern."""

    __slots__ = ("_by_port", "without_port")

    def __init__(self, rules: Sequence[ImportRule]) -> None:
        rule_of = {rule.port: rule for rule in reversed(rules)}
        self._by_port: PatternIndex[ImportRule] = PatternIndex(rule_of.items())
        self.without_port = next((rule for rule in rules if rule.port in PORTS_OF_NO_PORT), None)

    def matching(self, port: str) -> Iterator[ImportRule]:
        if port:
            yield from self._by_port.matching(port)
        elif self.without_port is not None:
            yield self.without_port


class RuleIndex:
    """Rules, asked by host and port. What a question costs does not grow with the number of rules."""

    __slots__ = ("_by_host", "_fold", "rules")

    def __init__(self, rules: Iterable[ImportRule], *, fold_case: bool) -> None:
        self.rules = tuple(rules)
        self._fold = fold_case
        groups: dict[str, list[ImportRule]] = {}
        for rule in self.rules:
            groups.setdefault(self.folded(rule.host), []).append(rule)
        self._by_host: PatternIndex[_Ports] = PatternIndex((host, _Ports(group)) for host, group in groups.items())

    def folded(self, host: str) -> str:
        """The host as it is compared: ASCII letters in lower case, if case is folded."""
        if not self._fold:
            return host
        return host.lower() if host.isascii() else host.translate(_LOWER)

    def admitting(self, host: str, port: str) -> ImportRule | None:
        """A rule that accepts the host and the port; an empty port is one that is not known."""
        for ports in self._by_host.matching(self.folded(host)):
            for rule in ports.matching(port):
                return rule
        return None


_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
