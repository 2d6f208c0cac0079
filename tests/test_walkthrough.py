"""The documented walk-throughs, with real programs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.walkthrough import document_004
from tests.walkthrough.terminal import Terminal, UnexpectedOutcome


def test_document_004(tmp_path: Path) -> None:
    said: list[str] = []
    document_004.walk(tmp_path, said.append)
    assert sum(line.startswith("\n# ") for line in said) == 7


def test_another_outcome_is_an_error(tmp_path: Path) -> None:
    with document_004.cluster(tmp_path) as (_, service):
        from tests.support.kubectl import Kubectl

        kubectl = Kubectl(tmp_path)
        kubectl.use(f"http://127.0.0.1:{service.running.port}")
        terminal = Terminal(kubectl, lambda _: None)
        with pytest.raises(UnexpectedOutcome, match="exit status 1"):
            terminal.run("get", "imagestreams/none", expect="")
        with pytest.raises(UnexpectedOutcome, match="expected 'app'"):
            terminal.run("get", "namespaces", expect="app")
