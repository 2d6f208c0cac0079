"""Execution rules from the import list: the list itself does not keep pods from pulling elsewhere.

The two speak of different things, and where a rule cannot be said exactly the narrower form is chosen and remarked:
the import list knows host and port apart and whether a transport is insecure; an execution rule compares the registry
part of a pod's image as it is written.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from imagegate.core.import_gate.rules import (
    INSECURE_PORT,
    SECURE_PORT,
    AllowedRegistry,
    ImportRule,
    parse_rules,
)
from imagegate.core.kube.go_quote import go_quote
from imagegate.core.references.wildcard import Wildcard

DOCKER_HUB = "docker.io"
DOCKER_HUB_NAMES = ("", "docker.io", "index.docker.io", "registry-1.docker.io")
"""Registries that a pod may write for Docker Hub; the empty string is an unqualified name."""
_RESOURCES = ({"group": "", "resource": "pods"}, {"group": "build.openshift.io", "resource": "builds"})
_TAIL = re.compile(r"[0-9?*]*\Z")


@dataclass(frozen=True, slots=True)
class ConvertedRules:
    """The rules made from the list, and remarks."""

    execution_rules: tuple[dict[str, Any], ...]
    """``executionRules`` of an ImagePolicyConfig; empty if everything may be imported."""
    remarks: tuple[str, ...]
    """Rules that cannot be expressed, or mean something else, a sentence each."""


def imports_to_rules(
    entries: Sequence[AllowedRegistry] | None, *, integrated_registry: str = "", patterns: bool = True
) -> ConvertedRules:
    """Accept rules that let pods and builds use the registries of the import list, and nothing else.

    Args:
        entries: ``allowedRegistriesForImport``; None: no list.
        integrated_registry: as for the gate; its images are always allowed.
        patterns: use ``matchRegistryPatterns``, which is imagegate's own; else rules with wildcards are left out.

    Raises:
        InvalidPolicy: an entry has more than one colon.
    """
    if entries is None:
        return ConvertedRules((), ("no allowedRegistriesForImport: everything may be imported, so there is no rule",))
    work = _Work(patterns)
    for rule in parse_rules(entries):
        work.add(rule)
    if work.everything:
        text = f"{work.everything.name} admits every registry, so there is no rule that could reject anything"
        return ConvertedRules((), (*work.remarks, text))
    return ConvertedRules(tuple(_rules(work, integrated_registry)), tuple(work.remarks))


class _Work:
    """Collects exact registries, patterns and remarks."""

    def __init__(self, patterns: bool) -> None:
        self._use_patterns = patterns
        self.registries: dict[str, None] = {}
        self.patterns: dict[str, None] = {}
        self.remarks: list[str] = []
        self.everything: ImportRule | None = None

    def add(self, rule: ImportRule) -> None:
        """Translate one rule."""
        if rule.host == "*" and rule.port == "*" and not rule.repository:
            self.everything = rule
        elif rule.repository:
            self.remarks.append(f"{rule.name}: execution rules compare registries, not repositories; left out")
        elif "/" in rule.host:
            self.remarks.append(f"{rule.name}: a path or scheme never matches a registry; left out")
        elif Wildcard(rule.host).is_literal and Wildcard(rule.port).is_literal:
            self._add_exact(rule)
        elif self._use_patterns:
            self._add_patterns(rule)
        else:
            self.remarks.append(f"{rule.name}: matchRegistries knows no wildcards; left out")

    def _add_exact(self, rule: ImportRule) -> None:
        if rule.host == DOCKER_HUB and rule.port == SECURE_PORT:
            self.registries.update(dict.fromkeys(DOCKER_HUB_NAMES))
        if _covers_no_port(rule):
            self.registries[rule.host] = None
            self._remark_insecure(rule)
        self.registries[f"{rule.host}:{rule.port}"] = None

    def _add_patterns(self, rule: ImportRule) -> None:
        if _covers_no_port(rule):
            if _crosses_colon(rule.host):
                self.remarks.append(
                    f"{rule.name}: a pattern for {go_quote(rule.host)} without a port would admit every port as well; "
                    f"only references that name the port are admitted"
                )
            else:
                self.patterns[rule.host] = None
                self._remark_insecure(rule)
        self.patterns[f"{rule.host}:{rule.port}"] = None
        if Wildcard(rule.host).matches(DOCKER_HUB) and Wildcard(rule.port).matches(SECURE_PORT):
            self.registries.update(dict.fromkeys(DOCKER_HUB_NAMES))

    def _remark_insecure(self, rule: ImportRule) -> None:
        if rule.port == INSECURE_PORT:
            self.remarks.append(
                f"{rule.name}: a pod cannot say that it pulls insecurely; {go_quote(rule.host)} without a port is "
                f"admitted, and how it is pulled is up to the node"
            )


def _covers_no_port(rule: ImportRule) -> bool:
    """True if the rule includes references without a port."""
    return Wildcard(rule.port).matches(SECURE_PORT) or rule.port == INSECURE_PORT


def _crosses_colon(host: str) -> bool:
    """True if the host pattern, compared with a whole registry, could match a colon and a port."""
    found = _TAIL.search(host)
    return found is not None and ("*" in found[0] or "?" in found[0])


def _rules(work: _Work, integrated_registry: str) -> list[dict[str, Any]]:
    rules: list[dict[str, Any]] = []
    if integrated_registry:
        rules.append(_rule("allow-integrated-registry", {"matchIntegratedRegistry": True}))
    if work.registries:
        rules.append(_rule("allow-import-registries", {"matchRegistries": list(work.registries)}))
    if work.patterns:
        rules.append(_rule("allow-import-registry-patterns", {"matchRegistryPatterns": list(work.patterns)}))
    if not rules:
        rules.append({**_rule("allow-no-registry", {}), "reject": True})
        work.remarks.append("nothing may be imported: the rule rejects every image")
    return rules


def _rule(name: str, condition: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "onResources": [dict(resource) for resource in _RESOURCES], **condition}
