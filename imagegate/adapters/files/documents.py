"""Documents from disk, each read once, so that what is stored is what was decided about."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from imagegate.adapters.files.folders import ENTRIES_MAX, GONE, Choice
from imagegate.adapters.files.input import read_with_status
from imagegate.adapters.files.walk import ByName, Document, Fault, Walk, identity, in_chart
from imagegate.documents.foreign import TEMPLATE, foreign_node
from imagegate.documents.yaml.nodes import Node
from imagegate.documents.yaml.source import DOCUMENT_MAX_BYTES, BadSource, read_source
from imagegate.errors import InvalidPolicy
from imagegate.ports.documents import Documents, Entry, Index, Recorded

_Stamp = tuple[int, int, int, int, int]


@dataclass(frozen=True, slots=True)
class _Read:
    """One file as it was read."""

    entry: Entry
    stamp: _Stamp


class IncompleteFolder(InvalidPolicy):
    """Something in a folder cannot be read; ``found`` is the rest."""

    def __init__(self, found: list[Path], *lines: str) -> None:
        super().__init__(*lines)
        self.found = found


class DiskDocuments:
    """``ports.documents.Recorded`` over the file system.

    Args:
        keep: remember contents, so that they can be handed on. Then only regular files will do; else pipes too
            (``<(...)`` of a shell): see ``read_file``.
        choice: what is read of folders.
        says: is given every remark about what is not read, once.
    """

    def __init__(
        self, *, keep: bool = False, choice: Choice | None = None, says: Callable[[str], None] | None = None
    ) -> None:
        self._keep = keep
        self._says = says
        self._choice = choice or ByName()
        self._read: dict[str, _Read] = {}
        self._packed: dict[Entry, bytes] = {}
        self._pipes: dict[str, bytes] = {}
        self._folders: dict[str, tuple[str, ...]] = {}
        self._kinds: dict[str, str] = {}
        self._identities: dict[str, str] = {}
        self._passed_over: dict[str, None] = {}
        self.trouble = False
        """True if a file was there and could not be read: another attempt may succeed without any change."""

    def read(self, path: Path, *, at_most: int = DOCUMENT_MAX_BYTES) -> bytes:
        """See ``ports.documents.Documents``."""
        if str(path) in self._pipes:
            return self._pipes[str(path)]
        known = self._read.get(str(path))
        if known is not None and self._keep:
            return zlib.decompress(self._packed[known.entry])
        try:
            content, status = read_with_status(path, at_most, named=not self._keep)
        except OSError as error:
            self.trouble |= error.errno not in GONE
            raise
        entry = Entry(hashlib.sha256(content).hexdigest(), len(content))
        self._read[str(path)] = _Read(entry, _stamp(status))
        if stat.S_ISFIFO(status.st_mode):
            self._pipes[str(path)] = content  # it cannot be read twice
        if self._keep and entry not in self._packed:
            self._packed[entry] = zlib.compress(content, 1)
        return content

    def is_folder(self, path: Path) -> bool:
        """See ``ports.documents.Documents``."""
        return self._kind(path) == "folder"

    def is_file(self, path: Path) -> bool:
        """See ``ports.documents.Documents``."""
        return self._kind(path) == "file"

    def below(self, folder: Path) -> list[Path]:
        """See ``ports.documents.Documents``."""
        known = self._folders.get(str(folder))
        if known is None or not self._keep:
            try:
                known = self._walked(folder)
            except OSError:
                self.trouble = True
                raise
            self._folders[str(folder)] = known
        return list(map(Path, known))

    def _walked(self, folder: Path) -> tuple[str, ...]:
        met = list(Walk(self._choice, at_most=ENTRIES_MAX).path(folder))
        faults = [each for each in met if isinstance(each, Fault)]
        if faults:
            self.trouble |= any(not fault.lasting for fault in faults)
            found = [each.path for each in met if isinstance(each, Document)]
            raise IncompleteFolder(found, *map(str, faults))
        for each in met:
            if not isinstance(each, Document):
                self.pass_over(str(each))
        return tuple(str(each.path) for each in met if isinstance(each, Document))

    def identity(self, path: Path) -> str:
        """See ``ports.documents.Documents``."""
        known = self._identities.get(str(path))
        if known is None or not self._keep:
            known = self._identities[str(path)] = identity(path)
        return known

    def pass_over(self, remark: str) -> None:
        """See ``ports.documents.Documents``."""
        if remark not in self._passed_over and self._says is not None:
            self._says(remark)
        self._passed_over[remark] = None

    def passed_over(self) -> tuple[str, ...]:
        """See ``ports.documents.Documents``."""
        return tuple(self._passed_over)

    def _kind(self, path: Path) -> str:
        known = self._kinds.get(str(path))
        if known is None or not self._keep:
            known = self._kinds[str(path)] = "folder" if path.is_dir() else "file" if path.is_file() else ""
        return known

    def index(self) -> Index:
        """See ``ports.documents.Recorded``."""
        return Index(
            {path: found.entry for path, found in self._read.items()},
            dict(self._folders),
            dict(self._kinds),
            dict(self._identities),
        )

    def packed(self, entry: Entry) -> bytes:
        """See ``ports.documents.Recorded``."""
        found = self._packed.get(entry)
        if found is None:
            raise FileNotFoundError(errno.ENOENT, "was not read", entry.sha256)
        return found

    def youngest(self) -> float:
        """When a file or folder was changed last (seconds since 1970); 0 where none was read.

        Raises:
            OSError: a folder cannot be looked at.
        """
        folders = {*self._folders, *(str(Path(path).parent) for inside in self._folders.values() for path in inside)}
        stamps = [found.stamp for found in self._read.values()]
        stamps += [stamp for folder in folders if (stamp := _stamp_of(folder)) is not None]
        return max((stamp[4] for stamp in stamps), default=0) / 1e9

    def unchanged(self) -> bool:
        """True if everything is still as it was when it was read: nothing was read while it was being written.

        Raises:
            OSError: it cannot be looked at.
        """
        return all(_stamp_of(path) == found.stamp for path, found in self._read.items()) and all(
            DiskDocuments(choice=self._choice)._walked(Path(folder)) == known for folder, known in self._folders.items()
        )


def object_nodes(
    text: str, file: Path, documents: Documents, *, last_key_wins: bool = False, repair_patterns: bool = False
) -> list[Node]:
    """The documents of a file, without those that are known to be no objects: they are noted as passed over.

    Raises:
        BadSource: it is not YAML or JSON.
    """
    try:
        source = read_source(text, str(file), last_key_wins=last_key_wins, repair_patterns=repair_patterns)
        nodes = source.documents
    except BadSource as error:
        if not (error.unrendered and in_chart(file)):
            raise
        documents.pass_over(f"{file}: passed over: {TEMPLATE}")
        return []
    remarks = {id(node): foreign_node(file.name, node) for node in nodes if node.value is not None}
    for node in nodes:
        if remarks.get(id(node)):
            documents.pass_over(f"{file}:{node.line}: passed over: {remarks[id(node)]}")
    return [node for node in nodes if not remarks.get(id(node))]


def read_each(paths: Iterable[Path], documents: Documents, read: Callable[[Path], None]) -> None:
    """Read every file; one that is wrong does not keep the others from being read.

    Args:
        paths: files and folders.
        documents: where they are.
        read: raises InvalidPolicy for a file that is wrong.

    Raises:
        InvalidPolicy: a line for every fault.
    """
    faults: list[str] = []
    try:
        files = listed(paths, documents, faults)
    except OSError as error:
        raise InvalidPolicy(f"{error.filename}: cannot be read: {error.strerror}") from error
    for file in files:
        try:
            read(file)
        except InvalidPolicy as error:
            faults += error.lines
    if faults:
        raise InvalidPolicy(*faults)


def listed(paths: Iterable[Path], documents: Documents, faults: list[str] | None = None) -> list[Path]:
    """Files as they were named, and the documents in folders that were named; each once, whatever its names.

    Args:
        faults: gets what is wrong in folders; None: that is raised.

    Raises:
        IncompleteFolder: something in a folder has the name of a document and is none, or cannot be read.
        OSError: a folder cannot be looked into.
    """
    groups: list[list[Path]] = []
    for path in paths:
        try:
            groups.append(documents.below(path) if documents.is_folder(path) else [path])
        except IncompleteFolder as error:
            if faults is None:
                raise
            faults += error.lines
            groups.append(error.found)
    if len(groups) == 1:
        return groups[0]
    met: dict[str, Path] = {}
    for path in (path for group in groups for path in group):
        try:
            before = met.setdefault(documents.identity(path), path)
        except OSError:  # reading it says why
            before = met.setdefault(str(path), path)
        if before is not path:
            why = "it is read already" if before == path else f"it is {before}, which is read already"
            documents.pass_over(f"{path}: passed over: {why}")
    return list(met.values())


def _stamp_of(path: str) -> _Stamp | None:
    try:
        return _stamp(Path(path).stat())
    except OSError as error:
        if error.errno in GONE:
            return None
        raise


def _stamp(status: os.stat_result) -> _Stamp:
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


if TYPE_CHECKING:  # mypy checks each adapter against its port
    _: tuple[type[Documents], type[Recorded]] = (DiskDocuments, DiskDocuments)
