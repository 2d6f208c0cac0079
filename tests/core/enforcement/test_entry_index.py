"""The index answers what walking the list answers, and looks at few patterns however long the list is."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from imagegate.core.enforcement.entry_index import NameIndex
from imagegate.core.enforcement.patterns import compare_image_ref, quality

_NAMES = st.lists(st.text("ab*/:.", max_size=9), max_size=30)
_SHARED_ENDS = st.lists(st.text("ab*:", max_size=6).map(lambda inner: f"a/*{inner}*"), min_size=9, max_size=30)
_IMAGES = st.text("ab/:.", max_size=10)


def walk(names: Sequence[str], image: str) -> int | None:
    """docs/spec/enforcement.md 8.3, word by word."""
    best, best_quality = None, -1
    for position, name in enumerate(names):
        if "*" not in name and name == image:
            return position
        if compare_image_ref(name, image) and quality(name) > best_quality:
            best, best_quality = position, quality(name)
    return best


@given(_NAMES | _SHARED_ENDS, _IMAGES)
@example(["b:*:*", "b:*"], "b:1")
@example(["*", "a/*", "*/b"], "a/b")
@example([""], "")
def test_index_equals_walk(names: list[str], image: str) -> None:
    assert NameIndex(names).best(image) == walk(names, image)


def looked_at(index: NameIndex, image: str) -> int:
    count = 0

    def one_more() -> None:
        nonlocal count
        count += 1

    index.best(image, one_more)
    return count


@pytest.mark.parametrize(
    "shape",
    [
        "registry-{}.example.com/*",
        "registry.example.com/team-{}/*",
        "registry.example.com/team/app-{}:*",
        "registry.example.com/team/app-{}:1*",
        "*.zone-{}.example.com/*",
        "*/team-{}/*",
        "*/*/app-{}",
        "*/*/app-{}:*",
        "registry.example.com/*/app-{}*",
        "registry*.zone-{}.example.com/team/*",
        "*team-{}*",
        "registry.example.com/team/app-{}@sha256:*",
        "registry.example.com/team/app-{}",
        "*-{}-*/app",
    ],
)
def test_patterns_looked_at_do_not_grow_with_the_list(shape: str) -> None:
    images = ["registry-7.zone-7.example.com/team-7/app-7:1", "registry.example.com/team/app-7:1", "nginx"]
    small, large = (NameIndex(["*", *(shape.format(number) for number in range(size))]) for size in (10, 10_000))
    for image in images:
        assert looked_at(large, image) <= looked_at(small, image), image
