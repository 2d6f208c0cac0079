"""Turns: of several processes one does the work that must not be done by all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class TurnState:
    """A turn over which replicas agree, as this replica knows it."""

    name: str
    """Of the Lease."""
    is_held: bool
    """True if this replica has the turn."""
    holder: str
    """Identity of the holder that was seen last; empty: none was seen."""
    problem: str
    """Why the turn cannot be taken or renewed; empty if it can, or another replica has it."""
    taken: int
    """How often this process has got the turn."""
    lost: int
    """How often it was lost without having been given up."""


class Turn(Protocol):
    """Whether this process may do the work now. Safe for several threads; no method raises."""

    def is_mine(self) -> bool:
        """True if a round may begin, or go on with its next object, now.

        Asked before each of them: a turn can be lost at any time. Quick.
        """

    def release(self) -> None:
        """Give the turn up for good, so that another process need not wait; the work has ended."""

    def state(self) -> TurnState | None:
        """The state, for operators; None where only processes of one machine agree."""
