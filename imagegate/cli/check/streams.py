"""References in image streams of files, held against the import list."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from imagegate.adapters.files.walk import Document, PassedOver
from imagegate.cli.check.manifests import Manifest, NoManifest, read_manifests
from imagegate.cli.check.read import passed_over, read_text, shown
from imagegate.cli.check.select import Patterns, walk
from imagegate.cli.check.yaml_text import BadManifest
from imagegate.cli.output import say_error
from imagegate.core.import_gate.gate import ImportGate
from imagegate.core.import_gate.stored_references import outside_references
from imagegate.errors import InvalidInput


class DisallowedReference(NamedTuple):
    """One reference that the list does not allow, and its place."""

    file: str
    line: int
    namespace: str
    stream: str
    at: str
    image: str
    because: str

    def __str__(self) -> str:
        where = f"{self.namespace}/{self.stream}" if self.namespace else self.stream
        return f"{self.file}:{self.line}: {where}: {self.at}: {self.image}: {self.because}"


@dataclass(slots=True)
class Listing:
    """Collects references; faults and what is passed over are said at once."""

    gate: ImportGate
    skip_unknown: bool
    found: list[DisallowedReference] = field(default_factory=list)
    streams: int = 0
    faults: int = 0

    def read(self, paths: tuple[Path, ...], patterns: Patterns) -> None:
        """Read everything below ``paths``."""
        for met in walk(paths, patterns):
            if isinstance(met, Document):
                self._file(met)
            elif isinstance(met, PassedOver):
                say_error(str(met))
            else:
                self._fault(str(met))

    def _fault(self, text: str) -> None:
        self.faults += 1
        say_error(text)

    def _file(self, document: Document) -> None:
        name = str(document.path)
        try:
            text = read_text(name, named=document.named)
        except BadManifest as error:
            self._fault(str(error))
            return
        for each in read_manifests(text, shown(name)):
            if isinstance(each, Manifest):
                self._object(each)
            else:
                self._no_manifest(each)

    def _no_manifest(self, found: NoManifest) -> None:
        remark = passed_over(found, skip_unknown=self.skip_unknown)
        if remark:
            say_error(remark)
        else:
            self._fault(str(found))

    def _object(self, manifest: Manifest) -> None:
        if manifest.object.get("kind") != "ImageStream":
            return
        try:
            outside = list(outside_references(self.gate, manifest.object))
        except InvalidInput as error:
            self._fault(f"{manifest.file}:{manifest.line}: {error}")
            return
        self.streams += 1
        self.found += [DisallowedReference(manifest.file, _line(manifest, each.at), *each) for each in outside]


def _line(manifest: Manifest, at: str) -> int:
    """The line of the list of tags: field paths name tags instead of numbering them."""
    return manifest.line_of(at.partition("[")[0])
