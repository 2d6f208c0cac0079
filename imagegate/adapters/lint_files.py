"""Files and folders of policy documents, linted: each file is told apart by what is in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from imagegate.adapters.config_files import NeighbourFiles
from imagegate.core.profile import Profile
from imagegate.errors import ConfigError, InvalidPolicy
from imagegate.policy.cluster_image_policy import read_policies
from imagegate.policy.findings import Finding, Severity
from imagegate.policy.lint import findings_of_error, findings_of_remarks, lint
from imagegate.policy.master_config import BLOCKS, read_config
from imagegate.policy.nodes import Node
from imagegate.policy.source import decode_utf8, read_source
from imagegate.settings import Settings, read_settings
from imagegate.settings_schema import entries

SUFFIXES = (".yaml", ".yml", ".json")
_CONFIG_KINDS = ("MasterConfig", "ImagePolicyConfig")
_POLICY_KINDS = ("ClusterImagePolicy", "ImagePolicy", "ClusterImagePolicyList", "ImagePolicyList", "List")
_SETTINGS = frozenset(entry.path[0] for entry in entries(Settings))


def lint_paths(paths: Sequence[Path], profile: Profile, *, strict_yaml: bool = False) -> Iterator[Finding]:
    """Findings of every file; in a folder, files that hold no policy are passed over.

    A file named by itself that holds no policy is a finding: it was probably meant to.

    Raises:
        InvalidPolicy: a path cannot be read.
    """
    for path in paths:
        if path.is_dir():
            for file in sorted(path.rglob("*")):
                if file.suffix in SUFFIXES and file.is_file():
                    yield from lint_file(file, profile, strict_yaml=strict_yaml, named=False)
        else:
            yield from lint_file(path, profile, strict_yaml=strict_yaml)


def lint_file(path: Path, profile: Profile, *, strict_yaml: bool = False, named: bool = True) -> list[Finding]:
    """Findings of one file.

    Raises:
        InvalidPolicy: it cannot be read.
    """
    name = str(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InvalidPolicy(f"{path}: cannot be read: {error.strerror or error}") from error
    try:
        text = decode_utf8(content, name)
        documents = read_source(text, name, last_key_wins=True, repair_patterns=not strict_yaml).documents
        kinds = {_kind(document) for document in documents}
        if kinds & {*_CONFIG_KINDS, ""}:
            config = read_config(text, name, profile, NeighbourFiles(path.parent), strict_yaml=strict_yaml)
            return lint(config, profile)
        if "settings" in kinds:
            read_settings(read_source(text, name).documents[0], name)
            return []
        if kinds & set(_POLICY_KINDS):
            return findings_of_remarks(read_policies(text, name).warnings)
    except ConfigError as error:
        return findings_of_error(error, name)
    if not named:
        return []
    listed = ", ".join(sorted(kinds)) or "nothing"
    return [Finding(Severity.WARNING, name, 1, "", f"holds no policy that imagegate reads, only {listed}", "no-policy")]


def _kind(document: Node) -> str:
    """The kind of a document; ``settings`` for a settings file; empty for a master-config without a kind."""
    if not isinstance(document.value, dict):
        return "no object"
    kind = document.value.get("kind")
    if kind is not None and isinstance(kind.value, str):
        return kind.value
    if any(block in document.value for block in BLOCKS):
        return ""
    return "settings" if _SETTINGS & document.value.keys() else "objects without a kind"
