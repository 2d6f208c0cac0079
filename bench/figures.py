"""Figures: the results of a benchmark, and how they are printed."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value. ``at_most`` or ``at_least`` is the goal; neither for a figure that is only shown."""

    name: str
    value: float
    unit: str
    at_most: float | None = None
    at_least: float | None = None

    @property
    def verdict(self) -> str:
        """``met``, ``short`` or ``-``."""
        if self.at_most is not None:
            return "met" if self.value <= self.at_most else "short"
        if self.at_least is not None:
            return "met" if self.value >= self.at_least else "short"
        return "-"

    @property
    def goal(self) -> str:
        """``<=1``, ``>=1`` or ``-``."""
        if self.at_most is not None:
            return f"<={self.at_most:g}"
        return "-" if self.at_least is None else f">={self.at_least:g}"

    def line(self) -> str:
        """``NAME value unit goal met|short``."""
        return f"{self.name} {rounded(self.value)} {self.unit} {self.goal} {self.verdict}"

    def to_json(self) -> dict[str, Any]:
        """The same as a JSON object."""
        return {
            "name": self.name,
            "value": self.value,
            "unit": self.unit,
            "goal": self.at_most if self.at_most is not None else self.at_least,
            "verdict": self.verdict,
        }


@dataclass(frozen=True, slots=True)
class Options:
    """How much to measure."""

    rounds: int = 3
    seconds: int = 3
    """Of load in one round."""
    soak_minutes: int = 30
    profile: Path | None = None
    """The folder for flame graphs; None: no profile."""


Benchmark: TypeAlias = Callable[[Options], Iterable[Figure]]


class WrongAnswer(Exception):
    """A program or a reference answered otherwise than it must; nothing is measured then."""


def median(values: Sequence[float]) -> float:
    """The median of a few rounds."""
    return statistics.median(values)


def rounded(value: float) -> str:
    """Four significant digits; above a thousand, none behind the point."""
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"
