"""Findings of lint, as values."""

from __future__ import annotations

import enum
from typing import NamedTuple


class Severity(enum.StrEnum):
    """Severity of a finding."""

    ERROR = "error"
    """The configuration does not load, locks everything out, or asks for what nothing can fulfil."""
    WARNING = "warning"
    """Probably not what is meant."""
    INFO = "info"
    """Good to know."""


class Finding(NamedTuple):
    """One sentence about one place. ``code`` is stable."""

    severity: Severity
    file: str
    line: int
    path: str
    text: str
    code: str

    def __str__(self) -> str:
        place = f"{self.path}: " if self.path else ""
        return f"{self.file}:{self.line}: {self.severity}: {place}{self.text} [{self.code}]"
