"""Descent into folders: the one way for everything that reads or watches files. docs/files.md has the rules.

A kubelet keeps the contents of a mounted ConfigMap in ``..2026_...`` and switches the link ``..data``; programs see
links through ``..data``, folders among them. So links to folders are followed as long as they stay inside, each real
folder is read once, and what only has another name is not read again.
"""

from __future__ import annotations

import errno
import os
import stat
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

ENTRIES_MAX = 200_000
"""Entries of a folder that a service reads."""
GONE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})
"""Errors that mean a path leads to nothing. Any other error means that it could not be read."""
LINK_ELSEWHERE = "a link to a folder elsewhere"
_VOLUME_LINK = "..data"
_VOLUME_LINKS = frozenset({_VOLUME_LINK, "..data_tmp"})


class Place(NamedTuple):
    """A file's or folder's place."""

    path: str
    """As it is shown."""
    inside: str
    """The path below the folder that was named."""

    @property
    def name(self) -> str:
        """The last part."""
        return self.inside.rpartition("/")[2]

    def child(self, name: str) -> Place:
        """The place of something in this folder."""
        path = name if self.path == "." else f"{self.path.rstrip('/')}/{name}"
        return Place(path, f"{self.inside}/{name}" if self.inside else name)


class Choice(Protocol):
    """Folders that are looked into, and files that are read."""

    def excludes(self, place: Place) -> bool:
        """True if the user does not want this file or folder."""

    def enters(self, place: Place) -> bool:
        """True if the user wants this hidden folder."""

    def reads(self, place: Place) -> bool:
        """True if a file of this name is read."""


class Entry(NamedTuple):
    """Something in a folder."""

    place: Place
    real: str
    """Real path."""
    status: os.stat_result | None
    """Of what a link leads to; None: a link to nothing, or what could not be looked at."""
    is_link: bool = False
    passed_over: str = ""
    """Why a folder is not looked into."""
    error: OSError | None = None
    """Why it could not be looked at."""
    is_empty: bool = False
    """A folder in which there is nothing."""


class _Folder(NamedTuple):
    place: Place
    real: str


@dataclass(slots=True)
class _Descent:
    """The state of one walk below a folder."""

    top: str
    """Real path."""
    choice: Choice
    links: deque[Place] = field(default_factory=deque)
    """They come last, so that files are known by their real names."""
    visited: dict[str, str] = field(default_factory=dict)
    """Real paths of folders, with the names under which they were looked into."""
    room: int | None = None
    """Entries that may still come; None: any number."""


def entries(top: Path, choice: Choice, *, at_most: int | None = None) -> Iterator[Entry]:
    """Files and folders below ``top`` in an order that does not change: real ones by name, then what links lead to.

    Folders that vanish meanwhile hold nothing.

    Raises:
        OSError: there are more than ``at_most`` entries, those included that are not read.
    """
    descent = _Descent(os.path.realpath(top), choice, room=at_most)
    waiting = [_Folder(Place(str(top), ""), descent.top)]
    while waiting or descent.links:
        if waiting:
            found, folders = _inside(waiting.pop(), descent)
            if descent.room is not None and descent.room < 0:
                raise OSError(errno.EFBIG, f"more than {at_most} files and folders", str(top))
            waiting += reversed(folders)
            yield from found
        else:
            entry = _behind(descent.links.popleft(), descent)
            yield entry
            if entry.status is not None and _is_folder(entry.status) and not entry.passed_over:
                waiting.append(_Folder(entry.place, entry.real))


def _inside(folder: _Folder, descent: _Descent) -> tuple[list[Entry], list[_Folder]]:
    """The content of a folder: real entries, and the folders to look into. Links are put off."""
    descent.visited[folder.real] = folder.place.path
    try:
        with os.scandir(folder.place.path) as listed:
            children = sorted(listed, key=lambda child: child.name)
    except OSError as error:
        return ([] if error.errno in GONE else [Entry(folder.place, folder.real, None, error=error)]), []
    if descent.room is not None:
        descent.room -= len(children)
    found, folders = [], []
    shown = _shown_volume(folder, children)
    for child in children:
        place = folder.place.child(child.name)
        if descent.choice.excludes(place):
            continue
        if child.is_symlink():
            if child.name not in _VOLUME_LINKS or not shown:
                descent.links.append(place)
            continue
        entry = _real(child, place, f"{folder.real.rstrip('/')}/{child.name}", descent)
        if entry is None or entry.real == shown:
            continue
        found.append(entry)
        if entry.status is not None and _is_folder(entry.status) and not entry.passed_over:
            folders.append(_Folder(place, entry.real))
    if not children and folder.place.inside:
        found.append(Entry(folder.place, folder.real, None, is_empty=True))
    return found, folders


def _real(child: os.DirEntry[str], place: Place, real: str, descent: _Descent) -> Entry | None:
    """A child that is no link; None for a file that is not read, or vanished."""
    is_folder = child.is_dir(follow_symlinks=False)
    if not is_folder and not descent.choice.reads(place):
        return None  # without a look at each of the many files that are something else
    try:
        status = child.stat(follow_symlinks=False)
    except OSError as error:
        return None if error.errno in GONE else Entry(place, real, None, error=error)
    return Entry(place, real, status, passed_over=_reason(place, real, descent) if is_folder else "")


def _behind(place: Place, descent: _Descent) -> Entry:
    """The target of a link."""
    try:
        status = Path(place.path).stat()
    except OSError as error:
        return Entry(place, place.path, None, is_link=True, error=None if error.errno in GONE else error)
    real = os.path.realpath(place.path)
    why = ""
    if _is_folder(status):
        outside = not f"{real}/".startswith(f"{descent.top.rstrip('/')}/")
        why = LINK_ELSEWHERE if outside else _reason(place, real, descent)
    return Entry(place, real, status, is_link=True, passed_over=why)


def _reason(place: Place, real: str, descent: _Descent) -> str:
    """Why a folder is not looked into; empty if it is."""
    if place.name.startswith(".") and not descent.choice.enters(place):
        return "a hidden folder"
    before = descent.visited.get(real)
    return "" if before is None else f"it is {before}, which is read already"


def _shown_volume(folder: _Folder, children: Iterable[os.DirEntry[str]]) -> str:
    """The real path of the data of a mounted volume if everything in it is shown by links; else empty."""
    links = {child.name for child in children if child.is_symlink()}
    if _VOLUME_LINK not in links:
        return ""
    data = Path(os.path.realpath(folder.place.child(_VOLUME_LINK).path))
    try:
        is_shown = str(data.parent) == folder.real and all(each.name in links for each in data.iterdir())
    except OSError:
        return ""
    return str(data) if is_shown else ""


def _is_folder(status: os.stat_result) -> bool:
    return stat.S_ISDIR(status.st_mode)
