"""The text of a file of manifests, and what becomes of a document in it that is none."""

from __future__ import annotations

import sys
from pathlib import Path

from imagegate.adapters.files.input import read_file
from imagegate.adapters.files.walk import in_chart
from imagegate.cli.check.manifests import FOREIGN, UNKNOWN, UNRENDERED, NoManifest
from imagegate.cli.check.select import STANDARD_INPUT
from imagegate.cli.check.yaml_text import BadManifest
from imagegate.documents.foreign import TEMPLATE

FILE_MAX_BYTES = 256 * 1024 * 1024


def shown(name: str) -> str:
    """The name of a file, for messages."""
    return "<stdin>" if name == STANDARD_INPUT else name


def read_text(name: str, *, named: bool) -> str:
    """The content of a file or of standard input.

    Raises:
        BadManifest: it cannot be read, is too large or not UTF-8.
    """
    try:
        if name == STANDARD_INPUT:
            content = sys.stdin.buffer.read(FILE_MAX_BYTES + 1)
        else:
            content = read_file(name, FILE_MAX_BYTES, named=named)
    except OSError as error:
        raise BadManifest(shown(name), 1, f"cannot be read: {error.strerror or error}") from error
    if len(content) > FILE_MAX_BYTES:
        raise BadManifest(shown(name), 1, f"larger than {FILE_MAX_BYTES} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise BadManifest(shown(name), line, f"not UTF-8 (byte {error.start})") from error


def passed_over(found: NoManifest, *, skip_unknown: bool) -> str:
    """Why a document is passed over, as ``file:line: passed over: why``; empty if it is an error."""
    why = ""
    if found.reason == FOREIGN or (found.reason == UNKNOWN and skip_unknown):
        why = found.why
    elif found.reason == UNRENDERED and in_chart(Path(found.file)):
        why = TEMPLATE
    elif found.reason == UNRENDERED and skip_unknown:
        why = "a template that was not rendered"
    return why and f"{found.file}:{found.line}: passed over: {why}"
