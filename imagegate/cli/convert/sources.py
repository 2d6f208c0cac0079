"""The languages of the files that are converted, recognised by what is in them."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from imagegate.adapters.files.cluster import read_text
from imagegate.adapters.files.documents import object_nodes, read_each
from imagegate.documents.convert.foreign import is_foreign
from imagegate.documents.master_config import BLOCKS
from imagegate.documents.yaml.nodes import Node
from imagegate.errors import InvalidInput, InvalidPolicy
from imagegate.ports.documents import Documents


class Language(enum.Enum):
    """The language that a file is written in."""

    CONFIG = "a master-config.yaml or ImagePolicyConfig"
    FOREIGN = "policies of Kyverno or Gatekeeper"
    POLICIES = "policies of an IBM group"


def languages(paths: Sequence[Path], documents: Documents) -> dict[Path, Language]:
    """Every file that may hold objects; files of a folder in no known language count as ``POLICIES``.

    Raises:
        InvalidPolicy: a file cannot be read.
    """
    found: dict[Path, Language] = {}

    def read(file: Path) -> None:
        language = _language(file, documents)
        if language is not None:
            found[file] = language

    read_each(paths, documents, read)
    return found


def single_language(found: dict[Path, Language], paths: Iterable[Path]) -> Language:
    """The one language of all files.

    Raises:
        InvalidInput: there are several: one result cannot hold both.
    """
    kinds = set(found.values())
    if len(kinds) > 1:
        named = ", ".join(map(str, paths))
        raise InvalidInput(f"{named}: {' and '.join(sorted(kind.value for kind in kinds))}: convert them one by one")
    return kinds.pop() if kinds else Language.POLICIES


def _language(file: Path, documents: Documents) -> Language | None:
    """The language of a file; None for a file that is known to hold no objects."""
    text = read_text(file, documents)
    try:
        nodes = object_nodes(text, file, documents, last_key_wins=True, repair_patterns=True)
    except InvalidPolicy:
        return Language.POLICIES  # its converter says what is wrong
    if not nodes and text.strip():
        return None
    for document in nodes:
        for entry in _objects(document):
            kind, version = _text(entry, "kind"), _text(entry, "apiVersion")
            if kind in ("MasterConfig", "ImagePolicyConfig") or (not kind and any(block in entry for block in BLOCKS)):
                return Language.CONFIG
            if is_foreign(version, kind):
                return Language.FOREIGN
    return Language.POLICIES


def _objects(document: Node) -> Iterator[dict[str, Node]]:
    if isinstance(document.value, dict):
        yield document.value
        items = document.value.get("items")
        for item in items.value if items is not None and isinstance(items.value, list) else ():
            if isinstance(item.value, dict):
                yield item.value


def _text(entry: dict[str, Node], key: str) -> str:
    node = entry.get(key)
    return node.value if node is not None and isinstance(node.value, str) else ""
