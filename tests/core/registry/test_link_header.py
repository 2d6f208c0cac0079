"""``Link`` headers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegate.core.registry.link_header import next_link
from imagegate.errors import Malformed


@pytest.mark.parametrize(
    "header, target",
    [
        ("", None),
        (" , ", None),
        ('</v2/a/tags/list?n=1&last=1>; rel="next"', "/v2/a/tags/list?n=1&last=1"),
        ("</x?n=1>;rel=next", "/x?n=1"),
        ('</x?n=1> ; REL = "NEXT"', "/x?n=1"),
        ('</x?n=1>; rel="prev next"', "/x?n=1"),
        ('</x?n=1>; title="a;b,<c>"; rel="next"', "/x?n=1"),
        ('</a>; rel="self", </x?n=1,2>; rel="next"', "/x?n=1,2"),
        ('/x?n=1&last=1; rel="next"', "/x?n=1&last=1"),
        ("/x?n=1", "/x?n=1"),
        ("</x?n=1>", "/x?n=1"),
        ("</x?n=1>;;rel=next;", "/x?n=1"),
        ('</a>; rel="self"', None),
        ("</a>, </b>", None),
        ('</a>; rel="self"; rel="next"', None),  # RFC 8288 section 3.3: the first one counts
    ],
)
def test_links(header: str, target: str | None) -> None:
    assert next_link(header) == target


@pytest.mark.parametrize("header", ["<", "</x", '</x>; rel="next', "</x> rel=next", "a b; rel=next", "<" * 9000])
def test_what_is_no_link_is_no_end_of_the_list(header: str) -> None:
    with pytest.raises(Malformed):
        next_link(header)


@given(st.text('<>;,=" relnxt?/', max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        next_link(text)
    except Malformed:
        return
