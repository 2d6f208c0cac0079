"""Lint of files and folders; the kind of each document is recognised by its content."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from imagegate.adapters.files.documents import DiskDocuments
from imagegate.adapters.files.folders import LINK_ELSEWHERE
from imagegate.adapters.files.walk import Document, Met, PassedOver, Walk, in_chart
from imagegate.cli.check.select import Patterns
from imagegate.cli.lint.kinds import CONFIG_KINDS, POLICY_KINDS, SETTINGS, document_kind
from imagegate.cli.lint.start import nothing_judges_pods, start_findings
from imagegate.core.profile import Profile
from imagegate.documents.foreign import TEMPLATE, foreign_node
from imagegate.documents.lint.findings import Finding, Severity
from imagegate.documents.lint.remarks import findings_of_error
from imagegate.documents.yaml.nodes import Node
from imagegate.documents.yaml.source import BadSource, decode_utf8, read_source
from imagegate.errors import ConfigError

if TYPE_CHECKING:  # each reader is imported where a document needs it: an editor waits for the answer
    from imagegate.documents.image_policies import LoadedPolicies
    from imagegate.settings.load import Settings

UNREADABLE = "unreadable"
"""Code of the findings about files and folders that cannot be read."""
_EVERYTHING = Patterns()
SETTINGS_NAMES = ("imagegate.yaml", "imagegate.yml")
"""Names of files that hold settings, whatever else they hold."""


def lint_paths(
    paths: Sequence[Path],
    profile: Profile,
    *,
    strict_yaml: bool = False,
    patterns: Patterns = _EVERYTHING,
    starts: bool = True,
) -> list[Finding]:
    """Findings of every file; one for each that cannot be read.

    Files of a folder without a policy are skipped. A file named by the user without a policy is a finding, since one
    was probably expected, and so is a folder without any. ClusterImagePolicy and ImagePolicy objects of one folder
    are linted together, and so are those of all files named by the user.

    Args:
        starts: find out whether ``serve`` would start with a settings file, and the files that it names.
    """
    linter = _Linter(profile, strict_yaml, starts)
    walking = Walk(patterns)
    for path in paths:
        linter.add_path(path, walking.path(path))
    return linter.findings()


def files_of(paths: Sequence[Path], patterns: Patterns = _EVERYTHING) -> Iterator[Path]:
    """Every file of the paths that can be read and written: no pipes, nothing that is passed over."""
    walking = Walk(patterns)
    for path in paths:
        for met in walking.path(path):
            if isinstance(met, Document) and met.path.is_file():
                yield met.path


def lint_content(content: bytes, path: Path, profile: Profile, *, strict_yaml: bool = False) -> list[Finding]:
    """Findings of a text that is, or will be, the content of a file; files that it names are looked for beside that."""
    linter = _Linter(profile, strict_yaml, starts=False)
    linter.add_content(content, path, None)
    return linter.findings()


class _Linter:
    """Collects findings; policies that work together are linted once all of them are read."""

    def __init__(self, profile: Profile, strict_yaml: bool, starts: bool) -> None:
        self._profile = profile
        self._starts = starts
        self._strict_yaml = strict_yaml
        self._found: list[Finding] = []
        self._together: dict[Path | None, LoadedPolicies] = {}

    def findings(self) -> list[Finding]:
        """Everything found, in the order of files."""
        if not self._together:
            return self._found
        from imagegate.documents.lint.image_policies import lint_cise

        together = [finding for loaded in self._together.values() for finding in lint_cise(loaded)]
        return [*self._found, *together]

    def add_path(self, path: Path, found: Iterable[Met]) -> None:
        """Read what was found at a path that was named."""
        is_folder, has_policy = True, False
        for met in found:
            if isinstance(met, Document):
                is_folder &= not met.named
                has_policy |= self.add(met.path, None if met.named else met.path.parent)
            elif isinstance(met, PassedOver):
                is_folder &= not met.settled
                self._note_passed_over(met)
            else:
                has_policy = True  # for all that is known
                self._found.append(Finding(Severity.ERROR, met.path, 1, "", met.why, UNREADABLE))
        if is_folder and not has_policy:
            self._note_no_policy(path, "")

    def _note_passed_over(self, met: PassedOver) -> None:
        severity = Severity.WARNING if met.why == LINK_ELSEWHERE else Severity.INFO
        self._found.append(Finding(severity, met.path, 1, "", f"passed over: {met.why}", "not-read"))

    def _note_no_policy(self, path: Path, detail: str) -> None:
        text = f"contains no policy that imagegate reads{detail}"
        self._found.append(Finding(Severity.WARNING, str(path), 1, "", text, "no-policy"))

    def add(self, path: Path, folder: Path | None) -> bool:
        """Read one file; True if it holds a policy, or was meant to."""
        name = str(path)
        try:
            content = DiskDocuments().read(path)
        except OSError as error:
            text = f"cannot be read: {error.strerror or error}"
            self._found.append(Finding(Severity.ERROR, name, 1, "", text, UNREADABLE))
            return True
        return self.add_content(content, path, folder)

    def add_content(self, content: bytes, path: Path, folder: Path | None) -> bool:
        """Read the content of a file; True if it holds a policy, or was meant to."""
        name = str(path)
        try:
            kinds = self._read(decode_utf8(content, name), path, folder)
        except ConfigError as error:
            self._found += findings_of_error(error, name)
            return True
        if kinds and folder is None:
            self._note_no_policy(path, f", only {', '.join(sorted(kinds))}")
        return not kinds

    def _read(self, text: str, path: Path, folder: Path | None) -> set[str]:
        """Read one file's documents; the kinds in it if imagegate reads none of them, else an empty set."""
        name = str(path)
        try:
            documents = read_source(text, name, last_key_wins=True, repair_patterns=not self._strict_yaml).documents
        except BadSource as error:
            if not (error.unrendered and in_chart(path)):
                raise
            self._note_passed_over(PassedOver(name, TEMPLATE))
            return {"a template"}
        what = next((what for node in documents if (what := foreign_node(path.name, node))), "")
        if what:
            self._note_passed_over(PassedOver(name, what))
            documents = [node for node in documents if not foreign_node(path.name, node)]
            if not documents:
                return {"a document that is none of Kubernetes"}
        if path.name in SETTINGS_NAMES:
            self._lint_settings(text, path)
            return set()
        kinds = {document_kind(document) for document in documents}
        if kinds & CONFIG_KINDS:
            self._lint_config(text, path)
        elif SETTINGS in kinds:
            self._lint_settings(text, path)
        elif kinds & POLICY_KINDS:
            self._add_policies(text, name, folder)
        else:
            return kinds
        return set()

    def _lint_config(self, text: str, path: Path) -> None:
        from imagegate.adapters.files.config import ReferencedDiskFiles
        from imagegate.documents.lint.lint import lint
        from imagegate.documents.master_config import read_config

        referenced = ReferencedDiskFiles(path.parent)
        config = read_config(text, str(path), self._profile, referenced, strict_yaml=self._strict_yaml)
        self._found += lint(config, self._profile)
        imports_only = config.image_policy is None and not config.always_pull
        if imports_only and config.import_policy.allowed_registries_for_import is not None:
            self._found.append(nothing_judges_pods(str(path), 1))

    def _lint_settings(self, text: str, path: Path) -> None:
        from imagegate.settings.load import read_settings

        name = str(path)
        root = next(iter(read_source(text, name).documents), Node({}, 1))
        found = list(start_findings(path, root)) if self._starts else []
        self._found += found
        if not any(each.severity is Severity.ERROR for each in found):
            self._found += _unmatchable(read_settings(root, name), root, name)

    def _add_policies(self, text: str, name: str, folder: Path | None) -> None:
        from imagegate.documents.image_policies import LoadedPolicies, read_policies

        self._together.setdefault(folder, LoadedPolicies()).add(read_policies(text, name))


def _unmatchable(settings: Settings, document: Node, name: str) -> Iterator[Finding]:
    """Selectors of modes that no labels can match."""
    sections = {
        "imagePolicy": settings.image_policy.namespaces,
        "alwaysPull": settings.always_pull.namespaces,
        "importGate": settings.import_gate.namespaces,
        "cise": settings.cise.namespaces if settings.cise is not None else (),
    }
    for section, modes in sections.items():
        for index, each in enumerate(modes):
            if not each.selector.is_satisfiable:
                path = f"{section}.namespaces[{index}].selector"
                text = f"no labels can match it, so its mode {each.mode} never applies"
                yield Finding(Severity.WARNING, name, _line(document, section, index), path, text, "selector-never")


def _line(document: Node, section: str, index: int) -> int:
    """The line of an entry of ``SECTION.namespaces``."""
    found = document
    for key in (section, "namespaces"):
        entries = found.value
        if isinstance(entries, dict) and key in entries:
            found = entries[key]
    items = found.value
    return items[index].line if isinstance(items, list) and index < len(items) else found.line
