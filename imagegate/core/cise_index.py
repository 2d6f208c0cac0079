"""The best entry among many, without trying each: an index over the literal ends of patterns.

A name is found by the host it begins with, a pattern by what stands before its first and after its last
``*``; only patterns whose literal ends fit are compared. What it answers is what walking the list in
order with ``compare_image_ref`` would answer (spec section 8.3); how many patterns it looks at does not
grow with the length of the list, unless they differ only between two ``*``.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Generic, NamedTuple, TypeVar

from imagegate.core.cise_matching import TAG_SEPARATOR, fits_between, matches_pieces, quality

V = TypeVar("V")


class Rank(NamedTuple):
    """How good an entry is: the greater the better; on a tie of quality the earlier one."""

    quality: int
    before: int
    """Minus the position in the list."""


NO_RANK = Rank(-1, 0)


class NameIndex:
    """All names of one scope, in order. Immutable; shared by all threads."""

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
        self._whole = _TextIndex(whole) if whole else None
        self._hosts = {host: _TextIndex(paths) for host, paths in by_host.items() if "*" not in host}
        self._host_patterns = _Affixes(
            ((pieces := tuple(host.split("*")))[0], pieces[-1], (pieces, _TextIndex(paths)))
            for host, paths in by_host.items()
            if "*" in host
        )

    def best(self, image: str, looked_at: Callable[[], None] | None = None) -> int | None:
        """The position of the best name for an image string, or None.

        Args:
            looked_at: called for every pattern that is compared, to count them.
        """
        exact = self._exact.get(image)
        if exact is not None:
            return exact
        found = self._whole.best(image, NO_RANK, looked_at) if self._whole else NO_RANK
        host, slash, path = image.partition("/")
        if slash:
            literal = self._hosts.get(host)
            if literal is not None:
                found = literal.best(path, found, looked_at)
            for host_patterns, _ in self._host_patterns.find(host, (len(host),)):
                for pieces, paths in host_patterns:
                    if matches_pieces(pieces, host):
                        found = paths.best(path, found, looked_at)
        return None if found is NO_RANK else -found.before


class _TextIndex:
    """Patterns that are compared with one text, each also with ``:*`` added."""

    def __init__(self, patterns: Iterable[tuple[str, Rank]]) -> None:
        self._literals: dict[str, Rank] = {}
        wild: list[tuple[tuple[str, ...], Rank]] = []
        for pattern, rank in patterns:
            if "*" in pattern:
                wild.append((tuple(pattern.split("*")), rank))
            else:
                self._literals.setdefault(pattern, rank)  # equal names have equal quality: the first is the best
        self._longest_literal = max(map(len, self._literals), default=0)
        wild.sort(key=lambda item: item[1], reverse=True)
        self._wild = _Affixes((pieces[0], pieces[-1], (pieces, rank)) for pieces, rank in wild)

    def best(self, text: str, best: Rank, looked_at: Callable[[], None] | None) -> Rank:
        """The better of ``best`` and the best pattern for ``text``."""
        ends = _ends(text)
        if self._literals:
            for end in ends:
                if end <= self._longest_literal:
                    rank = self._literals.get(text[:end])
                    if rank is not None and rank > best:
                        best = rank
        for candidates, end in self._wild.find(text, ends):
            for pieces, rank in candidates:
                if rank <= best:
                    break
                if looked_at is not None:
                    looked_at()
                if fits_between(pieces, text, end):
                    best = rank
                    break
        return best


def _ends(text: str) -> tuple[int, ...]:
    """Where a pattern may end: at the end of ``text``, or (``:*`` added) before any colon; longest first."""
    ends = [len(text)]
    at = text.rfind(TAG_SEPARATOR)
    while at >= 0:
        ends.append(at)
        at = text.rfind(TAG_SEPARATOR, 0, at)
    return tuple(ends)


class _Affixes(Generic[V]):
    """Values under a literal beginning and a literal end."""

    def __init__(self, items: Iterable[tuple[str, str, V]]) -> None:
        grouped: dict[str, dict[str, list[V]]] = {}
        for prefix, suffix, value in items:
            grouped.setdefault(prefix, {}).setdefault(suffix[::-1], []).append(value)
        self._longest_suffix = max((len(key) for group in grouped.values() for key in group), default=0)
        self._by_prefix = _Prefixes({prefix: _Prefixes(group) for prefix, group in grouped.items()})

    def find(self, text: str, ends: Sequence[int]) -> Iterator[tuple[list[V], int]]:
        """Values whose ends fit ``text`` up to one of ``ends``, each list once, with the longest such end."""
        for by_suffix in self._by_prefix.find(text):
            seen: set[int] = set()
            for end in ends:
                tail = text[max(0, end - self._longest_suffix) : end][::-1]
                for values in by_suffix.find(tail):
                    if id(values) not in seen:
                        seen.add(id(values))
                        yield values, end


class _Prefixes(Generic[V]):
    """Values under texts; finds those whose text a given text begins with, in logarithmic time.

    All stored beginnings of a text are beginnings of the greatest stored text not above it, so after one
    binary search only the chain "longest stored beginning of this one" is followed.
    """

    __slots__ = ("_keys", "_parents", "_values")

    def __init__(self, values: Mapping[str, V]) -> None:
        self._keys = sorted(values)
        self._values = [values[key] for key in self._keys]
        self._parents: list[int] = []
        open_: list[int] = []
        for position, key in enumerate(self._keys):
            while open_ and not key.startswith(self._keys[open_[-1]]):
                open_.pop()
            self._parents.append(open_[-1] if open_ else -1)
            open_.append(position)

    def find(self, text: str) -> list[V]:
        """The values of all stored beginnings of ``text``, longest first."""
        at = bisect_right(self._keys, text) - 1
        found: list[V] = []
        while at >= 0:
            if text.startswith(self._keys[at]):
                found.append(self._values[at])
            at = self._parents[at]
        return found
