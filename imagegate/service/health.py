"""What ``/readyz`` looks at; parts of the service add to the list."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that may be wrong with the service while it runs."""

    name: str
    problem: Callable[[], str]
    """What is wrong, for an operator; empty where nothing is. Quick, and never raises."""
    stops: bool = False
    """Whether the service is not ready meanwhile: requests then go elsewhere."""
