"""Completion, in a real shell, and the program's other names."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import yaml

from imagegate.cli.main import COMMANDS
from tests.cli.commands import Command
from tests.support.programs import program, run
from tests.support.service import ROOT

BIN = Path(sys.executable).parent
COMPLETE = """
source <(imagegate completion bash)
COMP_WORDS=({words}); COMP_CWORD={last}
_imagegate_completion imagegate
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.fixture
def environment() -> dict[str, str]:
    return {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}


OFFERED = pytest.mark.parametrize(
    "words, offered",
    [
        (["imagegate", "che"], ["check", "check-streams"]),
        (["imagegate", "check", "--rewr"], ["--rewrite"]),
        (["imagegate", "completion", ""], ["bash", "zsh", "fish"]),
        (["imagegate", "explain", "-o", "y"], ["yaml"]),
    ],
)


def completed(words: list[str], environment: dict[str, str]) -> list[str]:
    """What bash offers for the last of ``words``."""
    script = COMPLETE.format(words=" ".join(words), last=len(words) - 1)
    return run([program("bash"), "-c", script], env=environment).stdout.split()


@OFFERED
def test_bash_completes(words: list[str], offered: list[str], environment: dict[str, str]) -> None:
    assert completed(words, environment) == offered


def test_every_command_is_offered(environment: dict[str, str]) -> None:
    assert completed(["imagegate", "''"], environment) == list(COMMANDS)


@pytest.mark.parametrize(
    "shell, sign", [("zsh", "#compdef imagegate"), ("fish", "complete --no-files --command imagegate")]
)
def test_other_shells_have_a_script(imagegate: Command, shell: str, sign: str) -> None:
    ran = imagegate("completion", shell)
    assert ran.code == 0
    assert sign in ran.out


@pytest.mark.programs
@pytest.mark.parametrize(
    "line, offered",
    [
        ("imagegate che", ["check", "check-streams"]),
        ("imagegate check --rewr", ["--rewrite"]),
        ("imagegate completion ", ["bash", "fish", "zsh"]),
        ("imagegate explain -o y", ["yaml"]),
    ],
)
def test_fish_completes(line: str, offered: list[str], environment: dict[str, str]) -> None:
    script = 'imagegate completion fish | source; complete -C "$LINE"'
    done = run([program("fish"), "--no-config", "-c", script], env={**environment, "LINE": line})
    found = [each.partition("\t")[0] for each in done.stdout.splitlines()]
    assert sorted(filter(None, found)) == offered


ZSH = """
autoload -U compinit; compinit -u -D
_describe() { print -rl -- "${(@P)3%%:*}" }   # outside of the line editor nothing can be offered: print it
compadd() { print -rl -- "${(@P)5}" }
eval "$(imagegate completion zsh)"
words=("$@"); CURRENT=$#
_imagegate_completion
"""


@pytest.mark.programs
@OFFERED
def test_zsh_completes(words: list[str], offered: list[str], environment: dict[str, str]) -> None:
    done = run([program("zsh"), "-f", "-c", ZSH, "zsh", *words], env=environment)
    assert done.stdout.split() == offered, done.stderr


def test_another_shell_is_refused(imagegate: Command) -> None:
    ran = imagegate("completion", "tcsh")
    assert ran.code == 2
    assert "'bash', 'zsh', 'fish'" in ran.err


def test_kubectl_finds_the_plug_in(environment: dict[str, str]) -> None:
    shown = run([program("kubectl"), "imagegate", "--version"], env=environment).stdout
    assert shown.startswith("imagegate, version ")
    assert "kubectl-imagegate" in run([program("kubectl"), "plugin", "list"], env=environment).stdout


def test_hooks_of_pre_commit_are_commands() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    for hook in hooks:
        name, command, *options = hook["entry"].split()
        assert (name, hook["language"]) == ("imagegate", "python")
        shown = run([BIN / "imagegate", command, "--help"]).stdout
        assert all(option in shown for option in options)
