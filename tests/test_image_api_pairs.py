"""The image API against the recorded answers of a running openshift-apiserver."""

from __future__ import annotations

import yaml

from tests.image_api_pairs.intended import read_intended
from tests.image_api_pairs.outcome import run_pairs
from tests.image_api_pairs.pairs import VECTORS, read_pairs


def test_no_area_has_fewer_agreeing_answers_than_before() -> None:
    floors = yaml.safe_load((VECTORS / "floors.yaml").read_text(encoding="utf-8"))
    outcome = run_pairs(read_pairs(VECTORS / "pairs.jsonl"), read_intended(VECTORS / "intended.yaml"))
    found = {area: list(counts) for area, counts in outcome.areas().items()}
    lower = [
        f"{area}: {got[0]} answers and {got[1]} statuses agree, at least {floors[area]} did before"
        for area, got in found.items()
        if got[0] < floors[area][0] or got[1] < floors[area][1]
    ]
    assert not lower
    assert not outcome.stale
