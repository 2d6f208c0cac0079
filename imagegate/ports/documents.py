"""Policy documents: reading them, and storing the last good ones."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from imagegate.documents.yaml.source import DOCUMENT_MAX_BYTES
from imagegate.errors import ConfigError


class DamagedState(ConfigError):
    """Stored documents are damaged; the message says where, and what to do."""


class Documents(Protocol):
    """Files and folders, for reading. Each file is read once, so that all readers see the same."""

    def read(self, path: Path, *, at_most: int = DOCUMENT_MAX_BYTES) -> bytes:
        """A file's content, at most one byte more than ``at_most``.

        Raises:
            OSError: it cannot be read, or is not a regular file.
        """

    def is_folder(self, path: Path) -> bool:
        """True if the path is a folder."""

    def is_file(self, path: Path) -> bool:
        """True if the path is a regular file."""

    def below(self, folder: Path) -> list[Path]:
        """The documents in a folder and below, in the order of their names.

        Raises:
            ConfigError: a path with the name of a document is not one, or something cannot be looked into.
            OSError: the folder cannot be looked into.
        """

    def identity(self, path: Path) -> str:
        """The identity of a file, the same for all its names.

        Raises:
            OSError: it cannot be looked at.
        """

    def pass_over(self, remark: str) -> None:
        """Remember something that is not read: ``PATH: passed over: WHY``."""

    def passed_over(self) -> tuple[str, ...]:
        """Entries that were not read up to now, each with the reason."""


class Entry(NamedTuple):
    """One document by its content."""

    sha256: str
    """Hex."""
    size: int
    """Bytes."""


@dataclass(frozen=True, slots=True)
class Index:
    """Index of all documents read for one set of policies, without their contents."""

    documents: Mapping[str, Entry] = field(default_factory=dict)
    """By path."""
    folders: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The documents below each folder."""
    kinds: Mapping[str, str] = field(default_factory=dict)
    """``file``, ``folder`` or empty, by path."""
    identities: Mapping[str, str] = field(default_factory=dict)
    """The identities of files by path, where it was asked for."""


class Recorded(Documents, Protocol):
    """Documents that can be stored or passed to other processes."""

    def index(self) -> Index:
        """The index of what was read."""

    def packed(self, entry: Entry) -> bytes:
        """A document's content, compressed (zlib).

        Raises:
            OSError: it is not there any more.
        """


class Kept(NamedTuple):
    """The last good documents."""

    generation: int
    """Counts from 1; of two, the higher is the newer."""
    version: str
    """Of the policies made from them."""
    at: datetime
    """When they were put in force."""
    documents: Recorded


class KeptPolicies(Protocol):
    """Storage of the last good documents, for all processes of a service and over a restart."""

    def stamp(self) -> object:
        """A value that changes whenever other documents are stored. Cheap.

        Raises:
            OSError: it cannot be looked at.
        """

    def newest(self) -> Kept | None:
        """The last good documents; None if none were ever stored.

        Raises:
            DamagedState: they are damaged.
            OSError: they cannot be read.
        """

    def keep(self, documents: Recorded, *, version: str, at: datetime) -> Kept:
        """Store these as the newest, completely or not at all.

        Raises:
            OSError: they cannot be written.
        """

    def forget(self) -> None:
        """Remove all stored documents.

        Raises:
            OSError: it cannot be written.
        """

    def locked(self) -> AbstractContextManager[None]:
        """Only one process at a time is inside. Also waits for threads of this process.

        Raises:
            OSError: it cannot be locked.
        """


class Processes(Protocol):
    """The processes of one service, which share notes about their state."""

    def lead(self) -> bool:
        """True if this process follows the files; once it does, it does until it ends.

        Raises:
            OSError: it cannot be found out.
        """

    def put_note(self, name: str, note: Mapping[str, Any]) -> None:
        """Leave a note under ``name``, in place of the one before.

        Raises:
            OSError: it cannot be written.
        """

    def note(self, name: str) -> Mapping[str, Any]:
        """The note under ``name``; empty if there is none or it cannot be read."""

    def report(self, note: Mapping[str, Any]) -> None:
        """Leave the note of this process.

        Raises:
            OSError: it cannot be written.
        """

    def reports(self) -> list[Mapping[str, Any]]:
        """The notes of the processes that live, by process id."""
