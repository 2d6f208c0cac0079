"""``allowedRegistriesForImport`` as rules, indexed by host and port.

Rule: docs/spec/import-gate.md 1 and 2. Source: openshift-apiserver,
pkg/image/apis/image/validation/whitelist (``WhitelistRegistry``, ``IsWildcardMatch``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from imagegate.core.kube.field_errors import aggregate
from imagegate.core.kube.go_quote import go_quote
from imagegate.core.references.wildcard_index import PatternIndex
from imagegate.errors import InvalidPolicy

SECURE_PORT = "443"
INSECURE_PORT = "80"
PORTS_OF_NO_PORT = frozenset({INSECURE_PORT, SECURE_PORT, "*"})
"""A reference whose port is not known is admitted by rules whose port is literally one of these."""


class AllowedRegistry(NamedTuple):
    """One entry as configured."""

    domain_name: str
    insecure: bool = False
    repository: str = ""
    """imagegate's own: a pattern for ``NAMESPACE/NAME``; empty: every repository of the registry."""


class ImportRule(NamedTuple):
    """One rule: a host pattern and a port pattern, with its position in the list."""

    host: str
    port: str
    position: int
    """Position in the configured list; -1 for the integrated registry."""
    repository: str = ""
    """Pattern for ``NAMESPACE/NAME``; empty: every repository."""

    @property
    def label(self) -> str:
        """``HOST:PORT[/REPOSITORY]``, as messages list it."""
        registry = join_host_port(self.host, self.port)
        return f"{registry}/{self.repository}" if self.repository else registry

    @property
    def name(self) -> str:
        """The rule's name in denials, traces and metrics."""
        where = f"allowedRegistriesForImport[{self.position}]" if self.position >= 0 else "integrated registry"
        return f"{where} {self.label}"

    @classmethod
    def parse(cls, entry: AllowedRegistry, position: int) -> ImportRule:
        """Read ``HOST[:PORT]``; without a port it is 443, or 80 if ``insecure``.

        Raises:
            InvalidPolicy: more than one colon; the original's message.
        """
        parts = entry.domain_name.split(":", 2)
        if len(parts) == 1:
            return cls(parts[0], INSECURE_PORT if entry.insecure else SECURE_PORT, position, entry.repository)
        if len(parts) == 2:
            return cls(parts[0], parts[1], position, entry.repository)
        raise InvalidPolicy(f"failed to parse allowed registry {go_quote(entry.domain_name)}: too many colons")


def join_host_port(host: str, port: str) -> str:
    """Go's net.JoinHostPort: brackets around a host with a colon."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def parse_rules(entries: Sequence[AllowedRegistry]) -> tuple[ImportRule, ...]:
    """The rules in the order of the file; of rules that differ only in position the last one counts.

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
    last = {rule.label: rule for rule in rules}
    return tuple(rule for rule in rules if last[rule.label] is rule)


class _Repositories:
    """The rules of one host and port pattern, by repository pattern."""

    __slots__ = ("_by_repository", "_whole")

    def __init__(self, rules: Sequence[ImportRule]) -> None:
        self._whole = next((rule for rule in rules if not rule.repository), None)
        patterns = [(rule.repository, rule) for rule in reversed(rules) if rule.repository]
        self._by_repository = PatternIndex(patterns) if patterns else None

    def admitting(self, repository: str) -> ImportRule | None:
        if self._whole is not None or self._by_repository is None:
            return self._whole
        return next(self._by_repository.matching(repository), None)


class _Ports:
    """The rules of one host pattern, by port pattern."""

    __slots__ = ("_by_port", "_without_port")

    def __init__(self, rules: Sequence[ImportRule]) -> None:
        groups: dict[str, list[ImportRule]] = {}
        for rule in rules:
            groups.setdefault(rule.port, []).append(rule)
        self._by_port: PatternIndex[_Repositories] = PatternIndex(
            (port, _Repositories(group)) for port, group in groups.items()
        )
        self._without_port = _Repositories([rule for rule in rules if rule.port in PORTS_OF_NO_PORT])

    def matching(self, port: str) -> Iterator[_Repositories]:
        return self._by_port.matching(port) if port else iter((self._without_port,))


class RuleIndex:
    """Rules by host and port. The cost of a look-up does not grow with the number of rules."""

    __slots__ = ("_by_host", "_fold", "names_repositories", "rules")

    def __init__(self, rules: Iterable[ImportRule], *, fold_case: bool) -> None:
        self.rules = tuple(rules)
        self.names_repositories = any(rule.repository for rule in self.rules)
        """True if a rule is for some repositories only; otherwise repositories need not be computed."""
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

    def admitting(self, host: str, port: str, repository: str = "") -> ImportRule | None:
        """A rule that accepts the host, the port and the repository; an empty port is one that is not known."""
        for ports in self._by_host.matching(self.folded(host)):
            for repositories in ports.matching(port):
                rule = repositories.admitting(repository)
                if rule is not None:
                    return rule
        return None


_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
