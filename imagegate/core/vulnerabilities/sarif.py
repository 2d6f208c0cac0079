"""SARIF 2.1.0 as Trivy and Grype write it for images.

The format has no place for an image, a package or a fix: Trivy names the image in the run's properties, Grype nowhere,
and both write packages and versions as lines of text. Source: OASIS SARIF 2.1.0; aquasecurity/trivy,
pkg/report/sarif.go; anchore/grype, grype/presenter/sarif.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from imagegate.core.vulnerabilities.report import (
    FINDINGS_MAX,
    Finding,
    Report,
    Severity,
    child,
    digests_in,
    objects,
    text,
    texts,
    time,
)
from imagegate.errors import Malformed, TooLarge

_OTHER_KINDS = frozenset({"misconfiguration", "secret", "license"})
_LEVELS = {"error": Severity.HIGH, "warning": Severity.MEDIUM, "note": Severity.LOW}
_LINE = re.compile(r"^(Package|Installed Version|Version|Fixed Version|Fix Version|Severity): *(.*)$", re.MULTILINE)
_ID = re.compile(r"^Vulnerability (\S+)$", re.MULTILINE)


def is_sarif(document: Mapping[str, Any]) -> bool:
    """True if the document has the members of a SARIF log."""
    return "runs" in document and "version" in document


def read_sarif(document: Mapping[str, Any]) -> Report:
    """Read the log; all its runs are one report. Raises ``Malformed``, ``TooLarge``."""
    if text(document, "version") != "2.1.0":
        raise Malformed("it is not SARIF 2.1.0")
    runs = objects(document, "runs")
    if not runs:
        raise Malformed("it has no runs")
    findings = tuple(_findings(runs))
    properties = [child(run, "properties") for run in runs]
    return Report(
        tool=text(child(child(runs[0], "tool"), "driver"), "name") or "SARIF",
        format="sarif",
        created=min(filter(None, map(_ended, runs)), default=None),
        digests=frozenset(digest for each in properties for digest in digests_in(texts(each, "repoDigests"))),
        image_ids=frozenset(digest for each in properties for digest in digests_in((text(each, "imageID"),))),
        findings=findings,
        unproven="" if findings else "SARIF does not say which packages were scanned",
        failed="the scanner reports that it failed" if any(map(_has_failed, runs)) else "",
    )


def _ended(run: Mapping[str, Any]) -> datetime | None:
    times = (time(each, key) for each in objects(run, "invocations") for key in ("startTimeUtc", "endTimeUtc"))
    return min(filter(None, times), default=None)


def _has_failed(run: Mapping[str, Any]) -> bool:
    return any(each.get("executionSuccessful") is False for each in objects(run, "invocations"))


def _findings(runs: list[Mapping[str, Any]]) -> Iterator[Finding]:
    count = 0
    for run in runs:
        if run.get("results") is None:
            raise Malformed("a run has no results: nothing was scanned")
        rules = {text(rule, "id"): rule for rule in objects(child(child(run, "tool"), "driver"), "rules")}
        for result in objects(run, "results"):
            count += 1
            if count > FINDINGS_MAX:
                raise TooLarge(f"it has more than {FINDINGS_MAX} results")
            rule = rules.get(text(result, "ruleId"), {})
            tags = {tag.lower() for tag in texts(child(rule, "properties"), "tags")}
            if not tags & _OTHER_KINDS and not _is_suppressed(result):
                yield _finding(result, rule, tags)


def _is_suppressed(result: Mapping[str, Any]) -> bool:
    """True if every suppression is accepted, which is also the meaning of one without a status (SARIF 3.35.3)."""
    states = [text(each, "status") or "accepted" for each in objects(result, "suppressions")]
    return (bool(states) and set(states) == {"accepted"}) or text(result, "baselineState") == "absent"


def _finding(result: Mapping[str, Any], rule: Mapping[str, Any], tags: set[str]) -> Finding:
    rule_id = text(result, "ruleId") or text(child(result, "rule"), "id")
    if not rule_id:
        raise Malformed("a result has no ruleId")
    written = f"{text(child(rule, 'help'), 'text')}\n{text(child(result, 'message'), 'text')}"
    lines = {name: value.strip() for name, value in _LINE.findall(written)}
    identifier = _ID.search(written)
    fixed = lines.get("Fixed Version", lines.get("Fix Version"))
    return Finding(
        identifier[1] if identifier else rule_id,
        _severity(result, rule, lines.get("Severity", ""), tags),
        lines.get("Package", ""),
        lines.get("Installed Version", lines.get("Version", "")),
        fixed or "",
        fix_unknown=fixed is None,
    )


def _severity(result: Mapping[str, Any], rule: Mapping[str, Any], named: str, tags: set[str]) -> Severity:
    """The highest that is named; else that of the score; else that of the level."""
    highest = max(Severity.of(named), *(Severity.of(tag) for tag in tags), Severity.UNKNOWN)
    if highest:
        return highest
    try:
        by_score = Severity.of_score(float(text(child(rule, "properties"), "security-severity") or 0))
    except ValueError:
        by_score = Severity.UNKNOWN
    level = text(result, "level") or text(child(rule, "defaultConfiguration"), "level")
    return by_score or _LEVELS.get(level, Severity.UNKNOWN)
