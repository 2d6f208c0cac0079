"""Checks that a document is complete: by its last line, or by its SHA-256 in a file beside it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

from imagegate.adapters.files.documents import listed
from imagegate.adapters.files.walk import CHECKSUM_SUFFIX
from imagegate.errors import InvalidPolicy
from imagegate.ports.documents import Documents

MARKER = b"# imagegate: end"
"""The last line of a document, in YAML."""
REQUIREMENTS = ("optional", "marker", "checksum")
"""Of ``documents.ending``."""
_LINE = re.compile(r"\\?(?P<digest>[0-9A-Fa-f]{64})(?:[ \t]+[ *]?(?P<name>.*))?")
"""``sha256sum`` writes: digest, two spaces or a space and an asterisk, name."""


def checksum_file(path: Path) -> Path:
    """Path of the file with the SHA-256 of a document; the file need not exist."""
    return path.with_name(path.name + CHECKSUM_SUFFIX)


def has_marker(content: bytes) -> bool:
    """True if the last line that is not empty is the marker."""
    return content.rstrip().rpartition(b"\n")[2].strip() == MARKER


def check_whole(paths: Iterable[Path], documents: Documents, ending: str) -> None:
    """Refuse a document that does not match its checksum, or that lacks the ending that is required.

    A JSON document needs no marker: it does not end before its last bracket.

    Args:
        paths: files and folders.
        documents: where they are.
        ending: one of ``REQUIREMENTS``.

    Raises:
        InvalidPolicy: what is wrong with the first such document, and what to do.
        OSError: a file cannot be read.
    """
    for path in paths:
        for each in listed([path], documents):
            _check(each, documents, ending)


def _check(path: Path, documents: Documents, ending: str) -> None:
    content = documents.read(path, at_most=1 << 30)
    sums = checksum_file(path)
    if documents.is_file(sums):
        _check_sum(path, content, documents.read(sums), sums)
    elif ending == "checksum":
        raise InvalidPolicy(f"{path}: no {sums.name} beside it, which documents.ending requires: sha256sum writes it")
    if ending == "marker" and not has_marker(content) and not content.lstrip().startswith(b"{"):
        line = content.count(b"\n") + 1
        raise InvalidPolicy(
            f"{path}:{line}: the last line is not {MARKER.decode()!r}, "
            "which documents.ending requires: is the file cut off?"
        )


def _check_sum(path: Path, content: bytes, sums: bytes, where: Path) -> None:
    lines = [_LINE.fullmatch(line) for line in sums.decode("utf-8", "replace").splitlines() if line.strip()]
    found = [line for line in lines if line is not None]
    named = [line for line in found if Path(line["name"] or path.name).name == path.name]
    if len(found) != len(lines) or not named:
        raise InvalidPolicy(f"{where}:1: expected the SHA-256 of {path.name}, as sha256sum writes it")
    if hashlib.sha256(content).hexdigest() not in {line["digest"].lower() for line in named}:
        raise InvalidPolicy(
            f"{path}: its SHA-256 is not the one in {where.name}: "
            "it is half written, or only one of the two is replaced"
        )
