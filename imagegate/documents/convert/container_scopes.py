"""Scopes of the containers ``policy.json`` for the entries of an image policy.

A scope is a registry, a prefix of a repository's path, or one reference; the longest one that fits decides
(containers-policy.json(5)). Entries are patterns. A scope may therefore hold images that its entry does not match:
``registry.corp/team`` also holds ``registry.corp/team/app/debug``. ``deciders`` says for every scope which entries
decide the images in it, and if there are images that no entry matches, so that the caller can require the strictest.

Nodes compare full names: an entry ``nginx`` or ``docker.io/nginx`` is one for ``docker.io/library/nginx``.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from imagegate.core.enforcement.entry_index import NameIndex
from imagegate.core.enforcement.image import parse_image
from imagegate.core.references.docker import DEFAULT_DOMAIN, LEGACY_DEFAULT_DOMAIN, OFFICIAL_PREFIX
from imagegate.core.references.overlap import overlap
from imagegate.errors import InvalidReference

EVERYTHING = ""
"""The scope of all images."""
_SOMETHING = "\0"
"""Stands for any characters: only patterns that match everything in its place match it."""
_DIGEST = f"@sha256:{'0' * 64}"


_Sample: TypeAlias = tuple[str, tuple[str, ...]]


class Shape(enum.Enum):
    """How a scope holds the images of an entry."""

    EXACT = "exact"
    """The scope is one reference."""
    PREFIX = "prefix"
    """The scope is a registry or the beginning of paths."""
    NONE = "none"
    """No scope holds just these images, or none that exist."""


@dataclass(frozen=True, slots=True)
class Scoped:
    """An entry's pattern over full names, and its scope."""

    pattern: str
    shape: Shape
    scope: str = EVERYTHING


@dataclass(frozen=True, slots=True)
class Deciders:
    """Positions of all entries that may decide an image of a scope, below no longer scope."""

    positions: frozenset[int]
    unmatched: str = ""
    """Images of the scope that no entry matches, in words; empty if there are none."""


def scoped(name: str) -> Scoped:
    """The scope for an entry's name."""
    if name in ("*", "*/*"):
        return Scoped("*/*", Shape.PREFIX, EVERYTHING)
    pattern = _full(name)
    host, _, path = pattern.partition("/")
    if "*" in host:
        domain = host.removeprefix("*.")
        is_domain = host.startswith("*.") and "*" not in domain and ":" not in domain and path == "*"
        return Scoped(pattern, Shape.PREFIX, host) if is_domain else Scoped(pattern, Shape.NONE)
    if path == "*":
        return Scoped(pattern, Shape.PREFIX, host)
    if "*" not in path:
        return _literal(pattern)
    for ending in ("/*", ":*"):
        repository = pattern.removesuffix(ending)
        if repository != pattern and "*" not in repository and ":" not in repository.partition("/")[2]:
            return Scoped(pattern, Shape.PREFIX, repository)
    return Scoped(pattern, Shape.NONE)


def deciders(scope: str, entries: Sequence[Scoped], names: NameIndex) -> Deciders:
    """The entries that may decide images of ``scope``.

    Args:
        scope: one of the scopes of ``entries``, or ``EVERYTHING``.
        entries: all entries, in the order of ``names``.
        names: their names.
    """
    found = {
        position
        for position, entry in enumerate(entries)
        if entry.shape is Shape.NONE and reaches(entry.pattern, scope)
    }
    unmatched = []
    for text, spellings in _samples(scope):
        best = {position for spelling in spellings if (position := names.best(spelling)) is not None}
        found |= best
        if not best:
            unmatched.append(text)
    return Deciders(frozenset(found), ", ".join(unmatched))


def _full(name: str) -> str:
    """The pattern over full names."""
    host, slash, path = name.partition("/")
    if not slash:
        return f"{DEFAULT_DOMAIN}/{OFFICIAL_PREFIX}{name}" if "*" not in name.partition(":")[0] else "*"
    if host == LEGACY_DEFAULT_DOMAIN:
        host = DEFAULT_DOMAIN
    elif "*" not in host and host != "localhost" and not {".", ":"} & set(host):
        host, path = DEFAULT_DOMAIN, name
    if host == DEFAULT_DOMAIN and "/" not in path and path != "*":
        if "*" in path.partition(":")[0]:
            return f"{host}/*{path}"  # ubuntu* stands for library/ubuntu and for ubuntu-team/x
        path = OFFICIAL_PREFIX + path
    return f"{host}/{path}"


def _literal(pattern: str) -> Scoped:
    """A repository or a reference without wildcards."""
    try:
        image = parse_image(pattern)
    except InvalidReference:
        return Scoped(pattern, Shape.NONE)
    if image.tag and image.digest:
        return Scoped(pattern, Shape.NONE)  # policy.json has no scope for both
    return Scoped(pattern, Shape.EXACT if image.tag or image.digest else Shape.PREFIX, pattern)


def reaches(pattern: str, scope: str) -> bool:
    """True if the pattern may match an image of the scope."""
    if scope == EVERYTHING or "/" not in pattern:
        return True
    host, _, path = pattern.partition("/")
    scope_host, _, scope_path = scope.partition("/")
    if scope_host.startswith("*."):
        scope_host += "*"  # a scope of a domain is for every port
    any_tag = path if path.endswith("*") else f"{path}*"
    return overlap(host, scope_host) and overlap(any_tag, f"{scope_path}*")


def _samples(scope: str) -> list[_Sample]:
    """Images of a scope that stand for all others in it: each in words, and in all its spellings."""
    host, _, path = scope.partition("/")
    if scope == EVERYTHING:
        return [("all others", (f"{_SOMETHING}.{_SOMETHING}/{_SOMETHING}",))]
    found: list[_Sample] = []
    if not path:
        found = [(f"{scope}/...", (f"{host.replace('*', _SOMETHING)}/{_SOMETHING}",))]
        if host.startswith("*."):
            found.append((f"{scope}:PORT/...", (f"{host.replace('*', _SOMETHING)}:{_SOMETHING}/{_SOMETHING}",)))
        return found
    if "@" in path or ":" in path:
        return [(scope, _spellings(scope))]
    is_hub, depth = host == DEFAULT_DOMAIN, path.count("/")
    if not (is_hub and depth == 0):  # docker.io/team is no repository
        found += [
            (f"{scope}:TAG", _spellings(f"{scope}:{_SOMETHING}")),
            (f"{scope}@DIGEST", (*_spellings(f"{scope}{_DIGEST}"), *_spellings(scope))),
        ]
    if not (is_hub and depth == 1):  # names of Docker Hub have two parts
        found.append((f"{scope}/...", (f"{scope}/{_SOMETHING}",)))
    return found


def _spellings(image: str) -> tuple[str, ...]:
    """A full name, and the shorter ones that nodes read as it."""
    short = image.removeprefix(f"{DEFAULT_DOMAIN}/")
    if short == image:
        return (image,)
    official = short.removeprefix(OFFICIAL_PREFIX)
    names = (image, short) if official == short else (image, f"{DEFAULT_DOMAIN}/{official}", short, official)
    return (*names, *(f"index.{name}" for name in names if name.startswith(DEFAULT_DOMAIN)))
