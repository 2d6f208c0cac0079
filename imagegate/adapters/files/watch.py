"""Notices that files have changed, by looking at them now and then.

Looking works for every way a file is replaced: written in place, renamed over, or a Kubernetes ConfigMap whose
symbolic link is swapped.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

from imagegate.adapters.files.folders import CHECKSUM_SUFFIX, GONE, SUFFIXES, below

Fingerprint: TypeAlias = frozenset[tuple[str, int, int, int, int]]
_WATCHED = frozenset((*SUFFIXES, CHECKSUM_SUFFIX))


def fingerprint(paths: Iterable[Path]) -> Fingerprint:
    """State of the files now: name, inode, size, times of writing and of change.

    Folders count with the documents they hold, and the checksums of those: nothing else in them matters. A file that
    is not there is a state like any other.

    Raises:
        OSError: the files cannot be looked at: permissions, descriptors, a broken disk.
    """
    found: set[tuple[str, int, int, int, int]] = set()
    for path in paths:
        for each in (path, *(inside for inside in below(path) if inside.suffix in _WATCHED)):
            try:
                status = each.stat()
            except OSError as error:
                if error.errno not in GONE:
                    raise
                found.add((str(each), 0, 0, 0, 0))
            else:
                if stat.S_ISDIR(status.st_mode):
                    found.add((str(each), status.st_ino, 0, 0, 0))
                else:
                    found.add((str(each), status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns))
    return frozenset(found)


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
