"""Templates become the objects that the original makes of them (tests/vectors/openshift_templates)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from imagegate.core.openshift_templates.processing import Processing

CASES = Path(__file__).parents[2] / "vectors" / "openshift_templates" / "processing.jsonl"


def _with_numbers(value: Any) -> Any:
    """Go's numbers in JSON are all floating point."""
    if isinstance(value, dict):
        return {key: _with_numbers(child) for key, child in value.items()}
    if isinstance(value, list):
        return [_with_numbers(child) for child in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def test_every_case() -> None:
    cases = [json.loads(line) for line in CASES.read_text(encoding="utf-8").splitlines()]
    assert len(cases) == 600
    for case in cases:
        made = [each.object for each in Processing({}).objects(case["template"])]
        assert _with_numbers(made) == _with_numbers(case["objects"]), case["template"]
