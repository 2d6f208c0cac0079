"""The ``imagegate`` command: its sub-commands and its exit codes.

0 everything allowed, nothing wrong; 1 denied, or lint found an error; 2 usage or configuration; 3 denied only
because evidence was not available.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module

import click

from imagegate import __version__, logs
from imagegate.errors import ConfigError, ImagegateError

USAGE_OR_CONFIGURATION = 2

COMMANDS = {
    "serve": "imagegate.cli.serve:serve",
    "check": "imagegate.cli.check.command:check",
    "explain": "imagegate.cli.explain:explain",
    "lint": "imagegate.cli.lint.command:lint",
    "check-streams": "imagegate.cli.check_streams:check_streams",
    "test": "imagegate.cli.policy_tests.command:run_tests",
    "scan": "imagegate.cli.scan.command:scan",
    "replay": "imagegate.cli.replay.command:replay",
    "convert": "imagegate.cli.convert.command:convert",
    "install": "imagegate.cli.install:install",
    "key": "imagegate.cli.key:key",
    "image": "imagegate.cli.image.command:image",
    "store": "imagegate.cli.store:store",
    "completion": "imagegate.cli.completion:completion",
}
"""Command -> its function. A module is imported when its command is used."""


_NOT_COMMANDS = {
    "help": "--help",
    "version": "--version",
    "validate": "check",
    "verify": "check",
    "apply": "check",
    "why": "explain",
    "start": "serve",
    "run": "serve",
}
"""Words that people try as commands -> the command or option that they mean."""


class _Commands(click.Group):
    """Sub-commands, each imported when it is used: all of them start quickly."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - the base class's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        place = COMMANDS.get(cmd_name)
        if place is None:
            return None
        module, _, name = place.partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command, or an error that names those that were probably meant."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            word = args[0].lower()
            meant = [_NOT_COMMANDS[word]] if word in _NOT_COMMANDS else get_close_matches(word, COMMANDS)
            if not meant:
                raise
            listed = " or ".join(f"'{each}'" for each in meant)
            raise click.UsageError(f"{error.format_message()} Did you mean {listed}?", ctx) from error


_EXAMPLES = """\b
Examples:
  imagegate serve
  imagegate check --config master-config.yaml deploy/
  imagegate explain --policies policies/ docker.io/library/nginx:1.27

\b
Exit codes:
  0  everything is allowed, nothing is wrong
  1  something is denied, or lint found an error
  2  usage, configuration, or something that cannot be read
  3  denied only because something could not be looked up
"""


@click.group(
    cls=_Commands, epilog=_EXAMPLES, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, prog_name="imagegate")
def cli() -> None:
    """Decide which images may be imported, tagged and run: as admission webhooks and on the command line."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; its exit code."""
    if not logging.getLogger().handlers:
        logs.configure("warning", as_json=False)
    try:
        result = cli.main(args=None if argv is None else list(argv), prog_name="imagegate", standalone_mode=False)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return USAGE_OR_CONFIGURATION
    except click.ClickException as error:
        _show(error)
        return USAGE_OR_CONFIGURATION
    except ImagegateError as error:
        from imagegate.cli.output import say_error

        for line in error.lines if isinstance(error, ConfigError) else (str(error),):
            say_error(line)
        return USAGE_OR_CONFIGURATION
    except (click.Abort, KeyboardInterrupt):
        click.echo("imagegate: interrupted", err=True)
        return 130
    except BrokenPipeError:  # the reader (head, less) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return result if isinstance(result, int) else 0


def _show(error: click.ClickException) -> None:
    """The error as click shows it, with its text on one line."""
    from imagegate.cli.output import say

    context = error.ctx if isinstance(error, click.UsageError) else None
    if context is not None:
        help_option = max(context.command.get_help_option_names(context), key=len, default="")
        click.echo(context.get_usage(), err=True)
        click.echo(f"Try '{context.command_path} {help_option}' for help.\n", err=True)
    say(f"Error: {error.format_message()}", err=True)
