"""The documents that decide: where they are read from, and where the last good ones are kept."""

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
    """Documents that were kept are not what was written; the text says where, and what to do."""


class Documents(Protocol):
    """Files and folders, for reading. Each file is read once, so that all who read it see the same."""

    def read(self, path: Path, *, at_most: int = DOCUMENT_MAX_BYTES) -> bytes:
        """A file's content, at most one byte more than ``at_most``.

        Raises:
            OSError: it cannot be read, or is no regular file.
        """

    def is_folder(self, path: Path) -> bool:
        """Whether there is a folder."""

    def is_file(self, path: Path) -> bool:
        """Whether there is a regular file."""

    def below(self, folder: Path) -> list[Path]:
        """The documents in a folder and below, in the order of their names.

        Raises:
            ConfigError: something under the name of a document is none.
            OSError: the folder cannot be looked into.
        """


class Entry(NamedTuple):
    """One document by its content."""

    sha256: str
    """Hex."""
    size: int
    """Bytes."""


@dataclass(frozen=True, slots=True)
class Index:
    """Everything that was read for one set of policies, without the contents."""

    documents: Mapping[str, Entry] = field(default_factory=dict)
    """By path."""
    folders: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The documents below each folder."""
    kinds: Mapping[str, str] = field(default_factory=dict)
    """``file``, ``folder`` or empty, by path."""


class Recorded(Documents, Protocol):
    """Documents that can be handed on."""

    def index(self) -> Index:
        """What was read."""

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
    """Where the last good documents are kept, for all processes of a service or over a restart."""

    def stamp(self) -> object:
        """Another value whenever other documents are kept. Cheap.

        Raises:
            OSError: it cannot be looked at.
        """

    def newest(self) -> Kept | None:
        """The last good documents; None where none were ever kept.

        Raises:
            DamagedState: they are not what was written.
            OSError: they cannot be read.
        """

    def keep(self, documents: Recorded, *, version: str, at: datetime) -> Kept:
        """Keep these as the newest, whole or not at all.

        Raises:
            OSError: they cannot be written.
        """

    def forget(self) -> None:
        """Keep nothing any more.

        Raises:
            OSError: it cannot be written.
        """

    def locked(self) -> AbstractContextManager[None]:
        """Only one process at a time is inside. Also waits for threads of this process.

        Raises:
            OSError: it cannot be locked.
        """


class Processes(Protocol):
    """The processes of one service, which tell each other how they are."""

    def lead(self) -> bool:
        """Whether this process is the one that follows the files; until it ends, once it is.

        Raises:
            OSError: it cannot be found out.
        """

    def tell(self, name: str, note: Mapping[str, Any]) -> None:
        """Leave a note under ``name``, in place of the one before.

        Raises:
            OSError: it cannot be written.
        """

    def told(self, name: str) -> Mapping[str, Any]:
        """The note under ``name``; empty where there is none or it cannot be read."""

    def report(self, note: Mapping[str, Any]) -> None:
        """Leave the note of this process.

        Raises:
            OSError: it cannot be written.
        """

    def reports(self) -> list[Mapping[str, Any]]:
        """The notes of the processes that live, by process id."""
