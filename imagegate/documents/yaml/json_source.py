"""JSON -> nodes that know their line."""

from __future__ import annotations

import re
from bisect import bisect_right
from json.decoder import JSONDecodeError, scanstring  # type: ignore[attr-defined]  # absent from typeshed

from imagegate.documents.yaml.nodes import Node, Scalar
from imagegate.documents.yaml.rules import too_many_values

_NO_SPACE = re.compile(r"[^ \t\r\n]")
_NUMBER = re.compile(r"(-?(?:0|[1-9][0-9]*))(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_SURROGATE = re.compile("[\ud800-\udfff]")
_WORDS: dict[str, Scalar] = {"true": True, "false": False, "null": None}
_DIGITS_MAX = 400


class BadJson(ValueError):
    """The input is not JSON. ``certain``: it is not meant as YAML either (depth, number of values, repeated keys)."""

    def __init__(self, text: str, line: int, *, certain: bool = False) -> None:
        super().__init__(text)
        self.line = line
        self.certain = certain


def parse_json(text: str, *, depth_max: int, last_key_wins: bool, values_max: int | None = None) -> Node:
    """The one JSON value of ``text``.

    Lone surrogates become U+FFFD, as in Go.

    Raises:
        BadJson: with the line.
    """
    return _Parser(text, depth_max, last_key_wins, values_max).document()


class _Parser:
    def __init__(self, text: str, depth_max: int, last_key_wins: bool, values_max: int | None) -> None:
        self._text = text
        self._depth_max = depth_max
        self._last_key_wins = last_key_wins
        self._values_max = values_max
        self._values = 0
        self._at = 0
        self._line_starts = [0, *(found.end() for found in re.finditer("\n", text))]

    def document(self) -> Node:
        node = self._value(0)
        self._skip_space()
        if self._at != len(self._text):
            raise self._bad("text after the end of the JSON value")
        return node

    def _line(self, at: int) -> int:
        return bisect_right(self._line_starts, at)

    def _bad(self, what: str, *, certain: bool = False) -> BadJson:
        where = "end of text" if self._at >= len(self._text) else repr(self._text[self._at : self._at + 20])
        return BadJson(f"not JSON: {what}, at {where}", self._line(self._at), certain=certain)

    def _skip_space(self) -> None:
        found = _NO_SPACE.search(self._text, self._at)
        self._at = len(self._text) if found is None else found.start()

    def _next(self) -> str:
        self._skip_space()
        return self._text[self._at : self._at + 1]

    def _value(self, depth: int) -> Node:
        if depth > self._depth_max:
            raise self._bad(f"nested deeper than {self._depth_max} levels", certain=True)
        character = self._next()
        line = self._line(self._at)
        self._values += 1
        if self._values_max is not None and self._values > self._values_max:
            raise BadJson(too_many_values(self._values_max), line, certain=True)
        match character:
            case "{":
                return self._object(line, depth)
            case "[":
                return self._array(line, depth)
            case '"':
                return Node(self._string(), line, quoted=True)
            case _:
                return Node(self._literal(), line)

    def _object(self, line: int, depth: int) -> Node:
        entries: dict[str, Node] = {}
        self._at += 1
        if self._next() == "}":
            self._at += 1
            return Node(entries, line)
        while True:
            if self._next() != '"':
                raise self._bad("expected a key in double quotes")
            start = self._at
            key = self._string()
            if key in entries and not self._last_key_wins:
                text = f'"{key}" is repeated (first in line {entries[key].line})'
                raise BadJson(text, self._line(start), certain=True)
            if self._next() != ":":
                raise self._bad('expected ":"')
            self._at += 1
            entries[key] = self._value(depth + 1)
            if self._ends("}"):
                return Node(entries, line, 1 + sum(node.weight for node in entries.values()))

    def _array(self, line: int, depth: int) -> Node:
        items: list[Node] = []
        self._at += 1
        if self._next() == "]":
            self._at += 1
            return Node(items, line)
        while True:
            items.append(self._value(depth + 1))
            if self._ends("]"):
                return Node(items, line, 1 + sum(node.weight for node in items))

    def _ends(self, end: str) -> bool:
        character = self._next()
        if character not in (end, ",") or not character:
            raise self._bad(f'expected "," or "{end}"')
        self._at += 1
        return character == end

    def _string(self) -> str:
        try:
            value, self._at = scanstring(self._text, self._at + 1, True)
        except JSONDecodeError as error:
            self._at = error.pos
            raise self._bad(error.msg) from error
        return _SURROGATE.sub("\ufffd", value)

    def _literal(self) -> Scalar:
        for word, value in _WORDS.items():
            if self._text.startswith(word, self._at):
                self._at += len(word)
                return value
        found = _NUMBER.match(self._text, self._at)
        if found is None:
            raise self._bad("expected a value")
        if len(found[0]) > _DIGITS_MAX:
            raise self._bad("a number of too many digits")
        self._at = found.end()
        return float(found[0]) if found[2] or found[3] else int(found[1])
