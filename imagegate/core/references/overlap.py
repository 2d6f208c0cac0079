"""Patterns with ``*`` compared with each other: whether some string matches both.

Policies are converted and checked by this: what cannot be told apart counts as an overlap.
"""

from __future__ import annotations

from functools import lru_cache


@lru_cache(maxsize=65536)
def overlap(one: str, other: str) -> bool:
    """True if some string matches both patterns; ``*`` matches any run of characters, the empty one too.

    The time is the product of the lengths.
    """
    # reachable[j]: the part of `one` read so far and other[:j] match a common string
    reachable = _after_stars([True, *[False] * len(other)], other)
    for character in one:
        following = [False] * (len(other) + 1)
        if character == "*":
            following[0] = reachable[0]
            for place in range(1, len(other) + 1):
                following[place] = reachable[place] or following[place - 1]
        else:
            for place, wanted in enumerate(other):
                if reachable[place] and wanted in ("*", character):
                    following[place if wanted == "*" else place + 1] = True
        reachable = _after_stars(following, other)
    return reachable[len(other)]


def _after_stars(reachable: list[bool], pattern: str) -> list[bool]:
    """A ``*`` may match nothing, so what stands before it also stands behind it."""
    for place, wanted in enumerate(pattern):
        if wanted == "*" and reachable[place]:
            reachable[place + 1] = True
    return reachable
