"""Probable mistakes in a configuration that loads.

The same function serves ``imagegate lint`` and the warnings at start. Nothing is fetched, and no finding changes
what a configuration means.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from imagegate.core.profile import Profile
from imagegate.documents.lint.execution_rules import lint_rules
from imagegate.documents.lint.findings import Finding, Severity
from imagegate.documents.lint.import_list import lint_imports
from imagegate.documents.master_config import MasterConfig
from imagegate.documents.yaml.fields import Remark
from imagegate.errors import ConfigError

_PLACE = r"(?P<file>{}|.*?):(?P<line>[0-9]+): (?:(?P<path>[A-Za-z][\w./-]*(?:\[[^\]]*\][\w.]*)*): )?(?P<text>.*)"


def lint(config: MasterConfig, profile: Profile, *, has_integrated_registry: bool = False) -> list[Finding]:
    """The doubtful places in ``config``, in the order of files and lines.

    Args:
        config: what was read.
        profile: whose behaviour is followed.
        has_integrated_registry: the settings name one, so ``config`` need not.
    """
    findings = [
        *findings_of_remarks(config.warnings),
        *lint_rules(config, profile, has_integrated_registry=has_integrated_registry),
        *lint_imports(config, profile),
    ]
    return sorted(findings, key=lambda finding: (finding.file != config.file, finding.file, finding.line))


def findings_of_remarks(remarks: Iterable[Remark]) -> list[Finding]:
    """The remarks of a reader, as findings."""
    return [
        Finding(Severity.ERROR if note.denies else Severity.WARNING, note.file, note.line, note.path, note.text, "load")
        for note in remarks
    ]


def findings_of_error(error: ConfigError, file: str) -> list[Finding]:
    """A configuration that does not load, as findings: one for each line of the error's text."""
    findings = []
    place = re.compile(_PLACE.format(re.escape(file)), re.DOTALL)  # names of files may hold ": " and line ends
    for text in error.lines:
        found = place.fullmatch(text)
        if found is None:
            findings.append(Finding(Severity.ERROR, file, 1, "", text, "invalid"))
        else:
            line, path = int(found["line"]), found["path"] or ""
            findings.append(Finding(Severity.ERROR, found["file"], line, path, found["text"], "invalid"))
    return findings
