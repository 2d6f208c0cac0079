"""The steps of a decision, as data, for ``explain``, ``check --explain`` and the console."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

HINT = "hint"
"""The step that tells the nearest rule: ``because`` is ``Denial.hint``, also where the denial leaves it out."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a decision.

    ``what`` is a fixed word (``coverage``, ``look-up``, ``rule``, ``rewrite``, ``policy-entry``,
    ``signature``...), ``subject`` the image or the rule it is about, ``outcome`` a fixed word
    (``matched``, ``not-matched``, ``skipped``, ``found``, ``absent``, ``unknown``...), ``because`` a sentence.
    """

    what: str
    subject: str
    outcome: str
    because: str = ""
    detail: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The step as a JSON object, empty fields left out."""
        out: dict[str, Any] = {"what": self.what, "subject": self.subject, "outcome": self.outcome}
        if self.because:
            out["because"] = self.because
        if self.detail:
            out["detail"] = self.detail
        return out


@dataclass(slots=True)
class Trace:
    """Steps in the order in which they were taken, each with its field path."""

    steps: list[tuple[str, Step]] = field(default_factory=list)

    def add(self, at: str, step: Step) -> None:
        """Add ``step`` for the field path ``at`` (``spec.containers[0].image``; empty: the object)."""
        self.steps.append((at, step))

    def to_json(self) -> list[dict[str, Any]]:
        """All steps as JSON objects, each with its field path ``at``."""
        return [{"at": at, **step.to_json()} for at, step in self.steps]
