"""Writes of objects that others write at the same time."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

CHANGED_MEANWHILE = "the object has been modified; please apply your changes to the latest version and try again"
"""An API server's text of a 409."""
CONFLICTS_MAX = 20
"""Attempts of a write without a version, if other writers change the object meanwhile."""
PAUSE_S, PAUSE_MAX_S = 0.002, 0.1
"""Between two attempts: the first pause, doubled each time, and the longest."""


def attempts() -> Iterator[int]:
    """The attempts of a write, with random pauses from the third on: writers that have met do not meet again."""
    for number in range(CONFLICTS_MAX):
        if number > 1:
            time.sleep(random.uniform(0, min(PAUSE_MAX_S, PAUSE_S * 2**number)))  # noqa: S311 - not a secret
        yield number
