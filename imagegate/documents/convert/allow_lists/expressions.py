"""The patterns and expressions in which Kyverno's policies list images.

Only forms whose meaning is certain are read: alternatives of globs, one negated glob or several, and CEL that compares
the beginnings of images. Everything else is not sayable.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from imagegate.documents.convert.allow_lists.restrictions import LISTS

_CHARACTERS = r"[\w.()+?:\[\]\s]*?"
_ALL = re.compile(
    rf"\s*{_CHARACTERS}[cC]ontainers?{_CHARACTERS}\.all\(\s*(?P<name>\w+)\s*,(?P<test>.*)\)\s*",
    re.DOTALL,
)
_STRING = r"""'[^'\\]*'|"[^"\\]*\""""
_TEST = re.compile(
    rf"""\s*(?P<not>!\s*)?(?P<name>\w+)\.image"""
    rf"""(?:\.(?P<function>startsWith|endsWith|contains)\(\s*(?P<part>{_STRING})\s*\)"""
    rf"""|\s*(?P<operator>[!=]=)\s*(?P<exact>{_STRING}))\s*"""
)
_GLOBS = {"startsWith": "{}*", "endsWith": "*{}", "contains": "*{}*"}
_VARIABLE = re.compile(r"variables\.(\w+)")
_TERM = re.compile(
    r"object\.spec\.\??(?P<list>\w+)(?:\.orValue\(\[\]\))?"
    r"|\(?has\(object\.spec\.(?P<tested>\w+)\)\?object\.spec\.(?P=tested):\[\]\)?"
)
_OPERATORS = re.compile(r"[<>]|^\d+-\d+$")


class Images(NamedTuple):
    """Globs of which an image must match one, or must match none."""

    globs: tuple[str, ...]
    are_denied: bool = False


def read_patterns(text: str) -> tuple[Images, ...]:
    """A string of a Kyverno ``pattern`` as lists that all count: ``a/* & !b/*``; empty if it cannot be read."""
    whole = read_pattern(text)
    if whole is not None:
        return (whole,)
    parts = [read_pattern(part) for part in text.split("&")] if "|" not in text else []
    return tuple(part for part in parts if part is not None) if all(parts) else ()


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
    if any({"*", "?"} & set(_literal(each)) for each in tests):
        return None
    return Images(tuple(_GLOBS.get(each["function"], "{}").format(_literal(each)) for each in tests), are_denied)


def cel_lists(text: str, variables: Mapping[str, str]) -> frozenset[str]:
    """The lists of containers that an expression which ``read_cel`` reads looks at; empty if that is not certain.

    Args:
        variables: expressions by name.
    """
    listed = "".join(text.partition(".all(")[0].split())
    named = _VARIABLE.fullmatch(listed)
    expression = "".join(variables.get(named[1], "").split()) if named is not None else listed
    terms = [_TERM.fullmatch(term) for term in expression.split("+")]
    return frozenset(term["list"] or term["tested"] for term in terms if term) if all(terms) else frozenset()


def _closes_at_end(text: str) -> bool:
    """True if the first bracket is closed by the last character."""
    depth = 0
    for place, character in enumerate(text):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth == 0:
            return place == len(text) - 1
    return False


def _literal(found: re.Match[str]) -> str:
    text: str = found["part"] or found["exact"]
    return text[1:-1]


_REGISTRIES = re.compile(r"\{\{\s*images\.(?P<lists>\w+|\[[\w\s,]+\])(?:\.\*|\[\])\.(?:\*\.)?registry(?:\[\])?\s*\}\}")


def is_registries(key: str) -> bool:
    """True for a variable that stands for the registries of all images, Docker Hub filled in."""
    return _REGISTRIES.fullmatch(key.strip()) is not None


def named_lists(text: str) -> frozenset[str]:
    """The lists of containers that a variable or a path of Kyverno names."""
    return frozenset(re.findall(r"\w+", text)) & frozenset(LISTS)


def registry_globs(registries: Sequence[str]) -> tuple[str, ...]:
    """Globs for all images of some registries, which may be patterns."""
    return tuple(f"{registry}/*" for registry in registries)
