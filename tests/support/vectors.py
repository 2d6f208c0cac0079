"""Reads ``tests/vectors/<area>/*.yaml``: what must come out for what goes in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

VECTORS = Path(__file__).parents[1] / "vectors"
KEYS = {"name", "source", "given", "expect"}


def vectors(area: str) -> list[Any]:
    """One case per vector. An empty area or a vector without a source is an error, not a pass."""
    files = sorted((VECTORS / area).glob("*.yaml"))
    if not files:
        raise FileNotFoundError(f"no vectors in {VECTORS / area}")
    cases = []
    for file in files:
        document = yaml.load(file.read_text(encoding="utf-8"), yaml.CSafeLoader)
        for case in document["cases"] if isinstance(document, dict) else document:
            if case.keys() != KEYS or not case["source"]:
                raise ValueError(f"{file.name}: {case.get('name')}: keys are {sorted(case)}")
            cases.append(pytest.param(case["given"], case["expect"], id=f"{file.stem}/{case['name']}"))
    return cases
