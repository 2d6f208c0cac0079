from __future__ import annotations

import pytest

from tests.cli.commands import Command


@pytest.fixture
def imagegate(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.delenv("IMAGEGATE_SETTINGS", raising=False)
    return Command(capsys)
