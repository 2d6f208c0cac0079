"""The order of a repository's tags, for imports that are limited to the first of them.

``latest``; minor versions (``5.1``, ``v5.1``, ``v5.1-rc1``) from new to old; full versions from new to old, of equal
ones that without ``v`` first; everything else from A to Z. Source: docs/spec/import-gate.md 6.1. Source:
openshift/library-go, pkg/image/imageutil (``PrioritizeTags``), whose versions are those of semver.org 2.0.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, TypeAlias

from imagegate.core.references.openshift import DEFAULT_TAG

_NUMBER = r"(?:0|[1-9][0-9]*)"
_PART = r"(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_VERSION = re.compile(
    rf"({_NUMBER})\.({_NUMBER})\.({_NUMBER})(?:-({_PART}(?:\.{_PART})*))?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
)
_MINOR = re.compile(r"([0-9]+\.[0-9]+)(-\w+)?", re.ASCII)
_MAX_NUMBER = 2**64 - 1

_LATEST, _MINORS, _FULL, _OTHER = range(4)
_Order: TypeAlias = tuple[Any, ...]


def ordered_tags(tags: Iterable[str]) -> list[str]:
    """All tags in order, each once; an empty one counts as ``latest``."""
    return sorted({tag or DEFAULT_TAG for tag in tags}, key=_sort_key)


def split_tags(tags: Iterable[str], most: int) -> tuple[list[str], list[str]]:
    """The first ``most`` tags in order (-1: all), and the rest."""
    listed = ordered_tags(tags)
    return (listed, []) if most == -1 else (listed[:most], listed[most:])


def _sort_key(tag: str) -> _Order:
    if tag == DEFAULT_TAG:
        return (_LATEST,)
    short = tag.removeprefix("v")
    version = _parsed_version(short)
    if version is not None:
        return (_FULL, _Descending(version), short != tag, tag)
    minor = _MINOR.fullmatch(short)
    if minor is not None:
        version = _parsed_version(f"{minor.group(1)}.0{minor.group(2) or ''}")
        if version is not None:
            return (_MINORS, _Descending(version), short != tag, tag)
    return (_OTHER, tag)


def _parsed_version(text: str) -> _Order | None:
    """Sort key of a version; build metadata (``+x``) does not count."""
    found = _VERSION.fullmatch(text)
    if found is None:
        return None
    numbers = tuple(int(number) for number in found.group(1, 2, 3))
    pre = found.group(4)
    parts = tuple(_identifier_key(part) for part in pre.split(".")) if pre else ()
    if any(number > _MAX_NUMBER for number in numbers) or any(part[1] > _MAX_NUMBER for part in parts):
        return None
    return (*numbers, not pre, parts)  # a version comes after its pre-releases


def _identifier_key(part: str) -> tuple[bool, int, str]:
    """Sort key of one identifier: numbers compare as numbers and come before strings."""
    return (False, int(part), "") if part.isdigit() else (True, 0, part)


class _Descending:
    """Reverses an order."""

    __slots__ = ("_of",)

    def __init__(self, of: _Order) -> None:
        self._of = of

    def __lt__(self, other: _Descending) -> bool:
        return bool(other._of < self._of)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Descending) and self._of == other._of

    __hash__ = None  # type: ignore[assignment]
