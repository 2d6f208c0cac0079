"""Hints about what was probably meant, for the mistakes that the manual's own examples lead to."""

from __future__ import annotations

import re
from collections.abc import Iterable

_KEY_LINE = re.compile(r"^(?P<indent>\s*(?:-\s+)*)(?P<key>[A-Za-z]\w*)\s*:\s*(?:#.*)?$")
_KEY_WITH_DIGITS = re.compile(r"^\s*(?:-\s+)*(?P<key>[A-Za-z]\w*)\s*:\s+(?P<digits>[0-9]{1,2})\s*$")
_CALLOUT = re.compile(r"^(?P<value>\S.*?)\s+(?P<digits>[0-9]{1,2})$", re.DOTALL)


def hint_for_broken_yaml(text: str, line: int, column: int, problem: str) -> str:
    """A hint for a document that the parser refused, beginning with ``; ``; empty if nothing is likely.

    Args:
        text: the whole document.
        line: the line at which the parser stopped, from 1.
        column: from 0.
        problem: the message of the parser.
    """
    lines = text.split("\n")
    if not 0 < line <= len(lines):
        return ""
    if "\t" in lines[line - 1][: column + 1]:
        return "; indent with spaces, not tabs"
    if "alphabetic or numeric" in problem and "*" in lines[line - 1][max(column - 1, 0) : column + 1]:
        return '; a string that begins with "*" must be quoted'
    return _hint_for_indentation(lines, line, column) or _hint_for_callout(lines, line)


def _hint_for_indentation(lines: list[str], line: int, column: int) -> str:
    """``matchRegistries:`` at the level of the list items above it, as in the manual's Docker Hub example."""
    found = re.match(r"\s*(?P<key>[A-Za-z]\w*)\s*:", lines[line - 1])
    if found is None or found.start("key") != column:
        return ""
    for above in reversed(lines[: line - 1]):
        if not above.strip() or above.lstrip().startswith("#"):
            continue
        parent = _KEY_LINE.match(above)
        if parent is not None and parent.start("key") < column:
            return f"; dedent {found['key']} to the level of {parent['key']}"
        if len(above) - len(above.lstrip()) < column:
            return ""
    return ""


def _hint_for_callout(lines: list[str], line: int) -> str:
    """``executionRules: 2`` followed by a list: the digit is the manual's callout."""
    for number in range(line - 1, max(line - 4, 0), -1):
        found = _KEY_WITH_DIGITS.match(lines[number - 1])
        if found is not None:
            said = f'"{found["digits"]}" after {found["key"]} looks like a callout number of the manual'
            return f"; line {number}: {said}, remove it"
        if lines[number - 1].strip() and not lines[number - 1].lstrip().startswith("#"):
            return ""
    return ""


def hint_for_callout(value: object) -> str:
    """``; remove the callout number`` for ``pods 1`` or ``true 2``; empty for anything else."""
    found = _CALLOUT.match(value) if isinstance(value, str) else None
    if found is None:
        return ""
    return f"; {found['digits']} looks like a callout number of the manual, remove it"


def nearest(name: str, candidates: Iterable[str], *, cutoff: float = 0.75) -> str:
    """The candidate that ``name`` is probably a misspelling of, whatever its case; empty if none is near.

    Args:
        name: as written; only its first 100 characters are compared.
        candidates: the names that exist.
        cutoff: similarity from 0 to 1 (``difflib``).
    """
    import difflib  # imported when used: most documents have no misspelling

    by_lower = {candidate.lower(): candidate for candidate in candidates}
    near = difflib.get_close_matches(name.lower()[:100], by_lower, n=1, cutoff=cutoff)
    return by_lower[near[0]] if near else ""
