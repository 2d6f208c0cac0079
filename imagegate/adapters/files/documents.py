"""Documents from disk, each read once, so that what is stored is what was decided about."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from imagegate.adapters.files.folders import GONE, documents_below
from imagegate.adapters.files.input import read_with_status
from imagegate.documents.yaml.source import DOCUMENT_MAX_BYTES
from imagegate.ports.documents import Documents, Entry, Index, Recorded

_Stamp = tuple[int, int, int, int, int]


@dataclass(frozen=True, slots=True)
class _Read:
    """One file as it was read."""

    entry: Entry
    stamp: _Stamp


class DiskDocuments:
    """``ports.documents.Recorded`` over the file system.

    Args:
        keep: remember contents, so that they can be handed on. Then only regular files will do; else pipes too
            (``<(...)`` of a shell): see ``read_file``.
    """

    def __init__(self, *, keep: bool = False) -> None:
        self._keep = keep
        self._read: dict[str, _Read] = {}
        self._packed: dict[Entry, bytes] = {}
        self._pipes: dict[str, bytes] = {}
        self._folders: dict[str, tuple[str, ...]] = {}
        self._kinds: dict[str, str] = {}
        self.trouble = False
        """True if a file was there and could not be read: another attempt may succeed without any change."""

    def read(self, path: Path, *, at_most: int = DOCUMENT_MAX_BYTES) -> bytes:
        """See ``ports.documents.Documents``."""
        if str(path) in self._pipes:
            return self._pipes[str(path)]
        known = self._read.get(str(path))
        if known is not None and self._keep:
            return zlib.decompress(self._packed[known.entry])
        try:
            content, status = read_with_status(path, at_most, named=not self._keep)
        except OSError as error:
            self.trouble |= error.errno not in GONE
            raise
        entry = Entry(hashlib.sha256(content).hexdigest(), len(content))
        self._read[str(path)] = _Read(entry, _stamp(status))
        if stat.S_ISFIFO(status.st_mode):
            self._pipes[str(path)] = content  # it cannot be read twice
        if self._keep and entry not in self._packed:
            self._packed[entry] = zlib.compress(content, 1)
        return content

    def is_folder(self, path: Path) -> bool:
        """See ``ports.documents.Documents``."""
        return self._kind(path) == "folder"

    def is_file(self, path: Path) -> bool:
        """See ``ports.documents.Documents``."""
        return self._kind(path) == "file"

    def below(self, folder: Path) -> list[Path]:
        """See ``ports.documents.Documents``."""
        known = self._folders.get(str(folder))
        if known is None or not self._keep:
            try:
                known = tuple(map(str, documents_below(folder)))
            except OSError:
                self.trouble = True
                raise
            self._folders[str(folder)] = known
        return list(map(Path, known))

    def _kind(self, path: Path) -> str:
        known = self._kinds.get(str(path))
        if known is None or not self._keep:
            known = self._kinds[str(path)] = "folder" if path.is_dir() else "file" if path.is_file() else ""
        return known

    def index(self) -> Index:
        """See ``ports.documents.Recorded``."""
        return Index({path: found.entry for path, found in self._read.items()}, dict(self._folders), dict(self._kinds))

    def packed(self, entry: Entry) -> bytes:
        """See ``ports.documents.Recorded``."""
        found = self._packed.get(entry)
        if found is None:
            raise FileNotFoundError(errno.ENOENT, "was not read", entry.sha256)
        return found

    def youngest(self) -> float:
        """When a file or folder was changed last (seconds since 1970); 0 where none was read.

        Raises:
            OSError: a folder cannot be looked at.
        """
        folders = {*self._folders, *(str(Path(path).parent) for inside in self._folders.values() for path in inside)}
        stamps = [found.stamp for found in self._read.values()]
        stamps += [stamp for folder in folders if (stamp := _stamp_of(folder)) is not None]
        return max((stamp[4] for stamp in stamps), default=0) / 1e9

    def unchanged(self) -> bool:
        """True if everything is still as it was when it was read: nothing was read while it was being written.

        Raises:
            OSError: it cannot be looked at.
        """
        return all(_stamp_of(path) == found.stamp for path, found in self._read.items()) and all(
            tuple(map(str, documents_below(Path(folder)))) == known for folder, known in self._folders.items()
        )


def _stamp_of(path: str) -> _Stamp | None:
    try:
        return _stamp(Path(path).stat())
    except OSError as error:
        if error.errno in GONE:
            return None
        raise


def _stamp(status: os.stat_result) -> _Stamp:
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


if TYPE_CHECKING:  # mypy checks each adapter against its port
    _: tuple[type[Documents], type[Recorded]] = (DiskDocuments, DiskDocuments)
