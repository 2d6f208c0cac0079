"""Steps of a trace as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def format_step(step: Mapping[str, Any]) -> str:
    """One step as one line."""
    at = f"{step['at']}: " if step["at"] else ""
    because = f": {step['because']}" if step.get("because") else ""
    return f"{at}{step['what']} {step['subject']}: {step['outcome']}{because}"
