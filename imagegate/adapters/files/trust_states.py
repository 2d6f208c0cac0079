"""The trusted state of each repository, as files in a folder that replicas share."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from imagegate.ports.content_trust import TrustStates, TrustStoreError

LOCK = "lock"


class TrustStateFolder:
    """The ``TrustStates`` port over a folder: one file for each repository, replaced whole.

    The folder is made here and never again: if it is gone later, that is an error and no first use.

    Raises:
        TrustStoreError: the folder cannot be made or written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with self._translated():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600))

    def get(self, server: str, gun: str) -> bytes | None:
        """See ``TrustStates``."""
        with self._translated(), self._locked(fcntl.LOCK_SH):
            return self._read(self._path(server, gun))

    def replace(self, server: str, gun: str, *, before: bytes | None, after: bytes) -> bool:
        """See ``TrustStates``."""
        path = self._path(server, gun)
        with self._translated(), self._locked(fcntl.LOCK_EX):
            if self._read(path) != before:
                return False
            fresh = path.with_suffix(".new")
            with open(fresh, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as stream:
                stream.write(after)
                stream.flush()
                os.fsync(stream.fileno())
            fresh.replace(path)
            folder = os.open(self._folder, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        return True

    def _path(self, server: str, gun: str) -> Path:
        name = hashlib.sha256(f"{server} {gun}".encode()).hexdigest()  # neither holds a space
        return self._folder / f"{name}.json"

    @staticmethod
    def _read(path: Path) -> bytes | None:
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None

    @contextlib.contextmanager
    def _locked(self, how: int) -> Iterator[None]:
        lock = os.open(self._folder / LOCK, os.O_RDWR)  # no O_CREAT: a folder that is gone is no empty one
        try:
            fcntl.flock(lock, how)
            yield
        finally:
            os.close(lock)

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise TrustStoreError(f"{error.filename or self._folder}: {error.strerror or error}") from error


if TYPE_CHECKING:  # mypy checks each adapter against its port
    _: type[TrustStates] = TrustStateFolder
