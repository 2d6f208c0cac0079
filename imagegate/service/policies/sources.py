"""Sources of the policies in force, and what a service begins with."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from imagegate.ports.documents import Documents, Kept, KeptPolicies, Processes, Recorded
from imagegate.service.policies.change import Texts
from imagegate.service.policies.policy_set import Held, PolicySet


class ReadDocuments(Recorded, Protocol):
    """Documents of one attempt to read them."""

    @property
    def trouble(self) -> bool:
        """True if a file was there and could not be read."""

    def unchanged(self) -> bool:
        """True if everything is still as it was when it was read."""


class Watch(Protocol):
    """Detects that files have changed, and no longer change."""

    def look(self, paths: Iterable[Path]) -> bool:
        """Look once; True if there is a change to act upon."""

    def rests(self) -> bool:
        """True if nothing differed at the last look."""

    def mark(self, paths: Iterable[Path]) -> object:
        """The state of the files now."""

    def acted(self, on: Any) -> None:
        """The files were read as they were at this mark."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """Policies at the start of a service."""

    policies: PolicySet
    documents: Recorded
    restored: str = ""
    """Reason why these are stored documents; empty if they are those of the files."""
    error: str = ""
    """The problem with the files."""
    held: Held | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Sources of documents, and the place where they are stored."""

    load: Callable[[Documents], PolicySet]
    check: Callable[[PolicySet], None]
    """Judges policies from the files before they are in force; raises ConfigError."""
    disk: Callable[[], ReadDocuments]
    """Documents on disk, for one attempt to read them."""
    files: Callable[[], tuple[Path, ...]]
    """Files to watch, as of the last attempt."""
    watch: Watch
    texts: Callable[[Kept, Recorded], Texts]
    """Differences between documents and those in force."""
    shared: KeptPolicies
    """Storage shared by the processes of this service."""
    state: KeptPolicies | None
    """Storage for the next start; None: none."""
    processes: Processes
