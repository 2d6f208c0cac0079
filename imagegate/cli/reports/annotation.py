"""Remarks at a line of a file, in the forms that GitHub and GitLab show beside a change."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from imagegate.cli.output import json_text, safe_line

ERROR, WARNING, NOTE = "error", "warning", "note"


class Annotation(NamedTuple):
    """One remark at a line of a file."""

    rule: str
    level: str
    """``error``, ``warning`` or ``note``."""
    message: str
    file: str
    line: int


_GITHUB_COMMANDS = {ERROR: "error", WARNING: "warning", NOTE: "notice"}
_GITLAB_SEVERITIES = {ERROR: "major", WARNING: "minor", NOTE: "info"}
_IN_TEXT = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_IN_PROPERTY = _IN_TEXT | str.maketrans({":": "%3A", ",": "%2C"})


def github_annotations(annotations: Iterable[Annotation]) -> str:
    """Workflow commands, one a line. GitHub shows the first ten of each level of a step.

    Source: docs.github.com, "Workflow commands for GitHub Actions"; the escapes are those of actions/toolkit.
    """
    return "".join(f"{_github_command(each)}\n" for each in annotations)


def _github_command(annotation: Annotation) -> str:
    values = {
        "file": safe_line(annotation.file),
        "line": str(annotation.line),
        "title": f"imagegate {annotation.rule}",
    }
    properties = ",".join(f"{name}={value.translate(_IN_PROPERTY)}" for name, value in values.items())
    message = safe_line(annotation.message).translate(_IN_TEXT)
    return f"::{_GITHUB_COMMANDS[annotation.level]} {properties}::{message}"


def gitlab_report(annotations: Iterable[Annotation]) -> str:
    """A code quality report: a JSON list. A fingerprint does not depend on the line, so that moved text is not new.

    Source: docs.gitlab.com, "Code Quality", implementing a custom tool.
    """
    seen: Counter[tuple[str, str, str]] = Counter()
    entries = []
    for each in annotations:
        same = (each.rule, each.file, each.message)
        seen[same] += 1
        entries.append(
            {
                "description": safe_line(each.message),
                "check_name": each.rule,
                "fingerprint": _fingerprint(*same, str(seen[same])),
                "severity": _GITLAB_SEVERITIES[each.level],
                "location": {"path": safe_line(each.file), "lines": {"begin": each.line}},
            }
        )
    return json_text(entries)


def _fingerprint(*parts: str) -> str:
    text = "".join(f"{len(part)}:{part}" for part in parts)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
