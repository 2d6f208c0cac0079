"""Patterns of repositories[].name: the facts of docs/spec/enforcement.md 8 by name, and the meaning of ``*``."""

from __future__ import annotations

import re
from fnmatch import translate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegate.core.enforcement.patterns import compare, compare_any_tag, compare_image_ref, quality

DIGEST = "sha256:" + "ab" * 32


@given(st.text("ab*/:", max_size=8), st.text("ab/:", max_size=12))
def test_star_is_any_run_and_nothing_else_is_special(pattern: str, text: str) -> None:
    expected = re.compile(translate(pattern), re.DOTALL).fullmatch(text) is not None
    assert compare(pattern, text) is expected


@pytest.mark.parametrize(
    "pattern, image, matches",
    [
        ("docker.io/*", "nginx", False),
        ("nginx", "nginx", True),
        ("nginx", "nginx:1", True),
        ("nginx", "nginxx:1", False),
        ("nginx*", "nginx", True),
        ("docker.io/nginx:*", "docker.io/nginx", False),
        ("docker.io/nginx", "docker.io/nginx:1", True),
        ("icr.io/a/b", f"icr.io/a/b@{DIGEST}", False),
        ("icr.io/a/b*", f"icr.io/a/b@{DIGEST}", True),
        ("*.icr.io/*", "x.icr.io:443/a", False),
        ("*.icr.io/*", "x.icr.io/a", True),
        ("docker.io/alpine*", "docker.io/alpineevil/x:1", True),
        ("*/x", "x", False),
        ("*/x", "a/x", True),
        ("*icr.io*", "evil.com/icr.io", True),
        ("icr.io/*", "icr.io.evil.com/a", False),
        ("Icr.io/*", "icr.io/a", False),
        ("ab*ba", "aba", False),
        ("ab*ba", "abba", True),
    ],
)
def test_documented_facts(pattern: str, image: str, matches: bool) -> None:
    assert compare_image_ref(pattern, image) is matches


def test_weakness_host_and_path_are_not_confused() -> None:
    """Fixed in Portieris 0.14.2; the older comparison shows what it was."""
    image = "attacker.com/x.trusted.example.com/org/evil"
    assert compare_any_tag("*.trusted.example.com/org/*", image)
    assert not compare_image_ref("*.trusted.example.com/org/*", image)
    assert compare_image_ref("*.trusted.example.com/org/*", "x.trusted.example.com/org/app")


def test_quality_counts_bytes_without_stars() -> None:
    assert [quality(name) for name in ("*", "icr.io/*", "icr.io/a/b", "icr.io/a/b:*", "bücher*")] == [0, 7, 10, 11, 7]
