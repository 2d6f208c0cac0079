"""Matches one string against many ``*``/``?`` patterns; the cost depends on the string, not on the number of patterns.

Patterns are grouped by shape, and each group is a hash table: literal patterns by the text itself; patterns with
``*.example.com`` by what follows the star, looked up once a dot of the text; other patterns with one ``*`` by their
text before and after it; all others by the literal piece that the fewest of them share, which must stand in the
text, at its beginning where the pattern begins with it; patterns without any literal by the lengths they accept.
Only the patterns that such a table names are tried.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

from imagegate.core.references.wildcard import Wildcard

T = TypeVar("T")

_DOT = b"."


class PatternIndex(Generic[T]):
    """Distinct patterns with a value each, written as for ``wildcard.Wildcard`` (bytes of UTF-8).

    Immutable once made. Of two equal patterns the last counts.
    """

    __slots__ = ("_any_length", "_beginnings", "_exact", "_fixed_length", "_pieces", "_shapes", "_suffixes")

    def __init__(self, patterns: Iterable[tuple[str, T]]) -> None:
        self._exact: dict[bytes, T] = {}
        self._suffixes: dict[bytes, T] = {}
        """The part after the star of ``*.example.com``, with the dot."""
        self._shapes: dict[tuple[int, int], dict[bytes, T]] = {}
        """(length before the star, length after it) -> both parts joined -> value."""
        self._beginnings: dict[int, dict[bytes, list[tuple[Wildcard | None, T]]]] = {}
        """Length of what patterns begin with -> that text -> the patterns to try."""
        self._pieces: dict[int, dict[bytes, list[tuple[Wildcard | None, T]]]] = {}
        """Length of a literal piece -> the piece -> the patterns to try."""
        self._fixed_length: dict[int, list[T]] = {}
        self._any_length: list[tuple[int, T]] = []
        distinct = dict(patterns)
        shared = Counter(piece for pattern in distinct for piece in _pieces_of(pattern))
        for pattern, value in distinct.items():
            self._add(pattern, value, shared)

    def _add(self, pattern: str, value: T, shared: Counter[bytes]) -> None:
        wildcard = Wildcard(pattern)
        raw = pattern.encode("utf-8", "surrogatepass")
        if wildcard.is_literal:
            self._exact[raw] = value
            return
        before, star, after = raw.partition(b"*")
        one_star = bool(star) and b"*" not in after and b"?" not in raw
        if one_star and not before and after.startswith(_DOT):
            self._suffixes[after] = value
            return
        if one_star:
            self._shapes.setdefault((len(before), len(after)), {})[before + after] = value
            return
        pieces = _pieces_of(pattern)
        if pieces:
            piece = min(pieces, key=lambda each: (shared[each], -len(each)))
            tables = self._beginnings if raw.startswith(piece) else self._pieces
            tables.setdefault(len(piece), {}).setdefault(piece, []).append((wildcard, value))
        elif star:
            self._any_length.append((raw.count(b"?"), value))
        else:
            self._fixed_length.setdefault(len(raw), []).append(value)

    def matching(self, text: str) -> Iterator[T]:
        """The values of all patterns that match, in no particular order."""
        for wildcard, value in self.candidates(text):
            if wildcard is None or wildcard.matches(text):
                yield value

    def candidates(self, text: str) -> Iterator[tuple[Wildcard | None, T]]:
        """Candidates for ``text``: values, each with the pattern that must still match.

        None in place of the pattern: being found here is proof that it matches.
        """
        raw = text.encode("utf-8", "surrogatepass")
        if raw in self._exact:
            yield None, self._exact[raw]
        if self._suffixes:
            yield from self._by_suffix(raw)
        if self._shapes:
            yield from self._by_shape(raw)
        for length, table in self._beginnings.items():
            yield from table.get(raw[:length], ())
        if self._pieces:
            yield from self._by_piece(raw)
        size = len(raw)
        for value in self._fixed_length.get(size, ()):
            yield None, value
        for least, value in self._any_length:
            if least <= size:
                yield None, value

    def _by_suffix(self, text: bytes) -> Iterator[tuple[None, T]]:
        at = text.find(_DOT)
        while at >= 0:
            suffix = text[at:]
            if suffix in self._suffixes:
                yield None, self._suffixes[suffix]
            at = text.find(_DOT, at + 1)

    def _by_shape(self, text: bytes) -> Iterator[tuple[None, T]]:
        size = len(text)
        for (before, after), table in self._shapes.items():
            if before + after <= size:
                ends = text[:before] + text[size - after :]
                if ends in table:
                    yield None, table[ends]

    def _by_piece(self, text: bytes) -> Iterator[tuple[Wildcard | None, T]]:
        for length, table in self._pieces.items():
            windows = {text[at : at + length] for at in range(len(text) - length + 1)}
            for window in windows:
                yield from table.get(window, ())


def _pieces_of(pattern: str) -> frozenset[bytes]:
    """The literal pieces between the wildcards of a pattern."""
    raw = pattern.encode("utf-8", "surrogatepass").replace(b"?", b"*")
    return frozenset(piece for piece in raw.split(b"*") if piece)
