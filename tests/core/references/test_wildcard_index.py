"""Many patterns at once: the same answer as one after the other, without touching most of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegate.core.references.wildcard import Wildcard
from imagegate.core.references.wildcard_index import PatternIndex

PATTERNS = st.text(alphabet="ab.:*?é", max_size=6)
TEXTS = st.text(alphabet="ab.:é", max_size=8)


def index_of(*patterns: str) -> PatternIndex[str]:
    return PatternIndex((pattern, pattern) for pattern in patterns)


def touched(index: PatternIndex[str], text: str) -> int:
    return len(list(index.candidates(text)))


@given(st.lists(PATTERNS, max_size=12), TEXTS)
def test_finds_exactly_the_patterns_that_match(patterns: list[str], text: str) -> None:
    expected = {pattern for pattern in patterns if Wildcard(pattern).matches(text)}
    assert sorted(index_of(*patterns).matching(text)) == sorted(expected)


@pytest.mark.parametrize(
    "pattern,matching,other",
    [
        ("quay.io", "quay.io", "quay.iO"),
        ("*.corp", "a.b.corp", "corp"),
        ("*corp", "corp", "corps"),
        ("reg*", "reg", "re"),
        ("a*b", "ab", "a"),
        ("???", "abc", "ab"),
        ("*?", "x", ""),
        ("??*", "xy", "x"),
        ("*", "", None),
        ("", "", "x"),
        ("a?c*e", "abcde", "acde"),
        ("*a*b*", "xaxbx", "xbxax"),
        ("é??", "éé", "éa"),
        ("\ud800*", "\ud800x", "x"),
    ],
)
def test_every_shape(pattern: str, matching: str, other: str | None) -> None:
    index = index_of(pattern, "never-this-one", "*.never", "nev*er", "n?v*r*x", "?" * 40, "*" + "?" * 40)
    assert list(index.matching(matching)) == [pattern]
    if other is not None:
        assert list(index.matching(other)) == []


@pytest.mark.parametrize(
    "shape",
    [
        "registry{}.example.com",
        "*.host{}.example.com",
        "host{}*",
        "*host{}",
        "a{}*z",
        "a?b{}.*.example.com",
        "*x{}y*",
    ],
)
def test_ten_thousand_patterns_of_one_shape_touch_no_more_than_ten(shape: str) -> None:
    text = shape.format(7).replace("*", "q").replace("?", "q")
    few = index_of(*(shape.format(number) for number in range(10)))
    many = index_of(*(shape.format(number) for number in range(10_000)))
    assert shape.format(7) in set(many.matching(text))
    assert touched(many, text) <= touched(few, text) + 3  # "host7*" and "host77*" are both prefixes of something
    assert touched(many, "registry.nowhere.test") == touched(few, "registry.nowhere.test") == 0


def test_of_equal_patterns_the_last_value_counts() -> None:
    assert list(PatternIndex([("a", 1), ("a", 2)]).matching("a")) == [2]
