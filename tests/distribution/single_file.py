"""imagegate and everything that it needs, but for Python, as one file that runs.

``python -m tests.distribution.single_file FILE`` writes it. The packages are those of ``requirements/run.txt``, fetched
as wheels whose hashes are checked; pex packs them without asking anybody again. The same sources give the same bytes.
The file is for the Python version and the kind of machine that made it, since some packages are compiled.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.support.service import ROOT

SOURCES = (
    "LICENSE",
    "README.md",
    "pyproject.toml",
    "setup.cfg",
    "setup.py",
    "imagegate",
    "config",
    "docs/man",
    "openshift",
)
_EPOCH = "315532800"
"""The first time that a zip file can hold."""
_PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")


def fetch(wheels: Path) -> None:
    """Fetch the wheels that imagegate needs, each checked against its hash."""
    requirements = ROOT / "requirements" / "run.txt"
    _run(*_PIP, "download", "--require-hashes", "--only-binary", ":all:", "--no-deps", "-r", requirements, "-d", wheels)


def build(target: Path, wheels: Path) -> None:
    """Write the file ``target``.

    Args:
        wheels: folder with what ``fetch`` brought; nothing is written to it.
    """
    with tempfile.TemporaryDirectory(prefix="imagegate-single-file-") as name:
        sources, own = Path(name, "sources"), Path(name, "wheel")
        wheel(sources, own)
        _run(
            *(sys.executable, "-m", "pex", "imagegate", "--console-script", "imagegate"),
            *("--no-index", "--find-links", wheels, "--find-links", own, "--no-build"),
            *("--python", sys.executable, "--python-shebang", "/usr/bin/env python3", "--sh-boot"),
            *("--venv", "--disable-cache", "--output-file", target.absolute()),
        )


def wheel(sources: Path, target: Path) -> None:
    """Build the wheel of imagegate into the folder ``target``, from a copy of the sources that holds nothing else."""
    for each in SOURCES:
        copy, original = sources / each, ROOT / each
        copy.parent.mkdir(parents=True, exist_ok=True)
        if original.is_dir():
            shutil.copytree(original, copy, ignore=shutil.ignore_patterns("__pycache__"), copy_function=shutil.copyfile)
        else:
            shutil.copyfile(original, copy)
    for path in sources.rglob("*"):  # the wheel holds modes, which must not be those of one checkout
        path.chmod(0o755 if path.is_dir() else 0o644)
    _run(*_PIP, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", target, sources)


def _run(*command: str | Path) -> None:
    environment = {**os.environ, "SOURCE_DATE_EPOCH": _EPOCH, "PYTHONHASHSEED": "0"}
    subprocess.run([str(part) for part in command], env=environment, umask=0o022, check=True)


def main(arguments: Sequence[str]) -> int:
    target = Path(arguments[0])
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="imagegate-wheels-") as wheels:
        fetch(Path(wheels))
        build(target, Path(wheels))
    version = f"Python {sys.version_info.major}.{sys.version_info.minor}"
    sys.stdout.write(f"{target}: {target.stat().st_size / 1e6:.0f} MB, for {version} on {os.uname().machine}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
