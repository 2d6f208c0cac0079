"""Selectors as clients send them."""

from __future__ import annotations

import pytest

from imagegate.core.image_api.selectors import parse_field_selector, parse_label_selector
from imagegate.errors import InvalidInput

LABELS = {"app": "web", "tier": "gold", "example.com/x": "", "env": "prod"}


@pytest.mark.parametrize(
    "text, matches",
    [
        ("", True),
        ("app", True),
        ("!app", False),
        ("none", False),
        ("! none", True),
        ("app=web", True),
        ("app==web", True),
        ("app = web", True),
        ("app!=web", False),
        ("none!=web", True),
        ("app=", False),
        ("example.com/x=", True),
        ("app in (web, api)", True),
        ("app notin (web)", False),
        ("none notin (web)", True),
        ("app in (api),tier=gold", False),
        ("app=web,tier in (gold,silver),!none", True),
        ("app=web,tier!=gold", False),
    ],
)
def test_label_selectors(text: str, matches: bool) -> None:
    assert parse_label_selector(text).matches(LABELS) is matches


@pytest.mark.parametrize("text", ["=", "a=b=c", "a(", "a,", ",a", "a in b", "a b", "a=b,,c", "-a", "a/b/c", "a=b c"])
def test_texts_that_are_no_label_selector(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"unable to parse requirement|found '[^']*', expected"):
        parse_label_selector(text)


@pytest.mark.parametrize(
    "text, matches",
    [
        ("", True),
        ("metadata.name=app", True),
        ("metadata.name==app", True),
        ("metadata.name!=app", False),
        ("metadata.name=other", False),
        ("spec.none=", True),
        ("spec.none=x", False),
        ("spec.flag=true", True),
        ("metadata.name=app,spec.number=7", True),
        ("metadata.name.deeper=x", False),
    ],
)
def test_field_selectors(text: str, matches: bool) -> None:
    found = {"metadata": {"name": "app"}, "spec": {"flag": True, "number": 7}}
    assert parse_field_selector(text).matches(found) is matches


@pytest.mark.parametrize("text", ["metadata.name", "=x"])
def test_texts_that_are_no_field_selector(text: str) -> None:
    with pytest.raises(InvalidInput, match="invalid selector"):
        parse_field_selector(text)


def test_paths_of_a_field_selector() -> None:
    assert list(parse_field_selector("a=1,b.c!=2").paths) == ["a", "b.c"]
