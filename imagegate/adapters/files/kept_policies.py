"""The last good documents in a folder: one file for each content, and a list that names them, replaced whole.

In memory it is shared by the processes of a service; beside the store it outlives them.

::

    newest            SHA-256 of the rest, then JSON: generation, version, time, paths with digests, folders
    contents/HEX      a document, compressed (zlib), under the SHA-256 of its content
    lock              held while the list is replaced
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import shutil
import stat
import threading
import zlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imagegate.documents.yaml.source import DOCUMENT_MAX_BYTES
from imagegate.ports.documents import DamagedState, Entry, Index, Kept, KeptPolicies, Recorded

FORMAT = 1
LIST_MAX_BYTES = 64 << 20
_LIST, _CONTENTS, _LOCK = "newest", "contents", "lock"
_REMEDY = "remove the folder to do without, or repair the files that are named in the settings"


class KeptDocuments:
    """``ports.documents.Recorded`` over what a folder keeps."""

    def __init__(self, folder: Path, index: Index) -> None:
        self._folder = folder
        self._index = index

    def index(self) -> Index:
        """See ``ports.documents.Recorded``."""
        return self._index

    def packed(self, entry: Entry) -> bytes:
        """See ``ports.documents.Recorded``."""
        return _read(self._folder / _CONTENTS / entry.sha256, entry.size + (entry.size >> 9) + 1024)

    def read(self, path: Path, *, at_most: int = DOCUMENT_MAX_BYTES) -> bytes:
        """See ``ports.documents.Documents``.

        Raises:
            DamagedState: the content is not what was written.
        """
        entry = self._index.documents.get(str(path))
        if entry is None:
            raise FileNotFoundError(errno.ENOENT, "not among the documents that were kept", str(path))
        where = self._folder / _CONTENTS / entry.sha256
        try:
            content = zlib.decompressobj().decompress(self.packed(entry), entry.size + 1)
        except zlib.error as error:
            raise DamagedState(f"{where}: kept for {path}: {error}; {_REMEDY}") from error
        if Entry(hashlib.sha256(content).hexdigest(), len(content)) != entry:
            raise DamagedState(f"{where}: kept for {path}: the content is not that of its SHA-256; {_REMEDY}")
        return content[: at_most + 1]

    def is_folder(self, path: Path) -> bool:
        """See ``ports.documents.Documents``."""
        return self._index.kinds.get(str(path)) == "folder"

    def is_file(self, path: Path) -> bool:
        """See ``ports.documents.Documents``."""
        return self._index.kinds.get(str(path)) == "file"

    def below(self, folder: Path) -> list[Path]:
        """See ``ports.documents.Documents``."""
        return list(map(Path, self._index.folders.get(str(folder), ())))

    def identity(self, path: Path) -> str:
        """See ``ports.documents.Documents``."""
        return self._index.identities.get(str(path), str(path))

    def pass_over(self, remark: str) -> None:
        """Nothing: it was said when the documents were read from disk."""

    def passed_over(self) -> tuple[str, ...]:
        """See ``ports.documents.Documents``."""
        return ()


class PolicyFolder:
    """``ports.documents.KeptPolicies`` in a folder, which is made when something is stored."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._threads = threading.Lock()

    def stamp(self) -> object:
        """See ``ports.documents.KeptPolicies``."""
        try:
            status = (self.folder / _LIST).stat()
        except FileNotFoundError:
            return None
        return (status.st_ino, status.st_mtime_ns, status.st_size)

    def newest(self) -> Kept | None:
        """See ``ports.documents.KeptPolicies``."""
        where = self.folder / _LIST
        try:
            _check_owner(self.folder)
            content = _read(where, LIST_MAX_BYTES)
        except FileNotFoundError:
            return None
        digest, _, rest = content.partition(b"\n")
        if digest.decode("ascii", "replace") != hashlib.sha256(rest).hexdigest():
            raise DamagedState(f"{where}: the content is not that of its SHA-256; {_REMEDY}")
        try:
            return self._kept(json.loads(rest))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DamagedState(f"{where}: cannot be understood by this version ({error}); {_REMEDY}") from error

    def _kept(self, found: dict[str, Any]) -> Kept:
        if found["format"] != FORMAT:
            raise ValueError(f"format {found['format']}, expected {FORMAT}")
        index = Index(
            {path: Entry(sha256, int(size)) for path, sha256, size in found["documents"]},
            {folder: tuple(paths) for folder, paths in found["folders"].items()},
            found["kinds"],
            found.get("identities", {}),
        )
        if any(len(entry.sha256) != 64 or not entry.sha256.isalnum() for entry in index.documents.values()):
            raise ValueError("a digest is none")
        at = datetime.fromisoformat(found["at"])
        return Kept(int(found["generation"]), found["version"], at, KeptDocuments(self.folder, index))

    def keep(self, documents: Recorded, *, version: str, at: datetime) -> Kept:
        """See ``ports.documents.KeptPolicies``."""
        contents = self.folder / _CONTENTS
        for folder in (self.folder, contents):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        index = documents.index()
        wanted = {entry.sha256: entry for entry in index.documents.values()}
        present = {path.name for path in contents.iterdir()}
        for sha256, entry in wanted.items():
            packed = documents.packed(entry)
            if sha256 not in present or not _holds(contents / sha256, packed):
                _write(contents / sha256, packed)
        kept = Kept(self._generation() + 1, version, at, KeptDocuments(self.folder, index))
        rest = json.dumps(
            {
                "format": FORMAT,
                "generation": kept.generation,
                "version": version,
                "at": at.isoformat(),
                "documents": [[path, *entry] for path, entry in index.documents.items()],
                "folders": dict(index.folders),
                "kinds": dict(index.kinds),
                "identities": dict(index.identities),
            }
        ).encode("ascii")  # names of files may be any bytes: JSON escapes them
        _write(self.folder / _LIST, hashlib.sha256(rest).hexdigest().encode() + b"\n" + rest)
        for name in present - wanted.keys():
            with contextlib.suppress(OSError):  # left over is no harm
                (contents / name).unlink()
        return kept

    def _generation(self) -> int:
        try:
            kept = self.newest()
        except DamagedState:
            return 0
        return 0 if kept is None else kept.generation

    def forget(self) -> None:
        """See ``ports.documents.KeptPolicies``."""
        (self.folder / _LIST).unlink(missing_ok=True)
        shutil.rmtree(self.folder / _CONTENTS, ignore_errors=True)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """See ``ports.documents.KeptPolicies``."""
        with self._threads:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(self.folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
            finally:
                os.close(lock)


def _check_owner(folder: Path) -> None:
    """A file that anybody may write is not trusted.

    Raises:
        DamagedState: the folder, or one that was put in its place, may be written by all users.
    """
    for each in (folder, folder / _CONTENTS, folder / _LIST):
        status = os.lstat(each)
        if stat.S_ISLNK(status.st_mode) or status.st_mode & stat.S_IWOTH:
            what = "a link" if stat.S_ISLNK(status.st_mode) else "writable for all users"
            raise DamagedState(f"{each}: kept policies are not taken from what is {what}; {_REMEDY}")


def _read(path: Path, at_most: int) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        return file.read(at_most + 1)


def _holds(path: Path, content: bytes) -> bool:
    try:
        return _read(path, len(content)) == content
    except OSError:  # then it is written anew
        return False


def _write(path: Path, content: bytes) -> None:
    """Replace a file whole; on disk before its name is."""
    fresh = path.parent / f".{path.name}.{os.getpid()}"
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        with os.fdopen(os.open(fresh, flags, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            fresh.unlink()
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


if TYPE_CHECKING:  # mypy checks each adapter against its port
    _: tuple[type[Recorded], type[KeptPolicies]] = (KeptDocuments, PolicyFolder)
