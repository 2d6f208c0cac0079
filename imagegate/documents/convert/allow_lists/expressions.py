"""The patterns and expressions in which Kyverno's policies list images.

Only forms whose meaning is certain are read: alternatives of globs, one negated glob or several, and CEL that compares
the beginnings of images. Everything else is not sayable.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

_CHARACTERS = r"[\w.()+?:\[\]\s]*?"
_ALL = re.compile(
    rf"\s*{_CHARACTERS}[cC]ontainers?{_CHARACTERS}\.all\(\s*(?P<name>\w+)\s*,(?P<test>.*)\)\s*",
    re.DOTALL,
)
_TEST = re.compile(
    r"""\s*(?P<not>!\s*)?(?P<name>\w+)\.image(?:\.startsWith\(\s*(?P<prefix>'[^'\\]*'|"[^"\\]*")\s*\)"""
    r"""|\s*(?P<operator>[!=]=)\s*(?P<exact>'[^'\\]*'|"[^"\\]*"))\s*"""
)
_OPERATORS = re.compile(r"[<>]|^\d+-\d+$")


class Images(NamedTuple):
    """Globs of which an image must match one, or must match none."""

    globs: tuple[str, ...]
    are_denied: bool = False


def read_pattern(text: str) -> Images | None:
    """A string of a Kyverno ``pattern``: ``a/* | b/*``, ``!a/*``, ``!a/* & !b/*``; None if it is something else."""
    alternatives = [each.strip() for each in text.split("|")]
    if not all(alternatives) or _OPERATORS.search(text) or "{{" in text or "$(" in text:
        return None
    if len(alternatives) > 1 or not {"!", "&"} & set(text):
        return None if {"!", "&"} & set(text) else Images(tuple(alternatives))
    parts = [each.strip() for each in text.split("&")]
    if all(part.startswith("!") and "!" not in part[1:] for part in parts):
        return Images(tuple(part[1:].strip() for part in parts), are_denied=True)
    return None


def read_cel(text: str) -> Images | None:
    """``LIST.all(c, c.image.startsWith('a/') || ...)``, or all negated and joined by ``&&``; None for other forms."""
    found = _ALL.fullmatch(text)
    if found is None:
        return None
    test = found["test"].strip()
    while test.startswith("(") and _closes_at_end(test):
        test = test[1:-1].strip()
    parts = re.split(r"\|\||&&", test)
    tests = [each for part in parts if (each := _TEST.fullmatch(part)) is not None and each["name"] == found["name"]]
    negated = {bool(each["not"]) != (each["operator"] == "!=") for each in tests}
    if len(tests) < len(parts) or len(negated) > 1:
        return None
    are_denied = negated.pop()
    if ("||" if are_denied else "&&") in test:
        return None
    globs = tuple(_glob(each) for each in tests)
    return None if any({"*", "?"} & set(glob[:-1]) for glob in globs) else Images(globs, are_denied)


def _closes_at_end(text: str) -> bool:
    """True if the first bracket is closed by the last character."""
    depth = 0
    for place, character in enumerate(text):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth == 0:
            return place == len(text) - 1
    return False


def _glob(found: re.Match[str]) -> str:
    return f"{found['prefix'][1:-1]}*" if found["prefix"] is not None else found["exact"][1:-1]


_REGISTRIES = re.compile(r"\{\{\s*images\.(?:\w+|\[[\w\s,]+\])(?:\.\*|\[\])\.(?:\*\.)?registry(?:\[\])?\s*\}\}")


def is_registries(key: str) -> bool:
    """True for a variable that stands for the registries of all images, Docker Hub filled in."""
    return _REGISTRIES.fullmatch(key.strip()) is not None


def registry_globs(registries: Sequence[str]) -> tuple[str, ...]:
    """Globs for all images of some registries, which may be patterns."""
    return tuple(f"{registry}/*" for registry in registries)
