"""The kinds of documents that hold policies, recognised by their content."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from imagegate.documents.yaml.nodes import Node

CONFIG_KINDS = frozenset({"MasterConfig", "ImagePolicyConfig", ""})
POLICY_KINDS = frozenset({"ClusterImagePolicy", "ImagePolicy", "ClusterImagePolicyList", "ImagePolicyList", "List"})
SETTINGS = "settings"
CONFIG = "config"
POLICIES = "policies"


def document_kind(document: Node) -> str:
    """The kind of a document; empty for a master-config without a kind, ``SETTINGS`` for settings."""
    if not isinstance(document.value, dict):
        return "no object"
    kind = document.value.get("kind")
    if kind is not None and isinstance(kind.value, str):
        return kind.value
    from imagegate.documents.master_config import BLOCKS  # most documents say their kind
    from imagegate.settings.load import Settings
    from imagegate.settings.schema import entries

    if any(block in document.value for block in BLOCKS):
        return ""
    settings = {entry.path[0] for entry in entries(Settings)}
    return SETTINGS if settings & document.value.keys() else "objects without a kind"


def option_for(path: Path) -> str:
    """The option that reads a file or folder: ``CONFIG``, ``SETTINGS`` or ``POLICIES``; empty if none does.

    Raises:
        InvalidPolicy: it cannot be read, or is not YAML.
    """
    from imagegate.adapters.files.cluster import read_text
    from imagegate.adapters.files.documents import DiskDocuments, object_nodes, read_each

    kinds: set[str] = set()
    documents = DiskDocuments()

    def read(file: Path) -> None:
        nodes = object_nodes(read_text(file, documents), file, documents, last_key_wins=True)
        kinds.update(map(document_kind, nodes))

    read_each([path], documents, read)
    return _option(kinds)


def _option(kinds: Collection[str]) -> str:
    if POLICY_KINDS.intersection(kinds):
        return POLICIES
    if CONFIG_KINDS.intersection(kinds):
        return CONFIG
    return SETTINGS if SETTINGS in kinds else ""
