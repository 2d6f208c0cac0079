"""The examples for CI systems: their commands are run, in a folder as they expect it."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.programs import run
from tests.support.service import CONFIG, ROOT

PAGE = (ROOT / "docs" / "pipelines.md").read_text(encoding="utf-8")
BIN = Path(sys.executable).parent
BLOCK = re.compile(r"^```(yaml|groovy)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def _strings(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield from value.splitlines()
        case dict():
            for each in value.values():
                yield from _strings(each)
        case list():
            for each in value:
                yield from _strings(each)


def _commands() -> list[str]:
    found = []
    for language, text in BLOCK.findall(PAGE):
        lines = re.findall(r"sh '([^']*)'", text) if language == "groovy" else _strings(yaml.safe_load(text))
        found += [line for line in lines if line.startswith("imagegate ")]
    return found


COMMANDS = _commands()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with policies and manifests."""
    shutil.copytree(CONFIG, tmp_path / "policies")
    (tmp_path / "deploy").mkdir()
    shutil.copy(CONFIG / "examples" / "pods" / "step-2-docker-hub.yaml", tmp_path / "deploy")
    return tmp_path


def test_each_system_has_a_command() -> None:
    assert len(COMMANDS) >= 6


@pytest.mark.parametrize("denied", [False, True], ids=["allowed", "denied"])
@pytest.mark.parametrize("command", COMMANDS)
def test_the_command_is_green_only_for_what_is_allowed(command: str, denied: bool, checkout: Path) -> None:
    if denied:
        shutil.copy(CONFIG / "examples" / "pods" / "step-3-other-registry.yaml", checkout / "deploy")
    words = shlex.split(command)
    done = run([BIN / words[0], *words[1:]], cwd=checkout, check=False)
    is_red = denied and words[1] == "check"
    assert done.returncode == (1 if is_red else 0), done.stdout + done.stderr
    for word in words:
        _, is_file, file = word.partition("=")
        assert not is_file or (checkout / file).stat().st_size > 0
