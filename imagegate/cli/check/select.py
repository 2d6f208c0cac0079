"""Patterns of ``--include`` and ``--exclude``, and the walk with them. docs/files.md has the rules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fnmatch2 import fnmatchcase2

from imagegate.adapters.files.folders import Place
from imagegate.adapters.files.walk import SUFFIXES, Document, Fault, Met, PassedOver, Walk

STANDARD_INPUT = "-"
_ANYWHERE = "**/"


@dataclass(frozen=True, slots=True)
class Patterns:
    """``folders.Choice`` by patterns of the user.

    A pattern without ``/`` is a name, wherever it is; another one is a path below the folder that was named, or as it
    is shown, in which ``**`` is any number of folders. A pattern for a folder is one for everything in it.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    @classmethod
    def of(cls, include: Sequence[str], exclude: Sequence[str]) -> Patterns:
        """Patterns as they were written."""
        return cls(tuple(map(_tidied, include)), tuple(map(_tidied, exclude)))

    def excludes(self, place: Place) -> bool:
        """See ``folders.Choice``."""
        return _matches(place, self.exclude)

    def enters(self, place: Place) -> bool:
        """A pattern names the folder, or a path, which may lead into it."""
        return any("/" in pattern for pattern in self.include) or _matches(place, self.include)

    def reads(self, place: Place) -> bool:
        """See ``folders.Choice``."""
        is_document = place.inside.endswith(SUFFIXES)
        if not self.include or (is_document and any(_matches(each, self.include) for each in _folders(place))):
            return is_document
        return _matches(place, self.include)

    def __str__(self) -> str:
        return " or ".join(self.include or (f"*{suffix}" for suffix in SUFFIXES))


def _tidied(pattern: str) -> str:
    return pattern.removeprefix("./").rstrip("/") or pattern


def _matches(place: Place, patterns: Sequence[str]) -> bool:
    return any(
        _matches_path(place, pattern) if "/" in pattern else fnmatchcase2(place.name, pattern) for pattern in patterns
    )


def _matches_path(place: Place, pattern: str) -> bool:
    if not pattern.startswith(_ANYWHERE):
        return bool(fnmatchcase2(place.inside, pattern) or fnmatchcase2(place.path, pattern))
    parts = place.inside.split("/")  # every tail: fnmatch2 tries only the first place that fits
    rest = pattern.removeprefix(_ANYWHERE)
    return any(bool(fnmatchcase2("/".join(parts[start:]), rest)) for start in range(len(parts)))


def _folders(place: Place) -> Iterator[Place]:
    """The folders that a file is in, below the one that was named."""
    parts, above = place.inside.split("/"), place.path.removesuffix(place.inside)
    for end in range(1, len(parts)):
        inside = "/".join(parts[:end])
        yield Place(f"{above}{inside}", inside)


def walk(paths: Iterable[Path], patterns: Patterns) -> Iterator[Met]:
    """The files to read, and what is not read; ``-`` is standard input. A folder with nothing to read is a fault."""
    walking, had_input = Walk(patterns), False
    for path in paths:
        if str(path) == STANDARD_INPUT:
            yield PassedOver(STANDARD_INPUT, "it is read already") if had_input else Document(path, named=True)
            had_input = True
            continue
        is_empty = True
        for met in walking.path(path):
            is_empty &= isinstance(met, PassedOver) and not met.settled
            yield met
        if is_empty:
            yield Fault(str(path), f"nothing to read: no file {patterns} in this folder")
