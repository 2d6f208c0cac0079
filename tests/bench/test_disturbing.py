"""The benches beside clients that misbehave lose no review, however long one takes here."""

from __future__ import annotations

import pytest

from bench import crowd, disturbing
from bench.figures import Options


@pytest.mark.parametrize("kind", crowd.KINDS)
def test_no_review_is_lost_beside_a_thousand_slow_clients(kind: str) -> None:
    load = disturbing.beside_slow_clients(kind, Options(rounds=1, seconds=1))
    assert load.failures == 0
    assert load.requests > 0
