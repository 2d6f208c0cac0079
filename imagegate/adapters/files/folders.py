"""Contents of a folder: one rule for everything that reads or watches one.

Names that begin with ``..`` are left out. A kubelet keeps the contents of a mounted ConfigMap in ``..2026_...`` and
switches the link ``..data``; what it shows to programs are links through ``..data``, folders among them. So links to
folders are followed as long as they stay inside, and each real folder is read once.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from imagegate.errors import InvalidPolicy

SUFFIXES = (".yaml", ".yml", ".json")
"""Of the documents in a folder."""
CHECKSUM_SUFFIX = ".sha256"
"""After the whole name of a document: its checksum."""
ENTRIES_MAX = 200_000
GONE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})
"""Errors that mean a path leads to nothing. Any other error means that it could not be read."""
_HIDDEN = ".."


def below(folder: Path) -> Iterator[Path]:
    """Everything in a folder and the folders in it, in no particular order; nothing if it is not a folder.

    A folder that vanishes meanwhile has nothing in it.

    Raises:
        OSError: a folder cannot be looked into, or there are more than ``ENTRIES_MAX`` entries.
    """
    top = f"{os.path.realpath(folder)}/"
    folders, links = [folder], list[Path]()
    visited: set[tuple[int, int]] = set()
    count = 0
    while folders or links:
        current = folders.pop() if folders else links.pop()  # links last: files are known by their real names
        for name, is_link, is_folder in _inside(current, visited):
            count += 1
            if count > ENTRIES_MAX:
                raise OSError(errno.EFBIG, f"more than {ENTRIES_MAX} files and folders", str(folder))
            path = current / name
            yield path
            if is_folder and not is_link:
                folders.append(path)
            elif is_folder and os.path.realpath(path).startswith(top):
                links.append(path)


def _inside(folder: Path, visited: set[tuple[int, int]]) -> list[tuple[str, bool, bool]]:
    """The entries of a folder that is visited for the first time: name, whether a link, whether a folder."""
    try:
        status = folder.stat()
        if (status.st_dev, status.st_ino) in visited:
            return []
        visited.add((status.st_dev, status.st_ino))
        with os.scandir(folder) as entries:
            return sorted(
                (entry.name, entry.is_symlink(), _is_folder(entry))
                for entry in entries
                if not entry.name.startswith(_HIDDEN)
            )
    except OSError as error:
        if error.errno in GONE:
            return []
        raise


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError as error:
        if error.errno in GONE:
            return False
        raise


def documents_below(folder: Path) -> list[Path]:
    """The documents in a folder and below, in the order of their names.

    Raises:
        InvalidPolicy: a path with the name of a document is not one: a link to nothing, a folder, a pipe. The policy
            that belongs there would be missing without a word.
        OSError: a folder cannot be looked into.
    """
    return sorted(path for path in below(folder) if path.suffix in SUFFIXES and _is_document(path))


def links_elsewhere(folder: Path) -> list[Path]:
    """Links to folders that are not followed, since they lead out of ``folder``.

    Raises:
        OSError: a folder cannot be looked into.
    """
    top = f"{os.path.realpath(folder)}/"
    links = (path for path in below(folder) if path.is_symlink() and path.is_dir())
    return sorted(path for path in links if not f"{os.path.realpath(path)}/".startswith(top))


def _is_document(path: Path) -> bool:
    try:
        mode = path.stat().st_mode
    except OSError as error:
        if error.errno not in GONE:
            raise
        if path.name.startswith(".") or not path.is_symlink():  # an editor's lock; removed meanwhile
            return False
        raise InvalidPolicy(f"{path}: a link to nothing, under the name of a document") from error
    if not stat.S_ISREG(mode):
        what = "a folder" if stat.S_ISDIR(mode) else "no regular file"
        raise InvalidPolicy(f"{path}: {what}, under the name of a document")
    return True
