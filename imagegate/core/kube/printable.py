"""Foreign text made safe to print: in terminals, logs, CI output, XML reports and messages of the API.

Names, file names and everything that registries say may hold terminal escapes, line ends that forge a line of output,
or marks that turn the direction of the text around. ``printable`` shows each of these as a visible escape.
"""

from __future__ import annotations

import re

DEFAULT_LIMIT = 1024
_CUT = "..."

# What a terminal, a line-based reader or an XML parser acts on, or a person cannot see: C0, DEL and C1 controls, the
# soft hyphen, zero-width and direction marks (UAX #9: LRM, RLM, ALM, embeddings, overrides, isolates), line and
# paragraph separators, invisible operators, the byte order mark, annotation and tag characters, lone surrogates,
# noncharacters (U+FDD0..FDEF and the last two of every plane).
_NONCHARACTERS = "".join(f"{chr(plane << 16 | 0xFFFE)}{chr(plane << 16 | 0xFFFF)}" for plane in range(17))
_UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufdd0-\ufdef\ufeff"
    f"\ufff9-\ufffb\U000e0000-\U000e007f{_NONCHARACTERS}]"
)
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def printable(text: str, limit: int = DEFAULT_LIMIT) -> str:
    r"""``text`` on one line, without any character that is acted on instead of shown.

    Such a character becomes ``\n``, ``\r``, ``\t``, ``\xHH``, ``\uHHHH`` or ``\UHHHHHHHH``; all others stay as they
    are, the backslash too, so an ordinary text is never changed. A lone surrogate of ``surrogateescape`` stands for
    the byte it came from and becomes ``\xHH``.

    Args:
        limit: characters of the result at most; a longer one is cut and ends in ``...``. No escape is cut in two.
    """
    if len(text) <= limit and text.isascii() and text.isprintable():
        return text
    pieces: list[str] = []
    room = limit
    for character in text[: limit + 1]:  # every character takes one place at least
        shown = _escaped(character) if _UNPRINTABLE.match(character) else character
        room -= len(shown)
        pieces.append(shown)
        if room < 0:
            return _cut(pieces, limit)
    return "".join(pieces)


def _cut(pieces: list[str], limit: int) -> str:
    length = sum(map(len, pieces))
    while pieces and length > limit - len(_CUT):
        length -= len(pieces.pop())
    return ("".join(pieces) + _CUT)[: max(limit, 0)]


def _escaped(character: str) -> str:
    short = _SHORT.get(character)
    if short is not None:
        return short
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
