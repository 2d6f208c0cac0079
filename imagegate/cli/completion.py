"""``imagegate completion``: completion of commands and options in a shell."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

PROGRAM = "imagegate"
VARIABLE = "_IMAGEGATE_COMPLETE"
"""The environment variable by which a shell's script asks for completions. click derives it from the program's name."""

_EXAMPLES = """\b
Examples:
  source <(imagegate completion bash)                             in ~/.bashrc
  source <(imagegate completion zsh)                              in ~/.zshrc, after compinit
  imagegate completion fish > ~/.config/fish/completions/imagegate.fish
"""


@click.command(epilog=_EXAMPLES)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> int:
    """Print the script by which SHELL completes commands.

    bash must be 4.4 or newer.

    Exit code: 0 printed, 2 another shell.
    """
    kind = get_completion_class(shell)
    if kind is None:  # the choice above names click's own
        raise click.UsageError(f"there is no completion for {shell}")
    from imagegate.cli.main import cli

    script = kind(cli, {}, PROGRAM, VARIABLE)
    click.echo(script.source_template % script.source_vars())
    return 0
