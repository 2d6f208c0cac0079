"""The differences between a policy and its conversion, as values: nothing is left out in silence."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import NamedTuple

from imagegate.documents.yaml.fields import Remark


class Effect(enum.StrEnum):
    """The effect of a difference on verdicts."""

    NOTE = "note"
    """Nothing, or nothing in the policies that were converted."""
    NARROWER = "narrower"
    """Images that were allowed are denied."""
    WIDER = "wider"
    """Images that were denied are allowed. Only where the user asked for it (``--allow-wider``)."""
    UNENFORCED = "unenforced"
    """The result says nothing about it: keep enforcing the original there."""


class Loss(NamedTuple):
    """One sentence about one place of the original."""

    file: str
    line: int
    path: str
    text: str
    effect: Effect = Effect.NOTE

    @classmethod
    def of(cls, remark: Remark, effect: Effect = Effect.NOTE) -> Loss:
        """The remark, with its effect."""
        return cls(remark.file, remark.line, remark.path, remark.text, effect)

    @property
    def changes_verdicts(self) -> bool:
        """True if the result is not the same policy."""
        return self.effect is not Effect.NOTE

    def __str__(self) -> str:
        place = str(Remark(self.file, self.line, self.path, self.text))
        return f"{place} [{self.effect}]" if self.changes_verdicts else place


def is_exact(losses: Iterable[Loss]) -> bool:
    """True if a conversion decides as its original."""
    return not any(loss.changes_verdicts for loss in losses)
