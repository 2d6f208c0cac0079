"""Findings of lint in the forms that people and CI systems read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from xml.etree import ElementTree as ET

from imagegate import __version__
from imagegate.cli.output import file_uri, json_text, safe_line, xml_text, yaml_text
from imagegate.documents.lint.findings import Finding, Severity

_SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_SARIF_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}


def summary(findings: Sequence[Finding]) -> str:
    """How many of each severity."""
    if not findings:
        return "nothing found"
    counts = Counter(finding.severity for finding in findings)
    return ", ".join(f"{counts[severity]} {severity}" for severity in Severity if counts[severity])


def _text(findings: Sequence[Finding]) -> str:
    return "".join(f"{safe_line(str(finding))}\n" for finding in findings)


def _plain(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    return [{**finding._asdict(), "severity": str(finding.severity)} for finding in findings]


def _json(findings: Sequence[Finding]) -> str:
    return json_text(_plain(findings))


def _yaml(findings: Sequence[Finding]) -> str:
    return yaml_text(_plain(findings))


def _sarif(findings: Sequence[Finding]) -> str:
    results = [
        {
            "ruleId": finding.code,
            "level": _SARIF_LEVELS[finding.severity],
            "message": {"text": safe_line(f"{finding.path}: {finding.text}" if finding.path else finding.text)},
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": file_uri(finding.file)},
                        "region": {"startLine": finding.line},
                    }
                }
            ],
        }
        for finding in findings
    ]
    rules = [{"id": code} for code in sorted({finding.code for finding in findings})]
    driver = {"name": "imagegate lint", "version": __version__, "rules": rules}
    run = {"tool": {"driver": driver}, "results": results}
    return json_text({"$schema": _SARIF_SCHEMA, "version": "2.1.0", "runs": [run]})


def _junit(findings: Sequence[Finding]) -> str:
    """One test case a finding; errors are failures, the rest is output of a case that passed."""
    counts = {"tests": str(len(findings)), "failures": str(sum(f.severity is Severity.ERROR for f in findings))}
    suites = ET.Element("testsuites", counts)
    suite = ET.SubElement(suites, "testsuite", {"name": "imagegate lint", **counts})
    for finding in findings:
        place = {
            "classname": xml_text(finding.file),
            "name": f"{finding.line} {finding.code}",
            "line": str(finding.line),
        }
        case = ET.SubElement(suite, "testcase", place)
        text = xml_text(str(finding))
        if finding.severity is Severity.ERROR:
            ET.SubElement(case, "failure", {"type": finding.code, "message": text})
        else:
            ET.SubElement(case, "system-out").text = text
    ET.indent(suites)
    return ET.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


FORMATS: Mapping[str, Callable[[Sequence[Finding]], str]] = {
    "text": _text,
    "json": _json,
    "yaml": _yaml,
    "junit": _junit,
    "sarif": _sarif,
}
"""Name of a form -> how it is written."""
