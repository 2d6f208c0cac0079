"""Reports and VEX documents in files.

A folder of reports is asked by digest: ``sha256-HEX.json``, ``sha256-HEX.sarif``, and every ``.json`` and ``.sarif``
file in the folder ``sha256-HEX``. Listed files and a folder of VEX documents are read whole.
"""

from __future__ import annotations

import os
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from imagegate.core.admission.lookup import Found, Lookup, Unknown
from imagegate.core.references.openshift import ImageReference
from imagegate.core.registry.manifest import is_strict_digest
from imagegate.errors import EvidenceError, TooLarge, Unreachable
from imagegate.ports.registry import RegistryAccess
from imagegate.ports.vulnerabilities import FoundDocument, ReportDocuments

ENDINGS = (".json", ".sarif")
FILES_MAX = 256
"""Of one folder; more are an error, not a choice."""


class ReportFolder:
    """A folder with the reports of each digest."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def documents(
        self,
        image: ImageReference,
        *,
        access: RegistryAccess,  # noqa: ARG002 - files need no credentials
        max_bytes: int,
        deadline_s: float,  # noqa: ARG002 - files are not waited for
    ) -> Lookup[tuple[FoundDocument, ...]]:
        """See ``ReportDocuments``."""
        if not is_strict_digest(image.id):
            return Unknown(f"{image.id[:200]!r} is not a digest", retryable=False)
        stem = image.id.replace(":", "-", 1)
        try:
            if not self._folder.is_dir():
                raise Unreachable(f"{self._folder} is not a folder")
            files = [self._folder / f"{stem}{ending}" for ending in ENDINGS]
            found = [_read(file, max_bytes, names_image=True) for file in [*files, *_files(self._folder / stem)]]
        except EvidenceError as error:
            return Unknown(str(error))
        return Found(tuple(each for each in found if each is not None), str(self._folder))


class ListedFiles:
    """Files named one by one, or all of a folder, whatever image they are about."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def documents(
        self,
        image: ImageReference,  # noqa: ARG002 - the files do not depend on it
        *,
        access: RegistryAccess,  # noqa: ARG002 - files need no credentials
        max_bytes: int,
        deadline_s: float,  # noqa: ARG002 - files are not waited for
    ) -> Lookup[tuple[FoundDocument, ...]]:
        """See ``ReportDocuments``."""
        try:
            if not self._path.exists():
                raise Unreachable(f"{self._path} does not exist")
            files = _files(self._path) if self._path.is_dir() else [self._path]
            found = [_read(file, max_bytes) for file in files]
        except (EvidenceError, OSError) as error:
            return Unknown(str(error))
        return Found(tuple(each for each in found if each is not None), str(self._path))


def _files(folder: Path) -> list[Path]:
    """The documents in a folder, by name; none if there is no such folder.

    Raises:
        Unreachable: it cannot be listed.
        TooLarge: it has more than ``FILES_MAX``.
    """
    try:
        names = sorted(each.name for each in folder.iterdir() if each.name.endswith(ENDINGS))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise Unreachable(f"{folder}: {error.strerror or error}") from error
    if len(names) > FILES_MAX:
        raise TooLarge(f"{folder} has more than {FILES_MAX} documents")
    return [folder / name for name in names]


def _read(file: Path, max_bytes: int, *, names_image: bool = False) -> FoundDocument | None:
    """The document; None if there is no such file.

    Raises:
        Unreachable: it cannot be read.
        TooLarge: it has more than ``max_bytes``.
    """
    try:
        with open(file, "rb", opener=_without_waiting) as stream:
            status = os.fstat(stream.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise Unreachable(f"{file} is not a regular file")
            content = stream.read(max_bytes + 1)
        modified = datetime.fromtimestamp(status.st_mtime, UTC)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, OverflowError) as error:
        raise Unreachable(f"{file}: {getattr(error, 'strerror', '') or error}") from error
    if len(content) > max_bytes:
        raise TooLarge(f"{file} has more than {max_bytes} bytes")
    return FoundDocument(str(file), content, names_image, modified)


def _without_waiting(name: str, flags: int) -> int:
    """Opens a file; a pipe without a writer would be waited for until there is one."""
    return os.open(name, flags | os.O_NONBLOCK)


if TYPE_CHECKING:  # mypy checks each adapter against its port
    _: tuple[type[ReportDocuments], type[ReportDocuments]] = (ReportFolder, ListedFiles)
