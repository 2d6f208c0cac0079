"""JSON as Go reads it: messages of its errors, and fields that are written more than once."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from imagegate.core.kube.go_quote import go_quote

_END = "unexpected end of JSON input"
_SPACE = " \t\r\n"
_LITERALS = {"t": "true", "f": "false", "n": "null"}
_HEX = frozenset("0123456789abcdefABCDEF")
_DIGITS = frozenset("0123456789")


class _Stop(Exception):
    """The message of the first syntax error."""


def json_kind(value: object) -> str:
    """Name of a decoded value's type in errors of Go's JSON decoder."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, dict):
        return "object"
    if isinstance(value, list):
        return "array"
    return "string" if isinstance(value, str) else "number" if value is not None else "null"


def syntax_error(content: bytes) -> str:
    """The message of Go's scanner for a text that is no JSON; empty if it is JSON.

    Source: encoding/json, scanner.go. Nested values are read with a stack of their own: depth costs no recursion.
    """
    try:
        _Scanner(content.decode("latin-1")).scan()
    except _Stop as found:
        return str(found)
    return ""


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def scan(self) -> None:
        closing: list[str] = []
        self._value(closing)
        while closing:
            self._after_value(closing)
        self._blank()
        if self._at < len(self._text):
            raise self._bad("after top-level value")

    def _blank(self) -> None:
        while self._at < len(self._text) and self._text[self._at] in _SPACE:
            self._at += 1

    def _peek(self) -> str:
        self._blank()
        return self._char()

    def _char(self) -> str:
        if self._at >= len(self._text):
            raise _Stop(_END)
        return self._text[self._at]

    def _bad(self, where: str) -> _Stop:
        character = self._char()
        quoted = {"'": r"'\''", '"': "'\"'"}.get(character) or f"'{go_quote(character)[1:-1]}'"
        return _Stop(f"invalid character {quoted} {where}")

    def _value(self, closing: list[str]) -> None:
        while True:
            first = self._peek()
            if first not in "{[":
                self._scalar(first)
                return
            self._at += 1
            closing.append("}" if first == "{" else "]")
            if self._peek() == closing[-1]:
                return
            if first == "{":
                self._key()

    def _key(self) -> None:
        if self._peek() != '"':
            raise self._bad("looking for beginning of object key string")
        self._string()
        if self._peek() != ":":
            raise self._bad("after object key")
        self._at += 1

    def _after_value(self, closing: list[str]) -> None:
        mark = self._peek()
        if mark == closing[-1]:
            self._at += 1
            closing.pop()
        elif mark != ",":
            raise self._bad("after object key:value pair" if closing[-1] == "}" else "after array element")
        else:
            self._at += 1
            if closing[-1] == "}":
                self._key()
            self._value(closing)

    def _scalar(self, first: str) -> None:
        if first == '"':
            self._string()
        elif first == "-" or first in _DIGITS:
            self._number()
        elif first in _LITERALS:
            self._literal(_LITERALS[first])
        else:
            raise self._bad("looking for beginning of value")

    def _literal(self, word: str) -> None:
        for letter in word:
            if self._char() != letter:
                raise self._bad(f"in literal {word} (expecting '{letter}')")
            self._at += 1

    def _string(self) -> None:
        self._at += 1
        while (character := self._char()) != '"':
            if character < " ":
                raise self._bad("in string literal")
            self._at += 1
            if character == "\\":
                self._escape()
        self._at += 1

    def _escape(self) -> None:
        kind = self._char()
        if kind not in 'bfnrt\\/"u':
            raise self._bad("in string escape code")
        self._at += 1
        for _ in range(4 if kind == "u" else 0):
            if self._char() not in _HEX:
                raise self._bad(r"in \u hexadecimal character escape")
            self._at += 1

    def _number(self) -> None:
        if self._char() == "-":
            self._at += 1
        if self._char() == "0":
            self._at += 1
        else:
            self._digits("in numeric literal")
        if self._is_next("."):
            self._digits("after decimal point in numeric literal")
        if self._is_next("eE"):
            self._is_next("+-")
            self._digits("in exponent of numeric literal")

    def _is_next(self, marks: str) -> bool:
        if self._at < len(self._text) and self._text[self._at] in marks:
            self._at += 1
            return True
        return False

    def _digits(self, where: str) -> None:
        if self._char() not in _DIGITS:
            raise self._bad(where)
        while self._at < len(self._text) and self._text[self._at] in _DIGITS:
            self._at += 1


class _Object(dict[str, Any]):
    """An object that knows which of its keys were written again."""

    again: Counter[str]


class _Number(float):
    """A number that is printed as it was written."""

    text: str

    def __str__(self) -> str:
        return self.text


def literal_numbers(content: bytes) -> Any:
    """The value of a valid JSON text, with numbers that print as they were written, for messages about them."""

    def number(text: str) -> _Number:
        made = _Number(text)
        made.text = text
        return made

    return json.loads(content, parse_float=number)


def repeated_fields(content: bytes) -> dict[str, int]:
    """Paths of fields that a JSON text writes more than once, and how often again.

    Args:
        content: valid JSON of limited depth.
    """
    found: dict[str, int] = {}

    def paired(pairs: list[tuple[str, Any]]) -> _Object:
        made = _Object(pairs)
        made.again = Counter(key for key, _ in pairs)
        made.again.subtract(made.keys())
        return made

    waiting: list[tuple[str, Any]] = [("", json.loads(content, object_pairs_hook=paired))]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, _Object):
            for key, entry in value.items():
                at = f"{path}.{key}" if path else key
                if value.again[key]:
                    found[at] = value.again[key]
                waiting.append((at, entry))
        elif isinstance(value, list):
            waiting += [(f"{path}[{index}]", entry) for index, entry in enumerate(value)]
    return found
