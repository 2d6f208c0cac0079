from __future__ import annotations

import os
import subprocess
import sys

import pytest

from imagegate import __version__
from imagegate.cli.main import COMMANDS
from tests.cli.commands import Command
from tests.distribution.man_pages import commands_of, contexts


def test_version(imagegate: Command) -> None:
    assert imagegate("--version") == (0, f"imagegate, version {__version__}\n", "")


def test_help_lists_every_command(imagegate: Command) -> None:
    ran = imagegate("--help")
    assert ran.code == 0
    assert all(f"\n  {command} " in ran.out for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_each_command_says_what_it_does(imagegate: Command, command: str) -> None:
    ran = imagegate(command, "--help")
    assert ran.code == 0
    assert f"Usage: imagegate {command}" in ran.out


@pytest.mark.parametrize("command", [command for command in COMMANDS if command not in ("key", "image")])
def test_help_of_each_command_shows_an_example(imagegate: Command, command: str) -> None:
    assert f"imagegate {command} " in imagegate(command, "--help").out.partition("Example")[2]


LEAVES = [context.command_path.split()[1:] for context in contexts() if not commands_of(context)]


@pytest.mark.parametrize("command", LEAVES, ids=" ".join)
def test_help_of_each_command_says_its_exit_codes(imagegate: Command, command: list[str]) -> None:
    assert "Exit code" in imagegate(*command, "--help").out


@pytest.mark.parametrize("group", [[], ["key"], ["image"], ["store"]], ids=" ".join)
def test_no_summary_of_a_command_is_cut(imagegate: Command, group: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    listed = imagegate(*group, "--help").out.partition("Commands:\n")[2].partition("\n\n")[0]
    assert all(line.endswith(".") and not line.endswith("...") for line in listed.splitlines())


@pytest.mark.parametrize("arguments", [["no-such"], ["check", "--no-such"]])
def test_usage_errors_are_exit_code_2(imagegate: Command, arguments: list[str]) -> None:
    ran = imagegate(*arguments)
    assert ran.code == 2
    assert "no-such" in ran.err


def test_the_module_is_the_same_command() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "imagegate", "--version"], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout) == (0, f"imagegate, version {__version__}\n")


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "wb") as nobody_reads:
        command = [sys.executable, "-m", "imagegate", "--help"]
        ended = subprocess.run(command, stdout=nobody_reads, stderr=subprocess.PIPE, text=True, check=False)
    assert "Traceback" not in ended.stderr
