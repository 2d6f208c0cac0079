"""Policy objects of a cluster, which change one by one and are always whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from imagegate.documents.stored_policies import StoredPolicy


@dataclass(frozen=True, slots=True, eq=False)
class PolicyObjectsNow:
    """The objects at one moment. Another object after every change."""

    objects: tuple[StoredPolicy, ...] = ()
    """In the order of their keys."""
    unavailable: str = ""
    """Why they are not known; then everything that policies decide is denied with this sentence."""


class PolicyObjects(Protocol):
    """Look-up of all policy objects. Safe for threads; never waits."""

    def now(self) -> PolicyObjectsNow:
        """The objects as last seen; the same value as before if none has changed."""
