"""Notices that files have changed, by looking at them now and then.

Looking works for every way a file is replaced: written in place, renamed over, or a Kubernetes ConfigMap whose
symbolic link is swapped.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeAlias

Fingerprint: TypeAlias = frozenset[tuple[str, int, int, int]]


def fingerprint(paths: Iterable[Path]) -> Fingerprint:
    """What the files are like now: name, inode, size and time of change. Folders count with all they hold."""
    found: set[tuple[str, int, int, int]] = set()
    for path in paths:
        inside = path.rglob("*") if path.is_dir() else ()
        for each in (path, *inside):
            try:
                status = each.stat()
            except OSError:  # gone, or not yet there: that is a state too
                found.add((str(each), 0, 0, 0))
            else:
                found.add((str(each), status.st_ino, status.st_size, status.st_mtime_ns))
    return frozenset(found)


class FileWatch:
    """Calls ``changed`` after any of the files has become another than when last looked at."""

    def __init__(self, paths: Callable[[], Iterable[Path]], changed: Callable[[], object], *, every_s: float) -> None:
        self._paths = paths
        self._changed = changed
        self._every_s = every_s
        self._seen = fingerprint(paths())
        self._stop = threading.Event()

    def look(self) -> bool:
        """Look once; whether something had changed."""
        now = fingerprint(self._paths())
        if now == self._seen:
            return False
        self._seen = now  # taken before reading: what changes meanwhile is read again
        self._changed()
        return True

    def start(self) -> None:
        """Keep looking in a thread of this process. To be called after a fork."""
        threading.Thread(target=self._keep_looking, name="file-watch", daemon=True).start()

    def stop(self) -> None:
        """Let the thread end."""
        self._stop.set()

    def _keep_looking(self) -> None:
        while not self._stop.wait(self._every_s):
            self.look()
