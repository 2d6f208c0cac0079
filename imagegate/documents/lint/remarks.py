"""Findings about what the reader of a document says."""

from __future__ import annotations

import re
from collections.abc import Iterable

from imagegate.documents.lint.findings import Finding, Severity
from imagegate.documents.yaml.fields import Remark
from imagegate.errors import ConfigError

_PLACE = r"(?P<file>{}|.*?):(?P<line>[0-9]+): (?:(?P<path>[A-Za-z][\w./-]*(?:\[[^\]]*\][\w.]*)*): )?(?P<text>.*)"


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
