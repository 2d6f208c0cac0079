"""The result of a conversion: files by name, and what they cannot say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from imagegate.adapters.files.output import write_files
from imagegate.cli.output import is_safe_line, json_text, say
from imagegate.documents.convert.losses import Loss, is_exact
from imagegate.errors import InvalidInput

EXACT, INEXACT = 0, 1


@dataclass(slots=True)
class Result:
    """Files by their places, in the order in which they are printed, and every difference."""

    files: dict[Path, str] = field(default_factory=dict)
    losses: list[Loss] = field(default_factory=list)
    summary: str = ""
    """A last line for standard error."""
    is_stream: bool = True
    """The files may be printed one after another, as YAML documents."""


def deliver(result: Result, *, folder: Path | None, output: str, in_place: bool = False) -> int:
    """Print or write the files, list the losses on standard error; 0 if the result decides as the original, else 1.

    Raises:
        InvalidInput: a file cannot be written, or a line would be a command to a terminal or to a CI system.
        click.UsageError: several files that are no stream of YAML documents would be printed.
    """
    if output == "json":
        click.echo(json_text(as_json(result)), nl=False)
    elif not in_place and folder is None:
        _print(result)
    if in_place:
        write(result.files)
    elif folder is not None:
        write({folder / place: text for place, text in result.files.items()})
    for loss in result.losses:
        say(str(loss), err=True)
    if result.summary:
        say(result.summary, err=True)
    return EXACT if is_exact(result.losses) else INEXACT


def as_json(result: Result) -> dict[str, Any]:
    """The result as docs/schemas/convert.schema.json describes it."""
    return {
        "exact": is_exact(result.losses),
        "files": [{"name": str(place), "text": text} for place, text in result.files.items()],
        "losses": losses_as_json(result.losses),
    }


def losses_as_json(losses: Sequence[Loss]) -> list[dict[str, Any]]:
    """Every difference as a mapping."""
    return [{**loss._asdict(), "effect": str(loss.effect)} for loss in losses]


def write(files: Mapping[Path, str]) -> None:
    """Write all files or none, through no link.

    Raises:
        InvalidInput: one cannot be written.
    """
    try:
        write_files(files)
    except OSError as error:
        raise InvalidInput(f"{error.filename}: not written: {error.strerror}") from error


def _print(result: Result) -> None:
    """Print the documents, comments included. They are untrusted input."""
    if not result.is_stream and len(result.files) > 1:
        named = ", ".join(map(str, result.files))
        raise click.UsageError(f"{len(result.files)} files are made ({named}): use --output-folder or -o json")
    for place, text in result.files.items():
        for number, line in enumerate(text.split("\n"), 1):
            if not is_safe_line(line):
                raise InvalidInput(
                    f"{place}: line {number} of the result is not printed, since a terminal "
                    "or CI system could take it for a command: use --output-folder"
                )
    click.echo("---\n".join(result.files.values()), nl=False)
