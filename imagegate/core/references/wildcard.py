"""Patterns with ``*`` (any run of bytes, also none) and ``?`` (exactly one byte); no classes, no escapes.

Compiled once. Source: openshift-apiserver, pkg/image/apis/image/validation/whitelist (``IsWildcardMatch``);
docs/spec/import-gate.md 2.1. Many patterns at once: ``core.references.wildcard_index``, which looks simple shapes such
as ``*.example.com`` up without this class.
"""

from __future__ import annotations


class Wildcard:
    """One pattern, of a host, a port or a repository; the whole text must match."""

    __slots__ = ("_anchored", "_pieces", "pattern")

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        pieces = pattern.encode("utf-8", "surrogatepass").split(b"*")
        self._pieces = tuple(pieces)
        self._anchored = len(pieces) == 1

    @property
    def is_literal(self) -> bool:
        """True if the pattern matches only itself."""
        return self._anchored and b"?" not in self._pieces[0]

    def matches(self, text: str) -> bool:
        """True if the whole of ``text`` matches, byte by byte."""
        value = text.encode("utf-8", "surrogatepass")
        first, last = self._pieces[0], self._pieces[-1]
        if self._anchored:
            return len(value) == len(first) and _fits(first, value, 0)
        if len(value) < len(first) + len(last):
            return False
        end = len(value) - len(last)
        if not _fits(first, value, 0) or not _fits(last, value, end):
            return False
        at = len(first)
        for piece in self._pieces[1:-1]:
            at = _find(piece, value, at, end)
            if at < 0:
                return False
        return True


def _fits(piece: bytes, value: bytes, at: int) -> bool:
    """True if ``piece`` (with ``?``) is in ``value`` at ``at``; the caller has checked the length."""
    if b"?" not in piece:
        return value.startswith(piece, at)
    return all(byte in (63, value[at + offset]) for offset, byte in enumerate(piece))


def _find(piece: bytes, value: bytes, start: int, end: int) -> int:
    """End of the first occurrence of ``piece`` in ``value[start:end]``, or -1."""
    if b"?" not in piece:
        found = value.find(piece, start, end)
        return found + len(piece) if found >= 0 else -1
    for at in range(start, end - len(piece) + 1):
        if _fits(piece, value, at):
            return at + len(piece)
    return -1


def is_wildcard_match(text: str, pattern: str) -> bool:
    """True if ``text`` matches ``pattern``; compile a ``Wildcard`` if a pattern is used twice."""
    return Wildcard(pattern).matches(text)
