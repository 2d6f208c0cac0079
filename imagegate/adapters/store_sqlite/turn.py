"""The turn among the processes that have one store open: a lock beside its file."""

from __future__ import annotations

import fcntl
import logging
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from imagegate.ports.turns import Turn, TurnState

_log = logging.getLogger(__name__)


class StoreTurn:
    """``ports.turns.Turn``. A process that has the turn keeps it; the system frees it however the process ends.

    Args:
        store: path of the store's file.
    """

    def __init__(self, store: Path) -> None:
        self._path = Path(f"{store}.imports.lock")
        self._taking = threading.Lock()
        self._lock: tuple[int, int] | None = None
        """The process that took the lock, and its descriptor: a fork does not hold it."""
        self._released = False
        self._problem = ""

    def is_mine(self) -> bool:
        """See ``ports.turns.Turn``."""
        with self._taking:
            if self._released:
                return False
            if self._lock is None or self._lock[0] != os.getpid():
                self._take()
            return self._lock is not None and self._lock[0] == os.getpid()

    def release(self) -> None:
        """See ``ports.turns.Turn``."""
        with self._taking:
            self._released = True
            if self._lock is not None and self._lock[0] == os.getpid():
                os.close(self._lock[1])
            self._lock = None

    def state(self) -> TurnState | None:
        """None: see ``ports.turns.Turn``."""
        return None

    def _take(self) -> None:
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(descriptor)
                raise
        except BlockingIOError:
            self._problem = ""
        except OSError as error:
            if self._problem != str(error):
                _log.error("imports in the background wait: %s cannot be locked: %s", self._path, error.strerror)
            self._problem = str(error)
        else:
            self._problem = ""
            self._lock = (os.getpid(), descriptor)


if TYPE_CHECKING:  # mypy checks each adapter against its port
    _: type[Turn] = StoreTurn
