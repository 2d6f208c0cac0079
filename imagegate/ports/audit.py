"""Storage of decision records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class Audit(Protocol):
    """An append-only place for records."""

    def append(self, record: Mapping[str, Any]) -> None:
        """Add one record (JSON values only). May raise ``OSError``; called from several threads."""
