"""The documented walk-throughs, with real programs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.walkthrough import document_004
from tests.walkthrough.terminal import Terminal, UnexpectedOutcome


def test_document_004(tmp_path: Path) -> None:
    said: list[str] = []
    document_004.walk(tmp_path, said.append)
    assert sum(line.startswith("\n# ") for line in said) == 7
    page = (Path(__file__).parent.parent / "docs" / "walkthrough.md").read_text(encoding="utf-8")
    shown = re.search(r"^```text\n(# 1\. .*?)^```", page, re.DOTALL | re.MULTILINE)
    assert shown is not None
    assert comparable("\n".join(said)) == comparable(shown[1])


def comparable(transcript: str) -> list[list[str]]:
    """The lines of each command and title, without names, digests and ages, which differ from run to run."""
    for pattern, fixed in (
        (r"test-pod\w{5}", "POD"),
        (r"sha256:\w{64}", "DIGEST"),
        (r"(Less than a|\d+) seconds?|About a minute|\b\d+[smh]\b", "AGE"),
    ):
        transcript = re.sub(pattern, fixed, transcript)
    blocks = re.split(r"^(?=[#$] )", transcript, flags=re.MULTILINE)
    return [sorted(" ".join(line.split()) for line in block.splitlines() if line) for block in blocks if block.strip()]


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
