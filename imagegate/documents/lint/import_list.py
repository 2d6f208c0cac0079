"""Lint of ``allowedRegistriesForImport`` (docs/spec/import-gate.md 1 and 10)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from imagegate.core.import_gate.rules import AllowedRegistry, ImportRule
from imagegate.core.kube.go_quote import go_quote
from imagegate.core.profile import Profile
from imagegate.core.references.wildcard import Wildcard
from imagegate.documents.lint.findings import Finding, Severity
from imagegate.documents.master_config import MasterConfig

LIST = "imagePolicyConfig.allowedRegistriesForImport"
_MARK_AT_DOT = re.compile(r"\?\.|\.\?")
_HUB_ALIASES = frozenset({"index.docker.io", "registry-1.docker.io"})
_COMPARED_MAX = 500

Found = tuple[Severity, str, str]


def lint_imports(config: MasterConfig, profile: Profile) -> Iterator[Finding]:
    """Findings about the list of allowed registries; none if there is no list."""
    entries = config.import_policy.allowed_registries_for_import
    if entries is None:
        return
    if not entries:
        yield _empty_list(config, profile)
    lines = config.import_policy.allowed_registry_lines
    for index, (entry, line) in enumerate(zip(entries, lines, strict=True)):
        for severity, code, text in _of_entry(entry, profile):
            yield Finding(severity, config.file, line, f"{LIST}[{index}].domainName", text, code)
    yield from _of_pairs(config, entries, lines)
    yield from _of_insecure_rules(config, entries, lines)


def _empty_list(config: MasterConfig, profile: Profile) -> Finding:
    meaning = (
        "everything may be imported" if profile is Profile.OPENSHIFT_4 else "only the integrated registry is allowed"
    )
    text = f"an empty list means that {meaning}; profiles differ in this, so say what is meant"
    return Finding(Severity.WARNING, config.file, 1, LIST, text, "empty-import-list")


def _of_entry(entry: AllowedRegistry, profile: Profile) -> Iterator[Found]:
    domain = entry.domain_name
    quoted = go_quote(domain)
    if "/" in domain:
        text = f"{quoted} has a path or a scheme; only the registry's host and port are compared, so it matches nothing"
        yield Severity.WARNING, "import-path", text
    if domain != "".join(domain.split()):
        yield Severity.WARNING, "import-blank", f"{quoted} has a blank in it and matches nothing"
    if _MARK_AT_DOT.search(domain):
        text = f'{quoted}: "?" matches exactly one character; "*" matches any number (the manual swaps the two)'
        yield Severity.WARNING, "import-question-mark", text
    if ":" in domain and entry.insecure:
        yield Severity.INFO, "import-insecure-unused", f'{quoted} names a port, so "insecure" has no effect'
    host = domain.partition(":")[0]
    if host.lower() in _HUB_ALIASES:
        text = f"{quoted} does not cover docker.io and unqualified names; docker.io covers all names of Docker Hub"
        yield Severity.WARNING, "import-hub-alias", text
    if host != host.lower() and profile is Profile.OPENSHIFT_4:
        yield Severity.WARNING, "import-upper-case", f"{quoted}: hosts are compared case by case in openshift-4"


def _of_pairs(config: MasterConfig, entries: Sequence[AllowedRegistry], lines: Sequence[int]) -> Iterator[Finding]:
    """Rules that allow the same as another, or less."""
    rules = [ImportRule.parse(entry, index) for index, entry in enumerate(entries)]
    last = {rule.label: rule.position for rule in rules}
    wide = [rule for rule in rules if "*" in rule.host or "?" in rule.host][:_COMPARED_MAX]
    covers = [(rule, _covering(rule)) for rule in wide]
    for rule in rules:
        place, line = f"{LIST}[{rule.position}].domainName", lines[rule.position]
        same = last[rule.label]
        if same != rule.position:
            text = f"{rule.label} is repeated as {LIST}[{same}] ({config.file}:{lines[same]}); only the last counts"
            yield Finding(Severity.WARNING, config.file, line, place, text, "import-duplicate")
            continue
        wider = next((other for other, covered in covers if other.label != rule.label and covered(rule)), None)
        if wider is not None:
            where = f"{LIST}[{wider.position}] {wider.label} ({config.file}:{lines[wider.position]})"
            text = f"{rule.label} is covered by {where}"
            yield Finding(Severity.INFO, config.file, line, place, text, "import-shadowed")


def _covering(rule: ImportRule) -> Callable[[ImportRule], bool]:
    """True if another rule is covered; a pattern covers a pattern that it matches as a string."""
    host, port, repository = Wildcard(rule.host), Wildcard(rule.port), Wildcard(rule.repository or "*")

    def covers(other: ImportRule) -> bool:
        if "?" in rule.host + rule.port + rule.repository and "*" in other.host + other.port + other.repository:
            return False
        if rule.repository and not other.repository:
            return False
        return host.matches(other.host) and port.matches(other.port) and repository.matches(other.repository)

    return covers


def _of_insecure_rules(
    config: MasterConfig, entries: Sequence[AllowedRegistry], lines: Sequence[int]
) -> Iterator[Finding]:
    """A secure rule for a registry that the policy elsewhere names with port 80: imports of that name are refused."""
    policy = config.image_policy
    named = [config.import_policy.internal_registry_hostname]
    if policy is not None:
        named += [registry for rule in policy.execution_rules for registry in rule.match_registries]
    on_port_80 = {name.removesuffix(":80").lower() for name in named if name.endswith(":80")}
    allowed = {entry.domain_name.lower() for entry in entries if ":" in entry.domain_name or entry.insecure}
    for index, (entry, line) in enumerate(zip(entries, lines, strict=True)):
        host = entry.domain_name.lower()
        if host in on_port_80 and not entry.insecure and not {host, f"{host}:80"} & allowed:
            text = f"allows port 443 only, while the policy also names {host}:80; list it again with insecure: true"
            yield Finding(Severity.WARNING, config.file, line, f"{LIST}[{index}]", text, "import-secure-only")
