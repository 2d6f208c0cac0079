"""Checks of ``/readyz``; parts of the service add theirs to the list."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """One check of the running service."""

    name: str
    problem: Callable[[], str]
    """The problem, for an operator; empty if there is none. Quick; never raises."""
    stops: bool = False
    """True if the service is not ready while there is a problem: requests then go elsewhere."""
