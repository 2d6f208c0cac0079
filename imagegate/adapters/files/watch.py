"""Notices that files have changed, by looking at them now and then.

Looking works for every way a file is replaced: written in place, renamed over, or a Kubernetes ConfigMap whose
symbolic link is swapped.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

from imagegate.adapters.files.folders import ENTRIES_MAX, GONE, entries
from imagegate.adapters.files.walk import CHECKSUM_SUFFIX, SUFFIXES, ByName

Fingerprint: TypeAlias = frozenset[tuple[str, int, int, int, int]]
_WATCHED = (*SUFFIXES, CHECKSUM_SUFFIX)


def fingerprint(paths: Iterable[Path]) -> Fingerprint:
    """State of the files now: name, inode, size, times of writing and of change.

    Folders count with the documents they hold, and the checksums of those: nothing else in them matters. A file that
    is not there is a state like any other.

    Raises:
        OSError: the files cannot be looked at: permissions, descriptors, a broken disk.
    """
    found: set[tuple[str, int, int, int, int]] = set()
    for path in paths:
        try:
            found.add(_state(str(path), path.stat()))
        except OSError as error:
            if error.errno not in GONE:
                raise
            found.add(_state(str(path), None))
        for entry in entries(path, ByName(_WATCHED), at_most=ENTRIES_MAX):
            if entry.error is not None:
                raise entry.error
            if entry.place.inside.endswith(_WATCHED):
                found.add(_state(entry.place.path, entry.status))
    return frozenset(found)


def _state(path: str, status: os.stat_result | None) -> tuple[str, int, int, int, int]:
    if status is None:
        return (path, 0, 0, 0, 0)
    if stat.S_ISDIR(status.st_mode):
        return (path, status.st_ino, 0, 0, 0)
    return (path, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


class FileWatch:
    """Says when files have become others than those acted upon, once two looks running found them alike.

    A file that is being written is not read before it rests. Not for several threads.
    """

    def __init__(self, acted: Fingerprint = frozenset()) -> None:
        """Start with files that were read when they had this fingerprint; by default with no files."""
        self._acted = acted
        self._candidate: Fingerprint | None = None

    def look(self, paths: Iterable[Path]) -> bool:
        """Look once; whether there is a change to act upon.

        Raises:
            OSError: see ``fingerprint``.
        """
        now = fingerprint(paths)
        if now == self._acted:
            self._candidate = None
            return False
        rests = now == self._candidate
        self._candidate = now
        return rests

    def rests(self) -> bool:
        """True if nothing differed at the last look."""
        return self._candidate is None

    def mark(self, paths: Iterable[Path]) -> Fingerprint:
        """State of the files now, for ``acted``.

        Raises:
            OSError: see ``fingerprint``.
        """
        return fingerprint(paths)

    def acted(self, on: Fingerprint) -> None:
        """The files were read as they were at this fingerprint."""
        self._acted = on
        self._candidate = None
