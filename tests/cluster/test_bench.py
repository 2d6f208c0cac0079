"""The bench of admissions on a real API server: what it counts, and what it refuses to time."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.admissions import webhook
from bench.api_server import ALLOWED, DENIED, Target, client_of
from bench.figures import WrongAnswer
from bench.server_figures import reference
from tests.cluster.control_plane import ControlPlane


def test_only_a_webhook_that_decides_rightly_is_timed(plane: ControlPlane, tmp_path: Path) -> None:
    api = client_of(plane, tmp_path)
    with webhook(api) as ours, reference("same", tmp_path, cpus=None, tls=plane.ca.server) as noop:
        without, with_ours = Target("bench-nobody", None), Target("bench-imagegate", ours)
        with_noop = Target("bench-noop", noop, decides=False)
        api.hook(without.namespace, None)
        for target, server in ((with_ours, ours), (with_noop, noop)):
            api.hook(target.namespace, f"https://127.0.0.1:{server.port}/admit")
        api.alternate([without, with_ours, with_noop], rounds=1, seconds=1)
        assert without.webhook_cpu_ms == [0.0]
        assert with_ours.cpu_ms > 0
        assert with_ours.api_server_cpu_ms > 0
        assert 0 < with_ours.p50_ms <= with_ours.p99_ms
        assert 0 < with_ours.per_second < 10_000

        with_noop.decides = True
        with pytest.raises(WrongAnswer, match=f"{DENIED} must be denied: 201"):
            api.check(with_noop)
        assert api.create(with_noop.namespace, ALLOWED) == (201, ALLOWED)
    with pytest.raises(WrongAnswer, match="must be"):  # the webhook has ended, and nobody else decides
        api.check(with_ours)
