"""Files that a command or a service reads: those that were named, and documents in folders. The rules: docs/files.md.

Each file is met once, whatever its names. Nothing is left out without a word: what is not read is an item, too.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, TypeAlias

from imagegate.adapters.files.folders import GONE, Choice, Entry, Place, entries
from imagegate.documents.foreign import CHART_FILES, TEMPLATES_FOLDER

SUFFIXES = (".yaml", ".yml", ".json")
"""Of documents."""
CHECKSUM_SUFFIX = ".sha256"
"""After the whole name of a document: its checksum."""
_KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
_OTHER_FILE = re.compile(r"\.[A-Za-z]\w*\Z")
_EDITOR_LOCK = ".#"


class Document(NamedTuple):
    """A file to read."""

    path: Path
    named: bool
    """Named by the user, not found in a folder: it may be a pipe."""


class PassedOver(NamedTuple):
    """A file or folder that is not read."""

    path: str
    why: str
    settled: bool = False
    """Nobody misses it: it is read under another name, or the user excludes it."""

    def __str__(self) -> str:
        return f"{self.path}: passed over: {self.why}"


class Fault(NamedTuple):
    """Something that should be read and cannot be."""

    path: str
    why: str
    lasting: bool = True
    """False if another attempt may succeed without any change."""

    def __str__(self) -> str:
        return f"{self.path}: {self.why}"


Met: TypeAlias = Document | PassedOver | Fault


@dataclass(frozen=True, slots=True)
class ByName:
    """The choice without options: documents by their names, no hidden folder."""

    suffixes: tuple[str, ...] = SUFFIXES

    def excludes(self, place: Place) -> bool:  # noqa: ARG002
        """Nothing is excluded."""
        return False

    def enters(self, place: Place) -> bool:  # noqa: ARG002
        """No hidden folder is wanted."""
        return False

    def reads(self, place: Place) -> bool:
        """Documents have one of ``suffixes``."""
        return place.inside.endswith(self.suffixes)


@dataclass(slots=True)
class Walk:
    """A walk over several paths, which meets each file once."""

    choice: Choice = field(default_factory=ByName)
    at_most: int | None = None
    """Entries of a folder."""
    _met: dict[str | tuple[int, int], str] = field(default_factory=dict)
    """Real paths, and numbers of files with hard links, with the names under which they were met."""

    def over(self, paths: Iterable[Path]) -> Iterator[Met]:
        """The files that were named and those below the folders that were named."""
        for path in paths:
            yield from self.path(path)

    def path(self, path: Path) -> Iterator[Met]:
        """The file, or what is below the folder."""
        if self.choice.excludes(Place(str(path), path.name)):
            yield PassedOver(str(path), "it is named, and excluded", settled=True)
            return
        try:
            status = path.stat()
        except OSError as error:
            yield Fault(str(path), _missing(path, error), lasting=error.errno in GONE)
            return
        if not stat.S_ISDIR(status.st_mode):
            yield self._document(path, os.path.realpath(path), status, named=True)
            return
        real = os.path.realpath(path)
        if real in self._met:
            yield self._again(path, real)
            return
        self._met[real] = str(path)
        for entry in entries(path, self.choice, at_most=self.at_most):
            yield from self._entry(entry)

    def _entry(self, entry: Entry) -> Iterator[Met]:
        place, path = entry.place, Path(entry.place.path)
        if entry.error is not None:
            yield Fault(place.path, f"cannot be read: {entry.error.strerror}", lasting=False)
        elif entry.passed_over:
            yield PassedOver(place.path, entry.passed_over)
        elif entry.is_empty:
            if place.name.endswith(SUFFIXES):
                yield Fault(place.path, "an empty folder, under the name of a document")
        elif entry.status is None:
            if self._is_missed(place):
                yield Fault(place.path, _link(path))
        elif not stat.S_ISDIR(entry.status.st_mode) and self.choice.reads(place):
            kind = stat.S_IFMT(entry.status.st_mode)
            if kind == stat.S_IFREG:
                yield self._document(path, entry.real, entry.status, named=False)
            else:
                yield Fault(place.path, f"{_KINDS.get(kind, 'something else')}, under the name of a document")

    def _is_missed(self, place: Place) -> bool:
        """True if a link to nothing may have led to a file that is read, or to a folder."""
        if place.name.startswith(_EDITOR_LOCK):
            return False
        return self.choice.reads(place) or not _OTHER_FILE.search(place.name)

    def _document(self, path: Path, real: str, status: os.stat_result, *, named: bool) -> Document | PassedOver:
        keys: list[str | tuple[int, int]] = [real]
        if stat.S_ISREG(status.st_mode) and status.st_nlink > 1:  # only then: some file systems number no files
            keys.append((status.st_dev, status.st_ino))
        elif not stat.S_ISREG(status.st_mode):
            return Document(path, named)  # a pipe; its real path may be none
        before = next((key for key in keys if key in self._met), None)
        if before is not None:
            return self._again(path, before)
        self._met |= dict.fromkeys(keys, str(path))
        return Document(path, named)

    def _again(self, path: Path, key: str | tuple[int, int]) -> PassedOver:
        before = self._met[key]
        why = "it is read already" if before == str(path) else f"it is {before}, which is read already"
        return PassedOver(str(path), why, settled=True)


def in_chart(path: Path) -> bool:
    """True for a file in the folder of a Helm chart's templates, or below."""
    folders = (folder for folder in path.absolute().parents if folder.name == TEMPLATES_FOLDER)
    return any((folder.parent / name).is_file() for folder in folders for name in CHART_FILES)


def identity(path: Path) -> str:
    """The identity of a file, the same for all its names."""
    status = path.stat()
    is_shared = stat.S_ISREG(status.st_mode) and status.st_nlink > 1
    return f"{status.st_dev}:{status.st_ino}" if is_shared else os.path.realpath(path)


def _missing(path: Path, error: OSError) -> str:
    """Why a path that was named cannot be looked at."""
    if error.errno not in GONE:
        return f"cannot be read: {error.strerror}"
    return _link(path) if path.is_symlink() else "no such file or folder"


def _link(path: Path) -> str:
    """The fault of a link."""
    try:
        path.stat()
    except OSError as error:
        if error.errno == errno.ELOOP:
            return "a link in a circle"
        return f"a link to {path.readlink()}, which does not exist"
    return "a link that was changed meanwhile"
