"""Decision records: user, object, decisive rules. Never whole objects, never secrets."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TypedDict

from imagegate.ports.audit import Audit
from imagegate.service.review.response import Outcome

_DIGEST = re.compile(r"[^@\"]*@([a-z0-9]+:[0-9a-f]+)")
LISTED_MAX = 20
"""Longest list in a record: a line stays short however many images an object has."""


class PluginRecord(TypedDict, total=False):
    """One plug-in's part of a record."""

    plugin: str
    verdict: str
    mode: str
    rules: list[str]
    codes: list[str]
    images: list[str]
    """Denied images as written."""
    softened: list[str]
    """Rules that matched in mode ``warn`` or ``audit``: ``RULE (MODE): IMAGE``."""


class AuditRecord(TypedDict, total=False):
    """One decision."""

    time: str
    """RFC 3339, UTC."""
    level: str
    logger: str
    message: str
    uid: str
    phase: str
    operation: str
    resource: str
    subResource: str
    namespace: str
    name: str
    user: str
    dryRun: bool
    allowed: bool
    decisions: list[PluginRecord]
    digests: list[str]
    """Digests that images were rewritten to."""
    policyVersion: str
    milliseconds: float


def audit_record(outcome: Outcome, now: datetime, seconds: float) -> AuditRecord:
    """The record of ``outcome``."""
    request = outcome.request
    allowed = outcome.allowed
    record: AuditRecord = {
        "time": now.isoformat(timespec="milliseconds"),
        "level": "info",
        "logger": "imagegate.decision",
        "message": "allowed" if allowed else "denied",
        "uid": request.uid,
        "phase": request.phase.value,
        "operation": request.operation,
        "resource": str(request.request_resource),
        "namespace": request.namespace,
        "name": request.name,
        "user": request.user.name,
        "dryRun": request.dry_run,
        "allowed": allowed,
        "decisions": _plugins(outcome),
        "policyVersion": outcome.policy_version[:12],
        "milliseconds": round(seconds * 1000, 3),
    }
    if request.sub_resource:
        record["subResource"] = request.sub_resource
    if outcome.patch:
        values = (op.value for op in outcome.patch)
        digests = [found[1] for value in values if isinstance(value, str) and (found := _DIGEST.fullmatch(value))]
        if digests:
            record["digests"] = _some(digests)
    return record


def _plugins(outcome: Outcome) -> list[PluginRecord]:
    found: list[PluginRecord] = []
    for verdict in outcome.verdicts:
        decision = verdict.decision
        part: PluginRecord = {"plugin": decision.plugin, "verdict": verdict.word, "mode": verdict.mode.value}
        if decision.rules:
            part["rules"] = _some(decision.rules)
        if decision.denials:
            part["codes"] = _some(denial.code.value for denial in decision.denials)
            part["images"] = _some(denial.image for denial in decision.denials if denial.image)
        if decision.softened:
            part["softened"] = _some(f"{each.rule} ({each.mode}): {each.denial.image}" for each in decision.softened)
        found.append(part)
    return found


def _some(texts: Iterable[str]) -> list[str]:
    """The first few distinct ones."""
    return list(dict.fromkeys(text[:512] for text in texts))[:LISTED_MAX]


class DecisionLog:
    """Appends one record per decision to each audit."""

    def __init__(self, clock: Callable[[], datetime], *audits: Audit) -> None:
        self._audits = audits
        self._clock = clock

    def decided(self, outcome: Outcome, seconds: float) -> None:
        """Append the record of ``outcome``."""
        record = audit_record(outcome, self._clock(), seconds)
        for audit in self._audits:
            audit.append(record)
