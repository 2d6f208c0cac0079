"""The operators' page names every endpoint and every metric."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from imagegate.web.admission import ENDPOINTS
from imagegate.web.metrics import Metrics
from imagegate.web.server import RECEIVE_TIMEOUT_S, ServerOptions
from tests.support.service import ROOT

TEXT = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", ENDPOINTS)
def test_every_endpoint_is_named(path: str) -> None:
    assert f"`{path}`" in TEXT


def test_every_metric_is_named_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
    exposed = {line.split()[2] for line in Metrics().text().decode().splitlines() if line.startswith("# TYPE")}
    named = set(re.findall(r"`((?:imagegate|portieris)_\w+)`", TEXT))
    assert named == {name for name in exposed if not name.endswith("_created")}


def test_figures_are_those_of_the_server() -> None:
    assert f"{ServerOptions().threads} threads" in TEXT
    assert f"for {ServerOptions().graceful_s} seconds at most" in TEXT
    assert f"after {RECEIVE_TIMEOUT_S} seconds" in TEXT
