"""Writing files in folders that may contain hostile links: never through a link, and never half a file.

A folder may come from a foreign repository. A link in it, to a start-up file for example, would make a file
outside of it the one that is written.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from imagegate.errors import InvalidInput

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_MODE = 0o666
"""Of new files, as the umask leaves it."""


@dataclass(frozen=True, slots=True)
class _Staged:
    """A file that is written, under a name of its own, and not yet put in place."""

    folder: int
    """Descriptor."""
    name: str
    temporary: str


def write_files(files: Mapping[Path, str]) -> None:
    """Write all files, or none if one of them cannot be: each is a new file that takes the place of the old one.

    No link is followed in any part of a path, and nothing but a regular file is replaced, whose permissions are
    kept. Folders that are missing are made.

    Raises:
        InvalidInput: a path leads through a link, or to something that is not a file.
        OSError: it cannot be written.
    """
    staged: list[_Staged] = []
    try:
        for path, text in files.items():
            with _reported(path):
                staged.append(_stage(path, text))
        for each in staged:
            os.rename(each.temporary, each.name, src_dir_fd=each.folder, dst_dir_fd=each.folder)
    finally:
        for each in staged:
            _discard(each)


def write_new_file(path: Path, text: str, *, mode: int) -> None:
    """Write a file that is not there yet, with this mode from its first moment on, through no link.

    Raises:
        InvalidInput: a path leads through a link.
        OSError: it is there, or cannot be written.
    """
    with _reported(path):
        folder = _open_folder(path.parent)
        try:
            with os.fdopen(os.open(path.name, _NEW, mode, dir_fd=folder), "w", encoding="utf-8") as stream:
                os.fchmod(stream.fileno(), mode)  # whatever the umask says
                stream.write(text)
        finally:
            os.close(folder)


def _stage(path: Path, text: str) -> _Staged:
    folder = _open_folder(path.parent)
    staged = _Staged(folder, path.name, f".{path.name[:100]}.{secrets.token_hex(8)}")
    try:
        kept = _mode_of(path, folder)
        with os.fdopen(os.open(staged.temporary, _NEW, _MODE, dir_fd=folder), "w", encoding="utf-8") as stream:
            stream.write(text)
            if kept is not None:
                os.fchmod(stream.fileno(), kept)
    except BaseException:
        _discard(staged)
        raise
    return staged


def _discard(staged: _Staged) -> None:
    """Close the folder; what was not put in place goes."""
    try:
        os.unlink(staged.temporary, dir_fd=staged.folder)
    except FileNotFoundError:
        pass
    finally:
        os.close(staged.folder)


def _mode_of(path: Path, folder: int) -> int | None:
    """The permissions of the file that is replaced; None if there is none."""
    try:
        status = os.stat(path.name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
    if stat.S_ISLNK(status.st_mode):
        raise _link(path)
    if not stat.S_ISREG(status.st_mode):
        raise InvalidInput(f"{path}: not written: what stands there is no file")
    return stat.S_IMODE(status.st_mode)


def _open_folder(path: Path) -> int:
    """A descriptor of a folder, made if it is missing, from the root or the working directory on."""
    current = os.open(path.anchor or ".", _FOLDER)
    walked = Path(path.anchor)
    for part in path.parts[1:] if path.anchor else path.parts:
        walked /= part
        outer = current
        try:
            current = _open_inner(part, outer, walked)
        finally:
            os.close(outer)
    return current


def _open_inner(name: str, outer: int, path: Path) -> int:
    for _ in range(2):
        try:
            return os.open(name, _FOLDER, dir_fd=outer)
        except FileNotFoundError:
            try:
                os.mkdir(name, dir_fd=outer)
            except FileExistsError:
                continue  # made by another program meanwhile
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENOTDIR) and _is_link(name, outer):
                raise _link(path) from error
            raise
    return os.open(name, _FOLDER, dir_fd=outer)


def _is_link(name: str, folder: int) -> bool:
    return stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)


def _link(path: Path) -> InvalidInput:
    return InvalidInput(f"{path}: is a link to {path.readlink()}: nothing is written through links")


@contextmanager
def _reported(path: Path) -> Iterator[None]:
    """Errors with the whole path, not only the part that was opened."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
