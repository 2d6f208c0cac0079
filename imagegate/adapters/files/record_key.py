"""The key of the records of rewritten images, in files: a given one, or one that is made once and stored.

A stored key is ``imagegate-record-key-1 HEX SHA256-OF-HEX`` and a newline, mode 0600. Templates rewritten with it
are worth nothing without it, so that a damaged file is refused, never replaced.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import secrets
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from imagegate.adapters.files.documents import DiskDocuments
from imagegate.errors import InvalidSettings
from imagegate.ports.documents import Documents

KEY_MIN_BYTES = 16
GIVEN_KEY_MAX_BYTES = 64 * 1024
_MADE_BYTES = 32
_FORMAT = "imagegate-record-key-1"
_LINE = re.compile(rf"{_FORMAT} ([0-9a-f]{{64}}) ([0-9a-f]{{64}})\n")
_REMEDY = "restore it from a backup, or remove it and apply every rewritten workload again"


class KeyNotKept(Exception):
    """There is no key yet, and none can be stored; the message says why."""


def given_key(path: Path, documents: Documents | None = None) -> bytes:
    """The key in a file that an operator names, without white space around it; by default from disk.

    Raises:
        InvalidSettings: it cannot be read, or is too short or too long.
    """
    try:
        content = (documents or DiskDocuments(keep=True)).read(path, at_most=GIVEN_KEY_MAX_BYTES)
    except OSError as error:
        raise InvalidSettings(f"cise.recordKeyFile: {path}: {error.strerror or error}") from error
    key = content.strip()
    if len(key) < KEY_MIN_BYTES:
        raise InvalidSettings(f"cise.recordKeyFile: {path}: shorter than {KEY_MIN_BYTES} bytes")
    if len(content) > GIVEN_KEY_MAX_BYTES:
        raise InvalidSettings(f"cise.recordKeyFile: {path}: longer than {GIVEN_KEY_MAX_BYTES} bytes")
    return key


def kept_key(path: Path) -> bytes:
    """The key at ``path``; made there if there is none. Processes that start at the same time get the same key.

    Raises:
        KeyNotKept: there is none, and it cannot be written.
        InvalidSettings: what is there is not a key that was kept here, or others can read it.
    """
    try:
        return _kept(path)
    except OSError as error:
        if os.path.lexists(path):
            raise InvalidSettings(f"{path}: record key: {error.strerror or error}; {_REMEDY}") from error
    try:
        _make(path)
        return _kept(path)
    except OSError as error:
        raise KeyNotKept(f"{path}: {error.strerror or error}") from error


def _kept(path: Path) -> bytes:
    content = _read(path, 1024, private=True)
    found = _LINE.fullmatch(content.decode("ascii", "replace"))
    if found is None or hashlib.sha256(found[1].encode()).hexdigest() != found[2]:
        raise InvalidSettings(f"{path}: record key: damaged or cut off; {_REMEDY}")
    return bytes.fromhex(found[1])


def _make(path: Path) -> None:
    """Write a new key beside, then link it to its name, unless another process was faster: no one reads half a key."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _folder(path.parent) as folder:
        fcntl.flock(folder, fcntl.LOCK_EX)  # of the folder: leaves no file behind
        if os.path.lexists(path):
            return
        key = secrets.token_hex(_MADE_BYTES)
        line = f"{_FORMAT} {key} {hashlib.sha256(key.encode()).hexdigest()}\n"
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mode 0600
        fresh = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(line.encode())
                file.flush()
                os.fsync(file.fileno())
            fresh.rename(path)
        except OSError:
            fresh.unlink()
            raise
        os.fsync(folder)


@contextlib.contextmanager
def _folder(path: Path) -> Iterator[int]:
    folder = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY)
    try:
        yield folder
    finally:
        os.close(folder)


def _read(path: Path, at_most: int, *, private: bool = False) -> bytes:
    """A regular file's content, at most one byte more than ``at_most``. Never waits for a pipe.

    Args:
        private: refuse links, files of other users, and files that other users can read or write.
    """
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (os.O_NOFOLLOW if private else 0)
    with os.fdopen(os.open(path, flags), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError("not a regular file")
        if private and (status.st_mode & (stat.S_IRWXG | stat.S_IRWXO) or status.st_uid not in {0, os.geteuid()}):
            raise InvalidSettings(
                f"{path}: record key: other users may use the file (user {status.st_uid}, mode"
                f" {stat.S_IMODE(status.st_mode):04o}), and whoever has read it can forge records: remove it and apply"
                " every rewritten workload again"
            )
        return file.read(at_most + 1)
