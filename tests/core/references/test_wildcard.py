"""Import patterns beyond the vectors: against the textbook definition, and how much work they are."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegate.core.references.wildcard import Wildcard, is_wildcard_match
from tests.support.counting import lines_run

narrow = st.text("ab*?", max_size=12)


def by_definition(text: bytes, pattern: bytes) -> bool:
    """The language, read off its definition: slow and plain."""

    @cache
    def fits(i: int, j: int) -> bool:
        if j == len(pattern):
            return i == len(text)
        if pattern[j : j + 1] == b"*":
            return fits(i, j + 1) or (i < len(text) and fits(i + 1, j))
        return i < len(text) and pattern[j : j + 1] in (b"?", text[i : i + 1]) and fits(i + 1, j + 1)

    return fits(0, 0)


@given(st.text("ab", max_size=12), narrow)
def test_agrees_with_the_definition(text: str, pattern: str) -> None:
    assert is_wildcard_match(text, pattern) is by_definition(text.encode(), pattern.encode())


@given(st.text("aé€*?", max_size=8), st.text("aé€*?", max_size=8))
def test_agrees_with_the_definition_beyond_ascii(text: str, pattern: str) -> None:
    assert is_wildcard_match(text, pattern) is by_definition(text.encode(), pattern.encode())


@given(st.text(max_size=40))
def test_a_text_without_wildcards_matches_itself_only(text: str) -> None:
    pattern = Wildcard(text)
    assert pattern.is_literal is not any(character in text for character in "*?")
    assert pattern.matches(text)
    if pattern.is_literal:
        assert not pattern.matches(text + "x")


@given(st.text("ab", max_size=10), st.text("ab", max_size=10), st.text("ab?", max_size=5))
def test_a_star_matches_any_run(before: str, inside: str, after: str) -> None:
    assert Wildcard(f"{before}*{after}").matches(before + inside + after.replace("?", "x"))
    assert Wildcard("*").matches(before + inside)


@pytest.mark.parametrize(
    "make",
    [
        lambda size: ("a" * size, "*a*a*a*b"),
        lambda size: ("a" * size, "*a?b*"),
        lambda size: ("a" * size + "b", "a*?b"),
        lambda size: ("ab" * size, "*ab*ab*ab*ab*c*"),
    ],
)
def test_work_grows_no_faster_than_the_text(make: object) -> None:
    assert callable(make)

    def work(size: int) -> int:
        text, pattern = make(size)
        wildcard = Wildcard(pattern)
        return lines_run(lambda: wildcard.matches(text))

    assert work(4_000) <= 4 * work(1_000) + 100


def test_many_stars_do_not_multiply() -> None:
    def work(stars: int) -> int:
        wildcard = Wildcard("*a" * stars + "*b")
        return lines_run(lambda: wildcard.matches("a" * 5_000))

    assert work(400) <= 4 * work(100) + 100
