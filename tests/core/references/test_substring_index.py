"""Finding texts inside a text: always what trying each would find."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from imagegate.core.references.substring_index import AffixIndex, Occurrences, Prefixes

_TEXT = st.text("ab.", max_size=6)
_LONGER = st.text("ab.", max_size=14)


@given(st.sets(_TEXT), _LONGER)
def test_prefixes_are_all_beginnings_longest_first(stored: set[str], text: str) -> None:
    expected = sorted((key for key in stored if text.startswith(key)), key=len, reverse=True)
    assert Prefixes({key: key for key in stored}).find(text) == expected


@given(st.sets(st.text("ab.", min_size=1, max_size=6)), _LONGER)
def test_occurrences_are_all_texts_inside(stored: set[str], text: str) -> None:
    found = list(Occurrences({key: key for key in stored}).find(text))
    assert sorted(found) == sorted(key for key in stored if key in text)


@given(st.sets(st.tuples(_TEXT, _TEXT)), _LONGER, st.data())
def test_affixes_come_with_the_longest_end_that_fits(
    stored: set[tuple[str, str]], text: str, data: st.DataObject
) -> None:
    ends = sorted(data.draw(st.sets(st.integers(0, len(text)), min_size=1)), reverse=True)
    found = [(tuple(value), end) for value, end in AffixIndex({key: list(key) for key in stored}).find(text, ends)]
    expected = {}
    for prefix, suffix in stored:
        fitting = [end for end in ends if text[:end].endswith(suffix)]
        if text.startswith(prefix) and fitting:
            expected[prefix, suffix] = fitting[0]
    assert sorted(found) == sorted(expected.items())


def test_nothing_stored_finds_nothing() -> None:
    assert Prefixes[str]({}).find("a") == []
    assert list(AffixIndex[str]({}).find("a", (1,))) == []
    assert list(Occurrences[str]({}).find("a")) == []
