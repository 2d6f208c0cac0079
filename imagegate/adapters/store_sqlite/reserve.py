"""Room on the disk that is reserved for deletes: without it a full disk could only be cleared by hand.

SQLite writes before it frees: every page that a delete changes goes to the write-ahead log first. So a file beside the
store holds some blocks. A delete without room frees them, completes, and reserves them again.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from imagegate.ports.image_store import StoreError, StoreFull

RESERVE_MAX_BYTES = 1024 * 1024
SHARE_OF_DISK = 16
"""The part of a small disk that is reserved."""
LOW_BYTES = 32 * 1024 * 1024
"""Bytes below which writes are moved to the main file at once: the log would need the room twice."""
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Reserve:
    """The file with the blocks; shared by all processes that have the store open.

    Args:
        path: of the file.

    Raises:
        StoreError: it cannot be written, and not because the disk is full.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        disk = self._disk_stats()
        share = disk.f_blocks * disk.f_frsize // SHARE_OF_DISK
        self.wanted = min(RESERVE_MAX_BYTES, share) // 4096 * 4096
        self._try_reserve()

    def free_bytes(self) -> int:
        """Bytes that users other than root can still write."""
        disk = self._disk_stats()
        return disk.f_bavail * disk.f_frsize

    def _disk_stats(self) -> os.statvfs_result:
        try:
            return os.statvfs(self._path.parent)
        except OSError as error:
            raise StoreError(f"{self._path.parent}: cannot be looked at: {error.strerror}") from error

    def check(self, needed: int) -> None:
        """Refuse a write that does not fit beside the reserve.

        Args:
            needed: approximate bytes that it adds to the store; the log needs the same again.

        Raises:
            StoreFull: it does not fit.
        """
        free = self.free_bytes()
        if free < LOW_BYTES and free < 2 * needed:
            what = f"no room left to write: {free} bytes are free, {2 * needed} are needed; nothing was changed"
            raise StoreFull(f"{self._path.parent}: {what}")
        if self._size() < self.wanted and not self._try_reserve():
            what = f"no room left to write: {self.wanted} bytes are reserved for deletes; nothing was changed"
            raise StoreFull(f"{self._path.parent}: {what}")

    @contextmanager
    def given_up(self) -> Iterator[None]:
        """Free the room meanwhile. One process at a time; other writers are refused.

        Raises:
            StoreError: the file cannot be opened.
        """
        descriptor = self._opened()
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            os.ftruncate(descriptor, 0)
            try:
                yield
            finally:
                self._reserve_blocks(descriptor)
        finally:
            os.close(descriptor)

    def _opened(self) -> int:
        try:
            return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            what = f"{self._path}: cannot be opened: {error.strerror}"
            raise (StoreFull if error.errno in _FULL else StoreError)(what) from error

    def _size(self) -> int:
        try:
            return self._path.stat().st_size
        except OSError:
            return 0

    def _try_reserve(self) -> bool:
        """Reserve the room if the disk has it; True if it is reserved now."""
        try:
            descriptor = self._opened()
        except StoreFull:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return self._reserve_blocks(descriptor)
        except BlockingIOError:
            return False  # a delete has it
        finally:
            os.close(descriptor)

    def _reserve_blocks(self, descriptor: int) -> bool:
        """True if all of it is reserved; a part is kept, too."""
        wanted = self.wanted
        while wanted > os.fstat(descriptor).st_size:
            try:
                os.posix_fallocate(descriptor, 0, wanted)
            except OSError as error:
                if error.errno not in _FULL:
                    raise StoreError(f"{self._path}: cannot be written: {error.strerror}") from error
                wanted = wanted // 2 // 4096 * 4096
        return wanted == self.wanted
