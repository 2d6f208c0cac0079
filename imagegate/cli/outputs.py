"""Destinations of results: one format on standard output, and others in files of one run."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import click

from imagegate.cli.colour import has_colour
from imagegate.errors import ImagegateError

F = TypeVar("F", bound=Callable[..., Any])


class CannotWrite(ImagegateError):
    """A report cannot be written to its file."""


class Output(NamedTuple):
    """A format, and the file that it is written to; None: standard output."""

    format: str
    file: Path | None = None


class _OutputType(click.ParamType[Output, str]):
    """``FORMAT`` or ``FORMAT=FILE``."""

    name = "format"

    def __init__(self, formats: Sequence[str]) -> None:
        self._formats = click.Choice(formats)

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str | None:
        """The formats."""
        return self._formats.get_metavar(param, ctx)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Output:
        """The output that the text names."""
        if isinstance(value, Output):
            return value
        name, equals, file = str(value).partition("=")
        if equals and not file:
            self.fail(f"{value!r}: no file after =", param, ctx)
        return Output(str(self._formats.convert(name, param, ctx)), Path(file) if equals else None)


def output_options(formats: Sequence[str], default: str) -> Callable[[F], F]:
    """``-o FORMAT[=FILE]``, which may be repeated, and ``--output-file FILE``."""

    def add(command: F) -> F:
        command = click.option(
            "--output-file",
            type=click.Path(path_type=Path, dir_okay=False),
            help="Write the format of -o to this file instead.",
        )(command)
        return click.option(
            "-o",
            "--output",
            "outputs",
            type=_OutputType(formats),
            multiple=True,
            default=[default],
            help=f"Output format, or FORMAT=FILE; may be repeated.  [default: {default}]",
        )(command)

    return add


def chosen_outputs(outputs: Sequence[Output], output_file: Path | None) -> tuple[Output, ...]:
    """The outputs, of which at most one is on standard output.

    Raises:
        click.UsageError: several are, or two are to be written to one file.
    """
    plain = [output.format for output in outputs if output.file is None]
    if len(plain) > 1:
        names = ", ".join(plain)
        raise click.UsageError(f"{names}: only one format can be on standard output; write the others as FORMAT=FILE")
    if output_file is not None and not plain:
        raise click.UsageError("--output-file names the file of a format without one; every -o has a file")
    chosen = tuple(output._replace(file=output.file or output_file) for output in outputs)
    files = [output.file for output in chosen if output.file is not None]
    if len(set(files)) < len(files):
        raise click.UsageError("two formats cannot be written to one file")
    return chosen


def write_outputs(outputs: Sequence[Output], render: Callable[[str, bool], str], *, colour: str = "auto") -> None:
    """Write every output. Files appear whole or not at all.

    Args:
        render: the text in a format, with or without colours.
        colour: one of ``colour.CHOICES``; files have no colours, unless it is ``always``.

    Raises:
        CannotWrite: naming the file.
    """
    for output in outputs:
        if output.file is None:
            with_colour = has_colour(colour, sys.stdout)
            click.echo(render(output.format, with_colour), nl=False, color=with_colour)
        else:
            write_file(output.file, render(output.format, colour == "always"))


def write_file(file: Path, text: str) -> None:
    """Write a file whole or not at all.

    Raises:
        CannotWrite: naming the file.
    """
    try:
        if file.exists() and not file.is_file():  # /dev/stderr, or a pipe: nothing to replace
            file.write_text(text, encoding="utf-8")
            return
        handle, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as written:
                written.write(text)
            Path(name).chmod(0o666 & ~_umask())
            Path(name).replace(file)
        except OSError:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise CannotWrite(f"{file}: cannot be written: {error.strerror or error}") from error


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
