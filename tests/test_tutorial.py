"""The tutorial, command by command, in one shell as its reader has one: what it prints is what the page shows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.support.pages import FILE
from tests.support.processes import free_port
from tests.support.service import ROOT
from tests.test_readme import DOCUMENTED, commands, pattern

PAGE = ROOT / "docs" / "tutorial.md"
_PART = re.compile(rf"{FILE.pattern}|^```console\n.*?^```$", re.MULTILINE | re.DOTALL)


class Shell:
    """A shell that goes on from command to command, with its folder and its jobs."""

    def __init__(self, home: Path) -> None:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        environment = {**os.environ, "HOME": str(home), "PATH": path, "XDG_STATE_HOME": str(home / "state")}
        self._status = home / "status"
        self._output = home / "output"
        self._process = subprocess.Popen(
            ["bash", "--norc"],
            cwd=home,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._send("set -m -o pipefail")

    def run(self, command: str) -> str:
        """The output of one command, both streams."""
        assert self._process.stdout is not None
        self._send(f"{{ {command}\n}} > {self._output} 2>&1; echo $? > {self._status}; echo done")
        while (line := self._process.stdout.readline()) != "done\n":
            assert line, "the shell has ended"
        return self._output.read_text(encoding="utf-8")

    @property
    def status(self) -> str:
        """Exit code of the last command, with the end of the line."""
        return self._status.read_text(encoding="utf-8")

    def end(self) -> None:
        """End the shell, and what runs in its background."""
        self._send("kill %1 2>/dev/null; wait; exit")
        self._process.communicate(timeout=30)

    def _send(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()


def parts() -> Iterator[tuple[str, str]]:
    """In the page's order: a file (name, text), or commands with their output ("", block)."""
    for found in _PART.finditer(PAGE.read_text(encoding="utf-8")):
        yield (found[1], found[2]) if found[1] else ("", found[0] + "\n")


def test_every_command_prints_what_the_page_shows(tmp_path: Path) -> None:
    served = f"127.0.0.1:{free_port()}"
    shell, tried = Shell(tmp_path), 0
    try:
        for name, text in parts():
            if name:
                (tmp_path / "shop" / name).write_text(text, encoding="utf-8")
                continue
            for command, expected in commands(text):
                if command == "echo $?":
                    assert shell.status == expected
                    continue
                started = "imagegate serve" in command
                command = command.replace("serve ", f"serve --bind {served} ", 1) if started else command
                printed = shell.run(command.replace(DOCUMENTED, served)).replace(served, DOCUMENTED)
                assert pattern(expected).fullmatch(printed), f"$ {command}\n{printed}"
                tried += 1
    finally:
        shell.end()
    assert tried > 12
    assert (tmp_path / "shop" / "images.xml").is_file()
