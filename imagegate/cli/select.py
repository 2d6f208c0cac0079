"""Which files of a folder are read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from fnmatch2 import fnmatchcase2

from imagegate.errors import InvalidInput

DEFAULT_INCLUDE = ("**/*.yaml", "**/*.yml", "**/*.json")
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
            yield from _below(path, include or DEFAULT_INCLUDE, exclude)
        elif str(path) == STANDARD_INPUT or path.exists():
            yield path
        else:
            raise InvalidInput(f"{path}: no such file or folder")


def _below(folder: Path, include: Sequence[str], exclude: Sequence[str]) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if any(part.startswith(".") and part != ".." for part in relative.parts[:-1]):
            continue
        text = relative.as_posix()
        if _selected(text, include) and not _selected(text, exclude) and path.is_file():
            yield path


def _selected(path: str, patterns: Sequence[str]) -> bool:
    name = path.rpartition("/")[2]
    return any(fnmatchcase2(path if "/" in pattern else name, pattern) for pattern in patterns)
