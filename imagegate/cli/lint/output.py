"""The output formats of ``lint``: lines for people, JSON and YAML for programs, reports for CI systems."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from imagegate.cli.output import json_text, safe_line, yaml_text
from imagegate.cli.reports.annotation import Annotation, github_annotations, gitlab_report
from imagegate.cli.reports.junit import JunitCase, junit_report
from imagegate.cli.reports.rule_help import finding_help
from imagegate.cli.reports.sarif import sarif_report
from imagegate.core.words import counted
from imagegate.documents.lint.findings import Finding, Severity

_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
_NOUNS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "remark"}


def summary(findings: Sequence[Finding]) -> str:
    """The number of findings of each severity, in words."""
    if not findings:
        return "nothing found"
    counts = Counter(finding.severity for finding in findings)
    return ", ".join(counted(counts[severity], _NOUNS[severity]) for severity in Severity if counts[severity])


def _text(findings: Sequence[Finding]) -> str:
    return "".join(f"{safe_line(str(finding))}\n" for finding in findings)


def _plain(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    return [{**finding._asdict(), "severity": str(finding.severity)} for finding in findings]


def _json(findings: Sequence[Finding]) -> str:
    return json_text(_plain(findings))


def _yaml(findings: Sequence[Finding]) -> str:
    return yaml_text(_plain(findings))


def _annotations(findings: Sequence[Finding]) -> list[Annotation]:
    return [
        Annotation(
            finding.code,
            _LEVELS[finding.severity],
            f"{finding.path}: {finding.text}" if finding.path else finding.text,
            finding.file,
            finding.line,
        )
        for finding in findings
    ]


def _sarif(findings: Sequence[Finding]) -> str:
    codes = sorted({finding.code for finding in findings})
    return sarif_report("imagegate lint", _annotations(findings), rules=[(code, finding_help(code)) for code in codes])


def _github(findings: Sequence[Finding]) -> str:
    return github_annotations(_annotations(findings))


def _gitlab(findings: Sequence[Finding]) -> str:
    return gitlab_report(_annotations(findings))


def _junit(findings: Sequence[Finding]) -> str:
    """One test case a finding; errors are failures, the rest is output of a case that passed."""
    return junit_report("imagegate lint", [_junit_case(finding) for finding in findings])


def _junit_case(finding: Finding) -> JunitCase:
    case = JunitCase(finding.file, f"{finding.line} {finding.code}", line=finding.line)
    if finding.severity is Severity.ERROR:
        return case._replace(failure=(finding.code, str(finding)))
    return case._replace(output=[str(finding)])


FORMATS: Mapping[str, Callable[[Sequence[Finding]], str]] = {
    "text": _text,
    "json": _json,
    "yaml": _yaml,
    "junit": _junit,
    "sarif": _sarif,
    "github": _github,
    "gitlab": _gitlab,
}
"""Output format by name."""
