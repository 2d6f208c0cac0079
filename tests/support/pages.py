"""The fenced blocks of the documentation."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.support.service import ROOT

PAGES = (*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md")))
"""Pages for readers. ``docs/spec`` quotes the originals, and is for those who read the code."""
FILE = re.compile(r"`([^`\n]+)`:\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
"""A file that the page shows whole: its name, a colon, and the block with its text."""
_BLOCK = re.compile(r"^([ ]*)```([^\n]*)\n(.*?)^[ ]*```[ ]*$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """One fenced block."""

    page: str
    """Its path from the root of the repository."""
    language: str
    text: str

    @property
    def beginning(self) -> str:
        """Its first line, without a comment at its end."""
        return self.text.partition("\n")[0].partition("  #")[0].strip()


def blocks(*languages: str) -> Iterator[Block]:
    """All blocks of these languages; without any, all."""
    for page in PAGES:
        for _, language, text in _BLOCK.findall(page.read_text(encoding="utf-8")):
            if not languages or language in languages:
                yield Block(name(page), language, textwrap.dedent(text))


def files(page: Path) -> dict[str, str]:
    """Path -> text, of every file that the page shows whole."""
    return dict(FILE.findall(page.read_text(encoding="utf-8")))


def name(page: Path) -> str:
    """Its path from the root of the repository."""
    return str(page.relative_to(ROOT))
