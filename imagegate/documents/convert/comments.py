"""Comments of a YAML document, found again by the line that they belong to."""

from __future__ import annotations

import re

_AT_END = re.compile(r"""(?:[^'"#]|'[^']*'|"(?:\\.|[^"\\])*"|(?<=\S)#)*?\s(?P<comment>#.*)""")


class Comments:
    """The comments of one document's text."""

    def __init__(self, text: str) -> None:
        self._lines = text.split("\n")

    def at(self, line: int) -> tuple[str, ...]:
        """The comments directly above a line (from 1) and at its end, without ``#`` and the blanks around."""
        first = line - 1
        while first > 0 and self._lines[first - 1].lstrip().startswith("#"):
            first -= 1
        found = [each.strip() for each in self._lines[first : line - 1]]
        at_end = _AT_END.fullmatch(self._lines[line - 1].rstrip()) if line <= len(self._lines) else None
        if at_end is not None:
            found.append(at_end["comment"])
        return tuple(each.lstrip("#").strip() for each in found)

    def of_item(self, line: int) -> tuple[str, ...]:
        """The comments of a list's item that begins in a line (from 1): above it and in it."""
        found = list(self.at(line))
        indent = _indent(self._lines[line - 1]) if line <= len(self._lines) else 0
        for text in self._lines[line:]:
            if text.strip() and _indent(text) <= indent:
                break
            if text.lstrip().startswith("#"):
                found.append(text.strip().lstrip("#").strip())
            elif (at_end := _AT_END.fullmatch(text.rstrip())) is not None:
                found.append(at_end["comment"].lstrip("#").strip())
        return tuple(found)


def _indent(text: str) -> int:
    return len(text) - len(text.lstrip(" "))
