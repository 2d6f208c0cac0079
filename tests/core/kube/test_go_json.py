"""Go's messages for texts that are no JSON, and fields that are written twice."""

from __future__ import annotations

import pytest

from imagegate.core.kube.go_json import repeated_fields, syntax_error


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "unexpected end of JSON input"),
        ("{", "unexpected end of JSON input"),
        ('{"a":', "unexpected end of JSON input"),
        ("{bad", "invalid character 'b' looking for beginning of object key string"),
        ("{'a'", r"invalid character '\'' looking for beginning of object key string"),
        ('{"a" 1}', "invalid character '1' after object key"),
        ('{"a":1 "b"}', "invalid character '\"' after object key:value pair"),
        ("[1 2]", "invalid character '2' after array element"),
        ("[1,]", "invalid character ']' looking for beginning of value"),
        ("1 2", "invalid character '2' after top-level value"),
        ("tru3", "invalid character '3' in literal true (expecting 'e')"),
        ('"\\x"', "invalid character 'x' in string escape code"),
        ('"\\u12x"', r"invalid character 'x' in \u hexadecimal character escape"),
        ('"a\n"', "invalid character '\\n' in string literal"),
        ("-a", "invalid character 'a' in numeric literal"),
        ("1.a", "invalid character 'a' after decimal point in numeric literal"),
        ("1e+a", "invalid character 'a' in exponent of numeric literal"),
        ('{"a":[1,{"b":null}],"c":"x","d":-0.5e3} ', ""),
        ("[]", ""),
        ("{}", ""),
    ],
)
def test_messages(text: str, message: str) -> None:
    assert syntax_error(text.encode()) == message


def test_depth_costs_no_recursion() -> None:
    assert syntax_error(b"[" * 100_000) == "unexpected end of JSON input"


def test_repeated_fields() -> None:
    text = b'{"a":1,"a":2,"b":{"c":1,"c":1,"c":1},"d":[{"e":1,"e":2}]}'
    assert repeated_fields(text) == {"a": 1, "b.c": 2, "d[0].e": 1}
