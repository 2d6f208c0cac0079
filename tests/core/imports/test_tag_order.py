"""The order in which the tags of a repository are imported."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegate.core.imports.tag_order import ordered_tags, split_tags


@pytest.mark.parametrize(
    "tags",
    [
        # openshift/library-go, pkg/image/imageutil/helpers_test.go
        ["5"],
        ["latest", "other"],
        ["5.2", "5.1", "5.0"],
        ["5.2", "v5.2", "5.1"],
        ["latest", "5.1", "v5.1", "5.1-rc1", "v5.1-rc1", "5.0", "5.1.3", "v5.1.3", "5.1.2", "abc", "z"],
        ["2.10", "2.9", "2.10.0", "2.9.0"],
        ["1.0", "1.0-rc10", "1.0-rc1", "0.9"],
        ["1.0.0", "1.0.0-rc.10", "1.0.0-rc.9", "1.0.0-alpha.beta", "1.0.0-alpha.1", "1.0.0-alpha"],
        ["1.0.1", "1.0.0", "01.0.0", "1.0.0.0", "1.01.0"],
        ["v1.0", "vv1.0", "w"],
        ["1.2", "1.2-a", "1.2-a-b", "1.2-a.b"],
        ["1.2.3", "1.2.3-1", "1.2.3-01", "other"],
        ["18446744073709551615.0.0", "18446744073709551616.0.0"],
        ["1.0-7", "1.0-007", "1.0_7"],
    ],
)
def test_order(tags: list[str]) -> None:
    assert ordered_tags(reversed(tags)) == tags
    assert ordered_tags(sorted(tags)) == tags


def test_an_empty_tag_counts_as_latest() -> None:
    assert ordered_tags(["", "a"]) == ["latest", "a"]
    assert ordered_tags(["", "latest", "latest"]) == ["latest"]


@pytest.mark.parametrize(
    "most, first, rest",
    [(-1, ["latest", "2.0", "1.0"], []), (2, ["latest", "2.0"], ["1.0"]), (50, ["latest", "2.0", "1.0"], [])],
)
def test_the_first_ones(most: int, first: list[str], rest: list[str]) -> None:
    assert split_tags(["1.0", "latest", "2.0"], most) == (first, rest)


TAGS = st.lists(st.from_regex(r"v?[0-9]{1,2}(\.[0-9]{1,2}){0,3}(-[a-z0-9]{1,3})?|latest|[a-z]{1,3}", fullmatch=True))


@given(TAGS)
def test_a_total_order(tags: list[str]) -> None:
    once = ordered_tags(tags)
    assert set(once) == set(tags)
    assert ordered_tags(reversed(once)) == once
