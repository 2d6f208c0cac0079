"""Commands as tests call them."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from imagegate.cli.main import main
from tests.support.service import CONFIG

SETTINGS = ("--settings", str(CONFIG / "imagegate.yaml"))


class Ran(NamedTuple):
    """What came of a command."""

    code: int
    out: str
    err: str


class Command:
    """Runs ``imagegate`` in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: str | Path) -> Ran:
        code = main([str(each) for each in arguments])
        captured = self._capsys.readouterr()
        return Ran(code, captured.out, captured.err)


def pod(image: str, name: str = "web", **more: str) -> str:
    """A pod as YAML, with the image on its last line."""
    extra = "".join(f"  {key}: {value}\n" for key, value in more.items())
    return (
        f"apiVersion: v1\nkind: Pod\nmetadata:\n  name: {name}\n{extra}"
        f"spec:\n  containers:\n  - name: first\n    image: {image}\n"
    )
