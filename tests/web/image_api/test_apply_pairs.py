"""Server-side apply, request by request, beside what a running openshift-apiserver answered, owners included."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.image_api_pairs.comparison import differences
from tests.image_api_pairs.pairs import VECTORS, read_pairs
from tests.image_api_pairs.replay import replayed
from tests.support.certificates import Authority

PAIRS = read_pairs(VECTORS / "apply.jsonl")


@pytest.mark.parametrize("sequence", sorted({pair.sequence for pair in PAIRS}))
def test_answers_are_as_recorded(sequence: str, tmp_path: Path) -> None:
    wanted = [pair for pair in PAIRS if pair.sequence == sequence]
    found = [
        f"{pair.id} {pair.method} {pair.path}: {each}"
        for pair, got in replayed(wanted, Authority(tmp_path))
        for each in differences(pair, got, with_owners=True)
    ]
    assert not found, "\n".join(found[:20])
