"""Selection of the files of a folder, and remarks on the rest."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from fnmatch2 import fnmatchcase2

from imagegate.errors import InvalidInput

SUFFIXES = (".yaml", ".yml", ".json")
"""Suffixes of the files that are read by default."""
STANDARD_INPUT = "-"
_KUBERNETES_OWN = ".."
"""Prefix of folders in a mounted ConfigMap; its files are links into them."""


class Selected(NamedTuple):
    """A file to read."""

    path: Path
    named: bool
    """Named by the user, not found in a folder."""


@dataclass(slots=True)
class Selection:
    """The files below some paths."""

    files: list[Selected] = field(default_factory=list)
    passed_over: list[str] = field(default_factory=list)
    """Folders that are skipped: ``path: why``."""
    errors: list[str] = field(default_factory=list)
    """Paths that cannot be read: ``path: why``."""


def select_files(paths: Iterable[Path], include: Sequence[str] = (), exclude: Sequence[str] = ()) -> Selection:
    """Files named by the user, and files of folders by ``include`` and ``exclude``, in order of name.

    A pattern without ``/`` is matched with the file's name in whatever folder; others with the path below the
    folder that was given, where ``**`` matches any number of folders. Folders whose name begins with a dot and
    links to folders are passed over. A folder in which no file is selected is an error.

    Raises:
        InvalidInput: a path does not exist.
    """
    selection = Selection()
    for path in paths:
        if str(path) != STANDARD_INPUT and _is_folder(path):
            before = len(selection.files) + len(selection.errors)
            selection.files += (Selected(file, named=False) for file in _below(path, include, exclude, selection))
            if len(selection.files) + len(selection.errors) == before:
                wanted = " or ".join(include or (f"*{suffix}" for suffix in SUFFIXES))
                selection.errors.append(f"{path}: nothing to read: no file {wanted} in this folder")
        else:
            selection.files.append(Selected(path, named=True))
    return selection


def _is_folder(path: Path) -> bool:
    """True if a path named by the user is a folder.

    Raises:
        InvalidInput: it does not exist, or cannot be read.
    """
    try:
        return stat.S_ISDIR(path.stat().st_mode)
    except FileNotFoundError as error:
        why = f"a link to {path.readlink()}, which does not exist" if path.is_symlink() else "no such file or folder"
        raise InvalidInput(f"{path}: {why}") from error
    except OSError as error:
        raise InvalidInput(f"{path}: cannot be read: {error.strerror}") from error


def _below(top: Path, include: Sequence[str], exclude: Sequence[str], selection: Selection) -> Iterator[Path]:
    """The selected files; skipped folders and errors are added to ``selection``."""
    waiting = [top]
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(folder) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError as error:
            selection.errors.append(f"{folder}: cannot be read: {error.strerror}")
            continue
        inside = "" if folder == top else f"{folder.relative_to(top)}/"
        for entry in entries:
            if _is_read(entry, inside, include, exclude, selection):
                yield Path(entry.path)
        folders = [entry for entry in entries if entry.is_dir(follow_symlinks=False)]
        waiting += (Path(entry.path) for entry in reversed(folders) if not entry.name.startswith("."))


def _is_read(
    entry: os.DirEntry[str], inside: str, include: Sequence[str], exclude: Sequence[str], selection: Selection
) -> bool:
    """True if an entry is a file to read."""
    name, is_link = entry.name, entry.is_symlink()
    if _leads_to_folder(entry):
        why = "a link to a folder" if is_link else "a hidden folder" if name.startswith(".") else ""
        if why and not name.startswith(_KUBERNETES_OWN) and not _selected(inside, name, exclude):
            selection.passed_over.append(f"{entry.path}: passed over: {why}")
        return False
    wanted = _selected(inside, name, include) if include else name.endswith(SUFFIXES)
    if not wanted and is_link and not Path(entry.path).exists():  # it may have been one to a folder
        wanted = True
    return wanted and not _selected(inside, name, exclude)


def _leads_to_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link in a circle, or into a folder that may not be searched: reported where it is read
        return False


def _selected(inside: str, name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase2(f"{inside}{name}" if "/" in pattern else name, pattern) for pattern in patterns)
