"""The index answers as trying every pattern would, and tries few."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegate.core.matching import Wildcard
from imagegate.core.pattern_index import PatternIndex

pattern = st.text("ab.*?", max_size=8)


@given(st.lists(pattern, max_size=12), st.text("ab.", max_size=10))
def test_agrees_with_trying_every_pattern(patterns: list[str], text: str) -> None:
    index = PatternIndex((each, each) for each in patterns)
    assert sorted(index.matching(text)) == sorted({each for each in patterns if Wildcard(each).matches(text)})


def test_of_two_equal_patterns_the_last_counts() -> None:
    assert list(PatternIndex([("a*", 1), ("a*", 2)]).matching("ab")) == [2]


@pytest.mark.parametrize(
    "form, text",
    [
        ("r{}.example.com", "r7.example.com"),
        ("*.r{}.example.com", "x.r7.example.com"),
        ("r{}-*.example.com", "r7-west.example.com"),
        ("r{}-?*.example.com", "r7-west.example.com"),
        ("*-r{}-?.example.com", "west-r7-a.example.com"),
        ("?r{}x*.example.com", "ar7x.example.com"),
    ],
)
def test_tries_no_more_patterns_when_there_are_more(form: str, text: str) -> None:
    def tried(size: int) -> int:
        index = PatternIndex((form.format(number), number) for number in range(size))
        assert list(index.matching(text)) == [7]
        return len(list(index.candidates(text)))

    assert tried(5_000) <= tried(50) + 1
