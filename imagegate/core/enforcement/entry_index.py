"""Finds the best entry among many by an index over the literal parts of patterns.

A name is found by its host, a pattern by its prefix before the first and its suffix after the last ``*``, or by its
longest piece between two ``*``; only patterns whose literal parts fit are compared. The result is that of walking
the list in order with ``compare_image_ref`` (docs/spec/enforcement.md 8.3).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from operator import itemgetter
from typing import Generic, NamedTuple, TypeAlias, TypeVar

from imagegate.core.enforcement.patterns import TAG_SEPARATOR, fits_between, quality
from imagegate.core.references.substring_index import AffixIndex, Occurrences

_ANY_TAG = ":*"
_FEW = 8
"""Up to this many patterns with equal ends are compared one by one, which is faster than another index."""


class Rank(NamedTuple):
    """Rank of an entry: the greater the better; among equal quality the earlier entry."""

    quality: int
    before: int
    """Minus the position in the list."""


NO_RANK = Rank(-1, 0)
V = TypeVar("V")
Pieces: TypeAlias = tuple[str, ...]
"""A pattern split at every ``*``."""
LookedAt: TypeAlias = Callable[[], None] | None


class NameIndex:
    """All names of one effective policy, in order. Immutable; shared by all threads."""

    __slots__ = ("_exact", "_host_patterns", "_hosts", "_whole")

    def __init__(self, names: Sequence[str]) -> None:
        self._exact: dict[str, int] = {}
        whole: list[tuple[str, Rank]] = []
        by_host: dict[str, list[tuple[str, Rank]]] = {}
        for position, name in enumerate(names):
            rank = Rank(quality(name), -position)
            if "*" not in name:
                self._exact.setdefault(name, position)
            host, slash, path = name.partition("/")
            if slash:
                by_host.setdefault(host, []).append((path, rank))
            else:
                whole.append((name, rank))
        self._whole = _StringIndex(whole)
        self._hosts = {host: _StringIndex(paths) for host, paths in by_host.items() if "*" not in host}
        host_patterns: dict[tuple[str, str], list[tuple[Pieces, _StringIndex]]] = {}
        for host, paths in by_host.items():
            if "*" in host:
                pieces = tuple(host.split("*"))
                host_patterns.setdefault((pieces[0], pieces[-1]), []).append((pieces, _StringIndex(paths)))
        self._host_patterns = AffixIndex({ends: _AffixBucket(patterns) for ends, patterns in host_patterns.items()})

    def best(self, image: str, looked_at: LookedAt = None) -> int | None:
        """The position of the best name for an image string, or None.

        Args:
            looked_at: called for every pattern that is compared, to count them.
        """
        exact = self._exact.get(image)
        if exact is not None:
            return exact
        found = self._whole.best(image, NO_RANK, looked_at)
        host, slash, path = image.partition("/")
        if slash:
            for paths in self._paths_under(host, looked_at):
                found = paths.best(path, found, looked_at)
        return None if found is NO_RANK else -found.before

    def _paths_under(self, host: str, looked_at: LookedAt) -> Iterator[_StringIndex]:
        """The path patterns of every host pattern that matches."""
        literal = self._hosts.get(host)
        if literal is not None:
            yield literal
        for patterns, end in self._host_patterns.find(host, (len(host),)):
            for pieces, paths in chain.from_iterable(patterns.find(host)):
                if looked_at is not None:
                    looked_at()
                if fits_between(pieces, host, end):
                    yield paths


class _StringIndex:
    """Patterns that are compared with one string, each also with ``:*`` added.

    A string matches ``P:*`` exactly if ``P`` matches the part before one of its colons. So patterns are stored
    without a final ``:*``, and those written with it are compared at colons only.
    """

    __slots__ = ("_any", "_tagged")

    def __init__(self, patterns: Iterable[tuple[str, Rank]]) -> None:
        plain: list[tuple[str, Rank]] = []
        tagged: list[tuple[str, Rank]] = []
        for pattern, rank in patterns:
            if pattern.endswith(_ANY_TAG):
                tagged.append((pattern.removesuffix(_ANY_TAG), rank))
            else:
                plain.append((pattern, rank))
        self._any = _LiteralBuckets(plain) if plain else None
        self._tagged = _LiteralBuckets(tagged) if tagged else None

    def best(self, text: str, best: Rank, looked_at: LookedAt) -> Rank:
        """The better of ``best`` and the best pattern for ``text``."""
        ends = _possible_ends(text)
        if self._any is not None:
            best = self._any.best(text, ends, best, looked_at)
        if self._tagged is not None and len(ends) > 1:
            best = self._tagged.best(text, ends[1:], best, looked_at)
        return best


def _possible_ends(text: str) -> list[int]:
    """Possible ends of a pattern: the end of ``text``, or (``:*`` added) before any colon; longest first."""
    ends = [len(text)]
    at = text.rfind(TAG_SEPARATOR)
    while at >= 0:
        ends.append(at)
        at = text.rfind(TAG_SEPARATOR, 0, at)
    return ends


class _LiteralBuckets:
    """Patterns that must match a string up to one of several ends."""

    __slots__ = ("_literals", "_longest_literal", "_wild")

    def __init__(self, patterns: Iterable[tuple[str, Rank]]) -> None:
        self._literals: dict[str, Rank] = {}
        grouped: dict[tuple[str, str], list[tuple[Pieces, Rank]]] = {}
        for pattern, rank in patterns:
            if "*" in pattern:
                pieces = tuple(pattern.split("*"))
                grouped.setdefault((pieces[0], pieces[-1]), []).append((pieces, rank))
            else:
                self._literals[pattern] = max(rank, self._literals.get(pattern, NO_RANK))
        self._longest_literal = max(map(len, self._literals), default=0)
        for group in grouped.values():
            group.sort(key=itemgetter(1), reverse=True)
        self._wild = AffixIndex({ends: _AffixBucket(group) for ends, group in grouped.items()})

    def best(self, text: str, ends: Sequence[int], best: Rank, looked_at: LookedAt) -> Rank:
        """The better of ``best`` and the best pattern for ``text`` up to one of ``ends`` (longest first).

        A pattern is compared at the longest end that its last piece fits, which leaves the most room for the others.
        """
        if self._literals:
            for end in ends:
                if end <= self._longest_literal:
                    rank = self._literals.get(text[:end])
                    if rank is not None and rank > best:
                        best = rank
        for same_ends, end in self._wild.find(text, ends):
            for candidates in same_ends.find(text):
                best = _first_fit(candidates, text, end, best, looked_at)
        return best


class _AffixBucket(Generic[V]):
    """Patterns with the same first and the same last piece, by the longest piece between."""

    __slots__ = ("_inner", "_listed")

    def __init__(self, patterns: list[tuple[Pieces, V]]) -> None:
        self._listed = patterns
        self._inner: Occurrences[list[tuple[Pieces, V]]] | None = None
        if len(patterns) > _FEW:
            by_piece: dict[str, list[tuple[Pieces, V]]] = {}
            for pattern in patterns:
                by_piece.setdefault(max(pattern[0][1:-1], key=len, default=""), []).append(pattern)
            self._listed = by_piece.pop("", [])
            self._inner = Occurrences(by_piece)

    def find(self, text: str) -> Iterator[list[tuple[Pieces, V]]]:
        """Lists of patterns that may fit, each list in the order given."""
        yield self._listed
        if self._inner is not None:
            yield from self._inner.find(text)


def _first_fit(candidates: Iterable[tuple[Pieces, Rank]], text: str, end: int, best: Rank, looked_at: LookedAt) -> Rank:
    """The better of ``best`` and the first of ``candidates`` (best first) that fits ``text[:end]``."""
    for pieces, rank in candidates:
        if rank <= best:
            break
        if looked_at is not None:
            looked_at()
        if fits_between(pieces, text, end):
            return rank
    return best
