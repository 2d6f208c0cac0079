"""Patterns of one label of a host name, as keys of pull secrets have them.

Grammar: Go's path/filepath.Match: ``*``, ``?``, ``[abc]``, ``[a-c]``, ``[^a]``, and a backslash before a plain
character. A pattern that is not of this form matches nothing.
"""

from __future__ import annotations

import re
from functools import lru_cache

from imagegate.core.references.wildcard import is_wildcard_match

_SPECIAL = frozenset("*?[")
_CLASS = re.compile(r"\[(\^?)((?:\\.|[^\]\\])+)\]")
_RANGE = re.compile(r"(?:\\(.)|([^\\-]))(?:-(?:\\(.)|([^\\-])))?")


def is_pattern(text: str) -> bool:
    """True if ``text`` is more than the name itself."""
    return not _SPECIAL.isdisjoint(text)


def is_label_match(label: str, pattern: str) -> bool:
    """True if ``pattern`` covers the whole label."""
    if "[" not in pattern and "\\" not in pattern:
        return is_wildcard_match(label, pattern)
    pieces = _pieces(pattern)
    return pieces is not None and _is_match(label, pieces)


@lru_cache(maxsize=1024)
def _pieces(pattern: str) -> tuple[str | frozenset[str], ...] | None:
    """``*`` and ``?`` as written, and the characters that any other place permits; None: no pattern."""
    found: list[str | frozenset[str]] = []
    at = 0
    while at < len(pattern):
        character = pattern[at]
        one_of = _CLASS.match(pattern, at)
        if one_of is not None:
            permitted = _permitted(one_of.group(2), is_negated=bool(one_of.group(1)))
            if permitted is None:
                return None
            found.append(permitted)
            at = one_of.end()
        elif character in "*?":
            found.append(character)
            at += 1
        else:
            if character == "\\":
                at += 1
            if character == "[" or at == len(pattern):
                return None
            found.append(frozenset(pattern[at]))
            at += 1
    return tuple(found)


_HOST_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_")


def _permitted(body: str, *, is_negated: bool) -> frozenset[str] | None:
    permitted: set[str] = set()
    at = 0
    while at < len(body):
        part = _RANGE.match(body, at)
        if part is None:
            return None
        low = part.group(1) or part.group(2)
        high = part.group(3) or part.group(4) or low
        permitted |= {character for character in _HOST_CHARACTERS if low <= character <= high}
        at = part.end()
    return _HOST_CHARACTERS - permitted if is_negated else frozenset(permitted)


def _is_match(label: str, pieces: tuple[str | frozenset[str], ...]) -> bool:
    """Match by the set of places in the pattern that the characters read so far may lead to."""
    places = _after_stars({0}, pieces)
    for character in label:
        places = _after_stars({step for place in places for step in _steps(place, character, pieces)}, pieces)
    return len(pieces) in places


def _steps(place: int, character: str, pieces: tuple[str | frozenset[str], ...]) -> set[int]:
    if place == len(pieces):
        return set()
    piece = pieces[place]
    if piece == "*":
        return {place}
    return {place + 1} if piece == "?" or character in piece else set()


def _after_stars(places: set[int], pieces: tuple[str | frozenset[str], ...]) -> set[int]:
    found = set(places)
    for place in places:
        while place < len(pieces) and pieces[place] == "*":
            place += 1
            found.add(place)
    return found
