"""Which files of a folder are read."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from fnmatch2 import fnmatchcase2

from imagegate.errors import InvalidInput

SUFFIXES = (".yaml", ".yml", ".json")
"""Of files that are read where nothing else is asked for."""
STANDARD_INPUT = "-"


def select_files(paths: Iterable[Path], include: Sequence[str] = (), exclude: Sequence[str] = ()) -> Iterator[Path]:
    """The files themselves, and of folders what ``include`` selects and ``exclude`` does not, in order of name.

    A pattern without ``/`` is matched with the file's name in whatever folder; others with the path below the
    folder that was given, where ``**`` stands for any number of folders. Folders whose name begins with a dot are
    passed over.

    Raises:
        InvalidInput: a path is not there.
    """
    for path in paths:
        if path.is_dir():
            yield from _below(str(path), include, exclude)
        elif str(path) == STANDARD_INPUT or path.exists():
            yield path
        else:
            raise InvalidInput(f"{path}: no such file or folder")


def _below(top: str, include: Sequence[str], exclude: Sequence[str]) -> Iterator[Path]:
    for folder, folders, names in os.walk(top):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        inside = "" if folder == top else f"{os.path.relpath(folder, top)}/"
        for name in sorted(names):
            if not (_selected(inside, name, include) if include else name.endswith(SUFFIXES)):
                continue
            if not _selected(inside, name, exclude):
                yield Path(folder, name)


def _selected(inside: str, name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase2(f"{inside}{name}" if "/" in pattern else name, pattern) for pattern in patterns)
