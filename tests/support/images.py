"""Tiny images: the stored ones, and new ones with other content."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

from tests.support.programs import run
from tests.support.samples import SAMPLES as _SAMPLES
from tests.support.samples import TOOLS

SAMPLES = _SAMPLES / "images"
"""``tiny-oci``, ``multi-oci`` (OCI layouts), ``tiny-docker``, ``multi-docker`` (skopeo ``dir:``)."""

Kind = Literal["oci", "multi", "dir", "dirlist"]
"""OCI image, OCI index, Docker image, Docker manifest list."""


def make_image(directory: Path, *, text: str, kind: Kind = "oci", architectures: tuple[str, ...] = ()) -> str:
    """Write an image whose only file holds ``text``; the same text gives the same digest.

    Returns:
        The digest of the top manifest.
    """
    if not architectures:
        architectures = ("amd64", "arm64") if kind in ("multi", "dirlist") else ("amd64",)
    flags = [flag for name in architectures for flag in ("--arch", name)]
    done = run([sys.executable, TOOLS / "mkimage.py", kind, directory, "--text", text, *flags])
    return done.stdout.strip()


def source_of(directory: Path) -> str:
    """How skopeo names an image in ``directory``: ``oci:DIR:latest`` or ``dir:DIR``."""
    return f"oci:{directory}:latest" if (directory / "oci-layout").exists() else f"dir:{directory}"
