"""Images that run in a namespace."""

from __future__ import annotations

from typing import Protocol

from imagegate.core.admission.lookup import Lookup
from imagegate.core.admission.running_images import RunningImages


class RunningPods(Protocol):
    """The pods of a cluster. Safe for threads; nothing raises for errors outside."""

    def images(self, question: RunningImages, *, deadline_s: float) -> Lookup[tuple[str, ...]]:
        """Every image of every pod. ``Unknown`` if not all of them could be read; never a part of them."""
