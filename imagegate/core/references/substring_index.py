"""Finds which of many strings a given string begins with, ends with or contains, without trying each."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Generic, TypeVar

V = TypeVar("V")


class Prefixes(Generic[V]):
    """Values by prefix; finds those whose prefix a given string begins with, in logarithmic time.

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


class AffixIndex(Generic[V]):
    """Values under a beginning and an end."""

    __slots__ = ("_by_prefix", "_longest_suffix")

    def __init__(self, values: Mapping[tuple[str, str], V]) -> None:
        grouped: dict[str, dict[str, V]] = {}
        for (prefix, suffix), value in values.items():
            grouped.setdefault(prefix, {})[suffix[::-1]] = value
        self._longest_suffix = max((len(suffix) for _, suffix in values), default=0)
        self._by_prefix = Prefixes({prefix: Prefixes(group) for prefix, group in grouped.items()})

    def find(self, text: str, ends: Sequence[int]) -> Iterator[tuple[V, int]]:
        """Values whose prefix and suffix fit ``text`` up to one of ``ends``, each once.

        Args:
            text: beginning and end may overlap in it.
            ends: positions in ``text``, longest first; each value comes with the first of them that fits.
        """
        for by_suffix in self._by_prefix.find(text):
            seen: set[int] = set()
            for end in ends:
                tail = text[max(0, end - self._longest_suffix) : end][::-1]
                for value in by_suffix.find(tail):
                    if id(value) not in seen:
                        seen.add(id(value))
                        yield value, end


class Occurrences(Generic[V]):
    """Values by non-empty string; finds those whose string is anywhere in a given string.

    One pass over the given text, however many are stored (Aho and Corasick, 1975).
    """

    __slots__ = ("_ends", "_fail", "_next", "_shorter")

    def __init__(self, values: Mapping[str, V]) -> None:
        self._next: list[dict[str, int]] = [{}]
        self._ends: dict[int, V] = {}
        """Node -> the value whose string ends there."""
        for text, value in values.items():
            self._ends[self._insert(text)] = value
        self._fail = [0] * len(self._next)
        """Node -> the node of its longest proper end."""
        self._shorter = [0] * len(self._next)
        """Node -> the longest proper end at which a value ends; 0: none."""
        self._link()

    def _insert(self, text: str) -> int:
        node = 0
        for character in text:
            following = self._next[node].get(character)
            if following is None:
                following = self._next[node][character] = len(self._next)
                self._next.append({})
            node = following
        return node

    def _link(self) -> None:
        waiting = deque([0])
        while waiting:
            node = waiting.popleft()
            for character, child in self._next[node].items():
                waiting.append(child)
                fail = self._step(self._fail[node], character) if node else 0
                self._fail[child] = fail
                self._shorter[child] = fail if fail in self._ends else self._shorter[fail]

    def _step(self, node: int, character: str) -> int:
        while node and character not in self._next[node]:
            node = self._fail[node]
        return self._next[node].get(character, 0)

    def find(self, text: str) -> Iterator[V]:
        """The values of all stored strings that ``text`` contains, each once."""
        seen: set[int] = set()
        node = 0
        for character in text:
            node = self._step(node, character)
            at = node if node in self._ends else self._shorter[node]
            while at and at not in seen:
                seen.add(at)
                yield self._ends[at]
                at = self._shorter[at]
