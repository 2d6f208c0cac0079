"""The README's commands are run, and must print what the README says they print.

In a ``console`` block a line that begins with ``$ `` is a command; the lines after it are its output. ``...`` alone
on a line stands for anything. The documented address 127.0.0.1:8080 is a server started for the test.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.processes import free_port, started

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
DOCUMENTED = "127.0.0.1:8080"
BIN = Path(sys.executable).parent


def commands(text: str) -> Iterator[tuple[str, str]]:
    """Every command with the output that is printed below it."""
    for block in re.findall(r"^```console\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            while command.endswith("\\"):
                more, _, output = output.partition("\n")
                command = command.removesuffix("\\") + more
            yield command, output


def pattern(output: str) -> re.Pattern[str]:
    """The expected output; ``...`` alone on a line matches any lines."""
    parts = (re.escape(part) for part in re.split(r"^\.\.\.\n", output, flags=re.MULTILINE))
    return re.compile(r"(?:.*\n)*?".join(parts))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """``make run``, on another port and with a store of its own."""
    port = free_port()
    home = tmp_path_factory.mktemp("home")
    environment = {**os.environ, "XDG_STATE_HOME": str(home), "HOME": str(home)}
    command = [str(BIN / "imagegate"), "serve", "--bind", f"127.0.0.1:{port}"]
    with started(command, port=port, log=home / "serve.log", env=environment):
        yield f"127.0.0.1:{port}"


def test_every_command_prints_what_the_readme_shows(served: str) -> None:
    environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    tried, status = 0, 0
    for command, expected in commands(README.read_text(encoding="utf-8")):
        if command == "echo $?":
            assert expected == f"{status}\n"
            continue
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", command.replace(DOCUMENTED, served)],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        status = done.returncode
        printed = (done.stdout + done.stderr).replace(served, DOCUMENTED)
        assert pattern(expected).fullmatch(printed), f"$ {command}\n{printed}"
        tried += 1
    assert tried >= 2


def test_every_file_that_the_readme_names_is_there() -> None:
    text = README.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#:]+)[#)]", text)
    assert links
    for link in links:
        assert (ROOT / link).exists(), link


def test_the_walk_through_is_the_one_of_the_image_api_page() -> None:
    page = (ROOT / "docs" / "image-api.md").read_text(encoding="utf-8")
    found = re.search(r"```console\n(# 1\. Import.*?)```", page, re.DOTALL)
    assert found is not None
    assert found[1] in README.read_text(encoding="utf-8")
