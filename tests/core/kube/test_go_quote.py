"""Strings as Go's strconv and encoding/json print them."""

import pytest

from imagegate.core.kube.go_quote import JsonValue, go_json, go_quote


@pytest.mark.parametrize(
    "text, quoted",
    [
        ("", '""'),
        ("plain text", '"plain text"'),
        ('say "a\\b"', '"say \\"a\\\\b\\""'),
        ("\a\b\f\n\r\t\v", '"\\a\\b\\f\\n\\r\\t\\v"'),
        ("\x00\x1b\x7f", '"\\x00\\x1b\\x7f"'),
        ("é 世 😀", '"é 世 😀"'),
        ("\u00a0\u200b\ufeff", '"\\u00a0\\u200b\\ufeff"'),
        ("\U000e0001", '"\\U000e0001"'),
        ("\udcff", '"\\xff"'),
        ("\ud800", '"\\ufffd"'),
    ],
)
def test_go_quote(text: str, quoted: str) -> None:
    assert go_quote(text) == quoted


@pytest.mark.parametrize(
    "value, text",
    [
        (["a", "b"], '["a","b"]'),
        ({"b": 1, "a": None}, '{"b":1,"a":null}'),
        ("<&>\u2028é", '"\\u003c\\u0026\\u003e\\u2028é"'),
    ],
)
def test_go_json(value: JsonValue, text: str) -> None:
    assert go_json(value) == text
