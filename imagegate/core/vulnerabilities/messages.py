"""Messages about images that scanners' reports deny, and the facts that ``explain`` shows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from imagegate.core.kube.go_quote import go_quote
from imagegate.core.kube.printable import printable
from imagegate.core.vulnerabilities.report import Finding
from imagegate.core.vulnerabilities.rules import ScanRules
from imagegate.core.vulnerabilities.verdict import Outcome, ScanVerdict, age_text

SHOWN = 5
"""Vulnerabilities, problems and reports named in one message."""
EXPLAINED = 50
"""Vulnerabilities in an explanation."""
_NAME, _PLACE = 120, 300


def denial_text(image: str, verdict: ScanVerdict, rules: ScanRules) -> str:
    """The message for vulnerabilities, or for a report about another image."""
    if verdict.outcome is Outcome.OTHER_IMAGE:
        return (
            f"Deny {go_quote(image)}, {_joined(verdict.problems)}: scan the image that is deployed, by its digest, and"
            " replace the report"
        )
    count = verdict.count
    counted = "1 vulnerability" if count == 1 else f"{count} vulnerabilities"
    worst = "; ".join(map(finding_text, verdict.findings[:SHOWN]))
    more = f"; and {count - SHOWN} more" if count > SHOWN else ""
    which = f"of severity {rules.severity.name} or above" + (" with a fix" if rules.fixable_only else "")
    reports = "; ".join(_report_text(*each, judged=verdict.judged) for each in verdict.reports[:SHOWN])
    if any(finding.fixed for finding in verdict.findings):
        advice = "rebuild the image with the fixed versions"
    else:
        advice = "no fix is known: use another package or image"
    return (
        f"Deny {go_quote(image)}, {counted} {which}: {worst}{more} (report: {reports}); {advice}, or accept them in"
        " scanner.allow"
    )


def unknown_text(image: str, problems: Sequence[str]) -> str:
    """The message for an image whose vulnerabilities are not known."""
    return (
        f"Deny {go_quote(image)}, its vulnerabilities are not known: {_joined(problems)}; scan the image, by its"
        " digest, and put the report where scanner.reports says"
    )


def finding_text(finding: Finding) -> str:
    """``CVE-2024-1 CRITICAL in openssl 3.0.11 (fixed in 3.0.14)``."""
    package = f" in {finding.package} {finding.installed}".rstrip() if finding.package else ""
    fix = f"fixed in {finding.fixed}" if finding.fixed else "fix not known" if finding.fix_unknown else "no fix"
    return printable(f"{finding.id} {finding.severity.name}{package}", _NAME) + f" ({printable(fix, _NAME)})"


def _report_text(tool: str, place: str, created: datetime | None, *, judged: datetime | None) -> str:
    age = "" if created is None or judged is None else f", {age_text(judged - created)} old"
    return f"{printable(tool, _NAME)} at {printable(place, _PLACE)}{age}"


def _joined(problems: Sequence[str]) -> str:
    more = f"; and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
    return "; ".join(printable(problem, _PLACE) for problem in problems[:SHOWN]) + more


def verdict_detail(verdict: ScanVerdict) -> tuple[tuple[str, str], ...]:
    """Facts for the trace: reports, findings that deny, findings that do not and why, problems."""
    suppressed = (f"{finding_text(each.finding)}: {printable(each.why, _PLACE)}" for each in verdict.suppressed)
    found = {
        "reports": [_report_text(*each, judged=verdict.judged) for each in verdict.reports],
        "vulnerabilities": [finding_text(each) for each in verdict.findings],
        "suppressed": list(suppressed),
        "unknown": [printable(each, _PLACE) for each in verdict.problems],
    }
    return (
        ("outcome", verdict.outcome.value),
        *((("issues", str(verdict.count)),) if verdict.count else ()),
        *((name, "; ".join(lines[:EXPLAINED])) for name, lines in found.items() if lines),
    )
