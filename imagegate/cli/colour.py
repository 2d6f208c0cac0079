"""Whether output has colours.

``--color`` decides; else ``NO_COLOR`` (no-color.org) and ``FORCE_COLOR`` (force-color.org), if they are not empty; else
output has colours on a terminal that knows them.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import IO, Any, TypeVar

import click

AUTO, ALWAYS, NEVER = CHOICES = ("auto", "always", "never")

F = TypeVar("F", bound=Callable[..., Any])


def colour_option(command: F) -> F:
    """``--color auto|always|never``."""
    return click.option(
        "--color",
        type=click.Choice(CHOICES),
        default=AUTO,
        show_default=True,
        help="Colours: NO_COLOR, FORCE_COLOR and TERM=dumb count for auto.",
    )(command)


def has_colour(choice: str, stream: IO[Any]) -> bool:
    """Whether what is written to ``stream`` has colours."""
    if choice != AUTO:
        return choice == ALWAYS
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"
