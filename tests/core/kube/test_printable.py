from __future__ import annotations

import unicodedata
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegate.core.kube.printable import printable

EVERYTHING = st.text(st.characters(), max_size=200)  # lone surrogates too


@pytest.mark.parametrize(
    "text, shown",
    [
        ("", ""),
        ("docker.io/library/nginx:1.25", "docker.io/library/nginx:1.25"),
        ("café \\x1b 图像 \U0001f40b", "café \\x1b 图像 \U0001f40b"),
        ("\x1b[2J", "\\x1b[2J"),
        ("a\r\nb\tc\x00\x7f", "a\\r\\nb\\tc\\x00\\x7f"),
        ("\x85\x9b31m", "\\x85\\x9b31m"),
        ("\u202egnp.exe\u2069", "\\u202egnp.exe\\u2069"),
        ("a\u2028b\u2029c", "a\\u2028b\\u2029c"),
        ("\u200b\u200f\u061c\ufeff", "\\u200b\\u200f\\u061c\\ufeff"),
        ("\udcff\ud800", "\\xff\\ud800"),
        ("\ufffe\uffff\U0001fffe\ufdd0", "\\ufffe\\uffff\\U0001fffe\\ufdd0"),
        ("\U000e0041", "\\U000e0041"),
    ],
)
def test_what_is_acted_on_becomes_a_visible_escape(text: str, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.parametrize(
    "text, limit, shown",
    [
        ("abcdef", 6, "abcdef"),
        ("abcdefg", 6, "abc..."),
        ("ab\x1b[2Jxyz", 6, "ab..."),
        ("\x1b\x1b\x1b", 8, "\\x1b..."),
        ("abc", 2, ".."),
        ("x" * 10**6, 16, "x" * 13 + "..."),
    ],
)
def test_the_result_is_bounded_and_no_escape_is_cut_in_two(text: str, limit: int, shown: str) -> None:
    assert printable(text, limit) == shown


@given(text=EVERYTHING, limit=st.integers(min_value=3, max_value=80))
def test_nothing_of_the_result_moves_a_cursor_or_breaks_a_report(text: str, limit: int) -> None:
    shown = printable(text, limit)

    assert len(shown) <= limit
    assert len(shown.splitlines()) <= 1
    assert not any(unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} for character in shown)
    assert not any(unicodedata.bidirectional(character) in BIDI_CONTROLS for character in shown)
    escaped = shown.replace("&", "&amp;").replace("<", "&lt;")
    assert (ElementTree.fromstring(f"<a>{escaped}</a>".encode()).text or "") == shown


BIDI_CONTROLS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI", "BN"}


@given(EVERYTHING)
def test_what_was_made_printable_stays_as_it_is(text: str) -> None:
    once = printable(text, 4096)

    assert printable(once, 4096) == once
