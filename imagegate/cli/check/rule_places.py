"""File and line of the rule that a denial names, for people with the policy's files; the service never tells them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

_PLACE = re.compile(r"(?:executionRules|allowedRegistriesForImport)\[\d+\]")


def rule_at(rule: str, hint: str, places: Mapping[str, str]) -> str:
    """``FILE:LINE`` of the rule that decided, else of the one that the hint names; empty if neither is in a file.

    Args:
        places: ``executionRules[0]`` and the like -> ``FILE:LINE``.
    """
    named = _PLACE.search(rule) or _PLACE.search(hint)
    found = places.get(named[0], "") if named is not None else ""
    file, colon, line = found.rpartition(":")
    near = os.path.relpath(file) if colon and Path(file).is_absolute() else file
    return f"{file if near.startswith(os.pardir) else near}:{line}" if colon else ""
