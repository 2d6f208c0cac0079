"""The file with certificate and key that the processes of one replica share; only the service's user may read it."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from imagegate.ports.certificates import PairFile

CONTENT_MAX_BYTES = 1024 * 1024


class PrivateFile:
    """``ports.certificates.PairFile``. Its folder is made with the first content."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def content(self) -> bytes:
        """See ``ports.certificates.PairFile``."""
        try:
            with self._path.open("rb") as file:
                return file.read(CONTENT_MAX_BYTES)
        except FileNotFoundError:
            return b""

    def put(self, content: bytes) -> None:
        """See ``ports.certificates.PairFile``."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{self._path.name}.", dir=self._path.parent)  # mode 0600
        fresh = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
            fresh.replace(self._path)
        except OSError:
            with contextlib.suppress(OSError):
                fresh.unlink()
            raise


if TYPE_CHECKING:  # mypy checks each adapter against its port
    _: type[PairFile] = PrivateFile
