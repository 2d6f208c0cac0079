"""Storage of decision records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Audit(Protocol):
    """An append-only place for records."""

    def append(self, lines: Sequence[bytes]) -> None:
        """Add records: each is one JSON object in UTF-8, with its line feed. May raise ``OSError``."""
