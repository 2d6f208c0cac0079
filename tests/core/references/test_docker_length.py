"""Texts of 400 kB made to be slow: steps that grew with the square of the length would run into the time limit."""

from __future__ import annotations

import pytest

from imagegate.core.enforcement.image import parse_image
from imagegate.core.references.docker import parse_canonical
from imagegate.errors import InvalidInput

SLOW_TEXTS = {
    "component": "a" * 400_000,
    "dashes": "a-" * 200_000,
    "underscores": "a__" * 130_000,
    "dots": "a." * 200_000 + "a",
    "dots and a path": "a." * 100_000 + "a/" + "b/" * 100_000 + "B",
    "long parts": ("a" * 60 + "-b.") * 6_000 + "/a",
    "dots and dashes": "a.b-" * 100_000 + "/",
    "components": "a/" * 200_000 + "A",
    "port": "a:" + "1" * 400_000,
    "ports": "a:1" * 130_000,
    "capitals": "A" * 400_000,
    "address": "[" + "a" * 400_000,
    "algorithm": "a@" + "sha+" * 100_000,
    "digest": "a@sha256:" + "0" * 400_000,
    "tag": "a:" + "t" * 400_000,
}


@pytest.mark.parametrize("text", SLOW_TEXTS.values(), ids=list(SLOW_TEXTS))
@pytest.mark.timeout(60)
def test_long_texts_are_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_canonical(text)
    with pytest.raises(InvalidInput):
        parse_image(text)


@pytest.mark.parametrize("text", ["registry.example:/app", "a-.io/x", "registry.example:80/app/", "a/b-"])
def test_what_a_part_has_read_before_it_failed_does_not_count(text: str) -> None:
    """CPython before 3.11.5 keeps it in possessive groups (gh-106052)."""
    with pytest.raises(InvalidInput):
        parse_image(text)
