"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from imagegate.wiring import Sources, sources_from

F = TypeVar("F", bound=Callable[..., Any])

FILE = click.Path(path_type=Path, dir_okay=False)
FILE_OR_FOLDER = click.Path(path_type=Path)


def source_options(command: F) -> F:
    """``--config``, ``--policies``, ``--images``, ``--settings`` and ``--profile``."""
    for option in reversed(
        (
            click.option("--config", type=FILE, help="master-config.yaml or stand-alone ImagePolicyConfig."),
            click.option(
                "--policies",
                type=FILE_OR_FOLDER,
                multiple=True,
                help="CISE/Portieris policies, secrets: file or folder.",
            ),
            click.option(
                "--images", type=FILE_OR_FOLDER, multiple=True, help="image.openshift.io objects: file or folder."
            ),
            click.option("--settings", type=FILE, help="Settings file (imagegate.yaml)."),
            click.option(
                "--profile", type=click.Choice(["documented", "openshift-4"]), help="Whose behaviour to follow."
            ),
        )
    ):
        command = option(command)
    return command


def sources(
    config: Path | None,
    policies: tuple[Path, ...],
    images: tuple[Path, ...],
    settings: Path | None,
    profile: str | None,
    *,
    samples: bool = False,
) -> Sources:
    """What the options name, over settings file and environment.

    Args:
        samples: fall back on the samples that come with imagegate where nothing is named at all.

    Raises:
        ConfigError: the settings file is wrong.
    """
    return sources_from(
        config=config, policies=policies, images=images, settings=settings, profile=profile, samples=samples
    )
