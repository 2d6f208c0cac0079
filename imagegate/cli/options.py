"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

import click

from imagegate.core.profile import Profile

if TYPE_CHECKING:  # imports all settings, which lint does without
    from imagegate.wiring.choices import StartupOptions

F = TypeVar("F", bound=Callable[..., Any])

FILE = click.Path(path_type=Path, dir_okay=False)
FILE_OR_FOLDER = click.Path(path_type=Path)


class SharedOptions(TypedDict):
    """The values of ``chosen_options``."""

    config: Path | None
    policies: tuple[Path, ...]
    images: tuple[Path, ...]
    settings: Path | None
    profile: str | None


class Once(click.Option):
    """An option that may be given once: click would take the last of several in silence."""

    def __init__(self, *args: Any, **attributes: Any) -> None:
        super().__init__(*args, **(attributes | {"multiple": True}))

    def process_value(self, ctx: click.Context, value: Any) -> Any:
        """The one value; None if there is none."""
        values = super().process_value(ctx, value) or ()
        if len(values) > 1:
            given = ", ".join(map(str, values))
            raise click.UsageError(f"{self.opts[0]} is given {len(values)} times ({given}); it takes one value", ctx)
        return values[0] if values else None


def chosen_options(command: F) -> F:
    """``--config``, ``--policies``, ``--images``, ``--settings`` and ``--profile``."""
    options = (
        click.option("--config", cls=Once, type=FILE, help="master-config.yaml or ImagePolicyConfig."),
        click.option(
            "--policies",
            type=FILE_OR_FOLDER,
            multiple=True,
            help="CISE or Portieris policies: file or folder; may be repeated.",
        ),
        click.option(
            "--images",
            type=FILE_OR_FOLDER,
            multiple=True,
            help="image.openshift.io objects: file or folder; may be repeated.",
        ),
        click.option("--settings", cls=Once, type=FILE, help="Settings file (imagegate.yaml)."),
        click.option(
            "--profile",
            cls=Once,
            type=click.Choice([profile.value for profile in Profile]),
            help="Behaviour to follow.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def chosen(named: SharedOptions, *, samples: bool = False) -> StartupOptions:
    """The options as ``StartupOptions``."""
    from imagegate.wiring.choices import StartupOptions

    return StartupOptions(
        settings_file=named["settings"],
        config=named["config"],
        policies=named["policies"],
        images=named["images"],
        profile=Profile(named["profile"]) if named["profile"] else None,
        samples=samples,
    )


def file_options(command: F) -> F:
    """``--include`` and ``--exclude``: see ``check.select.Patterns``."""
    options = (
        click.option(
            "--include",
            multiple=True,
            metavar="GLOB",
            help="Read only these files, and these folders also if they are hidden. [**/*.{yaml,yml,json}]",
        ),
        click.option("--exclude", multiple=True, metavar="GLOB", help="Skip these files and folders."),
    )
    for option in reversed(options):
        command = option(command)
    return command
