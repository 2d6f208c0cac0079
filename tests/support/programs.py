"""Where the real programs are; a missing one fails the test."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.cluster import binaries

RUN_TIMEOUT_S = 60.0


def program(name: str) -> str:
    """The path of ``name``; fails the test (never skips it) where the program is not installed.

    Programs that are built with kube-apiserver come before those on PATH: Debian's kubectl is of 2020.
    """
    built = binaries.folder() / name
    path = str(built) if os.access(built, os.X_OK) else shutil.which(name)
    if path is None:
        pytest.fail(f"{name} is not installed; `make test` installs it (tests/system-packages.txt)", pytrace=False)
    return path


def run(
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    text_in: str | None = None,
    check: bool = True,
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end and give its texts.

    Raises:
        AssertionError: it failed and ``check`` is set; with what it printed.
    """
    done = subprocess.run(
        [str(part) for part in command],
        env=None if env is None else dict(env),
        cwd=cwd,
        input=text_in,
        stdin=subprocess.DEVNULL if text_in is None else None,
        capture_output=True,
        text=True,
        timeout=RUN_TIMEOUT_S,
        check=False,
    )
    if check and done.returncode != 0:
        raise AssertionError(f"{command[0]} exited {done.returncode}: {done.stderr}\n{done.stdout}")
    return done
