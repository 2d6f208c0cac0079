"""Texts that strangers would like to see printed, and what must never be in a line of output."""

from __future__ import annotations

import re
import unicodedata

from hypothesis import strategies as st

FRAGMENTS = (
    "\x1b[2J", "\x1b[1A\x1b[2K", "\x1b]0;owned\x07", "\x9b2J", "\n", "\r", "\r\n", "\x0b", "\x0c", "\x00", "\x7f",
    "\x85", "\u2028", "\u2029", "\u202e", "\u2066", "\u200b", "\u200e", "\u061c", "\ufeff", "\ufffe", "\uffff",
    "\U0001fffe", "::set-output name=a::b", "\n::error::x", "  ::stop-commands::t",
    "##vso[task.complete result=Succeeded;]", "##[error]", "##teamcity[testFinished name='x']",
    "Pod web  allowed  (web.yaml:1)", "\n1 object: 1 allowed\n", "]]>", "<a>&amp;", "'", '"', "\\", ": ", " #", "{{",
    "%s", "[red]", "\u00e9", "\U0001f600",
)  # fmt: skip
SURROGATES = ("\ud800", "\udcff")
_RANGES = (range(0x200B, 0x2010), range(0x202A, 0x202F), range(0x2060, 0x2070))
INVISIBLE = frozenset("\xad\u061c\u180e\ufeff") | {chr(code) for codes in _RANGES for code in codes}

TEXTS = st.lists(
    st.sampled_from(FRAGMENTS) | st.text(st.characters(exclude_categories=["Cs"]), max_size=3), max_size=3
).map("".join)
"""Any text a document can hold."""
ANY_TEXTS = st.lists(st.sampled_from(FRAGMENTS + SURROGATES) | st.text(max_size=3), max_size=3).map("".join)
"""Any text at all: file names hold lone surrogates too."""
FILE_NAMES = (
    TEXTS.map(lambda text: text.replace("/", "").replace("\0", ""))
    .filter(lambda text: len(text.encode("utf-8")) < 200)
    .map(lambda text: f"{text}.yaml")
)


def check_line(line: str) -> None:
    """Fail if a line could do more than be read."""
    for character in line:
        assert unicodedata.category(character) not in ("Cc", "Cs", "Zl", "Zp"), (character, line)
        assert character not in INVISIBLE, (character, line)
    assert not line.strip().startswith("::"), line
    assert not re.search(r"##[\w.-]*\[", line), line


def check_output(text: str, *shapes: str) -> None:
    """Fail unless every line can only be read, and has one of our shapes (regular expressions)."""
    shape = re.compile("|".join(f"(?:{each})" for each in shapes))
    for line in text.removesuffix("\n").split("\n") if text else ():
        check_line(line)
        assert shape.fullmatch(line), line
