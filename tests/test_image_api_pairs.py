"""The image API against the recorded answers of a running openshift-apiserver."""

from __future__ import annotations

from tests.image_api_pairs.intended import read_intended
from tests.image_api_pairs.outcome import run_pairs
from tests.image_api_pairs.pairs import VECTORS, read_pairs


def test_every_answer_is_the_originals_or_differs_for_a_reason() -> None:
    pairs = [*read_pairs(VECTORS / "pairs.jsonl"), *read_pairs(VECTORS / "variations.jsonl")]
    intended = {
        **read_intended(VECTORS / "intended.yaml"),
        **read_intended(VECTORS / "variations-intended.yaml"),
    }
    outcome = run_pairs(pairs, intended)
    assert [f"{each.pair.id}: {each.differences[0][:300]}" for each in outcome.unexpected] == []
    assert outcome.stale == []
