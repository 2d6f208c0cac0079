"""The newest version that a process of this replica has written: what the others must show to a client."""

from __future__ import annotations

import fcntl
import mmap
import os
import threading
from collections.abc import Callable

_BYTES = 8


class WrittenVersion:
    """A number that the processes which are forked from this one share. It goes up, unless it is set back."""

    def __init__(self) -> None:
        self._file = os.memfd_create("imagegate-written-version")
        os.ftruncate(self._file, _BYTES)
        self._memory = mmap.mmap(self._file, _BYTES)
        self._lock = threading.Lock()

    def now(self) -> int:
        """The version."""
        return int.from_bytes(self._memory[:_BYTES], "little")

    def raise_to(self, version: int) -> None:
        """Note that a version was written."""
        if version > self.now():
            self._change(lambda now: max(now, version))

    def set_back_to(self, version: int) -> None:
        """Note that the API server has nothing newer, as after a restore of etcd."""
        if version < self.now():
            self._change(lambda now: min(now, version))

    def _change(self, new: Callable[[int], int]) -> None:
        with self._lock:
            fcntl.lockf(self._file, fcntl.LOCK_EX)  # the system frees it when a process ends, however it ends
            try:
                self._memory[:_BYTES] = new(self.now()).to_bytes(_BYTES, "little")
            finally:
                fcntl.lockf(self._file, fcntl.LOCK_UN)
