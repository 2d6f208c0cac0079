"""JSON values and their places in a text. Decoded by C; lines inside are looked for only where something is wrong."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from imagegate.documents.yaml.json_source import parse_json
from imagegate.documents.yaml.nodes import Node
from imagegate.documents.yaml.rules import DEPTH_MAX

STEP = re.compile(r"\[(\d+)\]|([^.\[\]]+)")
"""One step of a field path: an index, or a name."""
_SPACE = re.compile(r"[ \t\r\n]*")
_BETWEEN = re.compile(r"[ \t\r\n,]*")
_ARRAYS = {key: re.compile(rf'"{key}"[ \t\r\n]*:[ \t\r\n]*\[') for key in ("items", "objects")}
_SCANNER = json.JSONDecoder()


class JsonPiece(NamedTuple):
    """The text of one JSON object, and its first line. Lines inside are looked for only where something is wrong."""

    text: str
    line: int

    def line_of(self, field_path: str) -> int:
        """The line of a field, or of its nearest existing parent."""
        at: Node | None = _parsed(self.text)
        line = self.line
        for index, key in STEP.findall(field_path):
            value = at.value if at is not None else None
            if index:
                at = value[int(index)] if isinstance(value, list) and int(index) < len(value) else None
            else:
                at = value.get(key) if isinstance(value, dict) else None
            if at is None:
                break
            line = self.line + at.line - 1
        return line


@lru_cache(maxsize=2)  # one object with many things wrong is asked for many lines
def _parsed(text: str) -> Node:
    return parse_json(text, depth_max=DEPTH_MAX, last_key_wins=True)


def json_pieces(text: str, first_line: int) -> list[JsonPiece] | None:
    """JSON values written one after the other, as kubectl reads them; None if the text is not JSON."""
    try:
        orjson.loads(text)  # most files are one value; this is the quickest way to know
    except orjson.JSONDecodeError:
        pass
    else:
        begins = len(text) - len(text.lstrip())
        return [JsonPiece(text[begins:], first_line + text.count("\n", 0, begins))]
    pieces = []
    end, line = 0, first_line
    while (begins := _SPACE.match(text, end).end()) < len(text):  # type: ignore[union-attr]  # matches nothing, too
        line += text.count("\n", end, begins)
        try:
            _, end = _SCANNER.raw_decode(text, begins)
        except (json.JSONDecodeError, RecursionError):
            return None
        pieces.append(JsonPiece(text[begins:end], line))
        line += text.count("\n", begins, end)
    return pieces


def item_pieces(piece: JsonPiece, items: list[Any], key: str = "items") -> list[JsonPiece] | None:
    """The text of every item of a list, or of every object of a Template (``objects``).

    None if they are not found, as in a list that holds lists.
    """
    if any(not isinstance(item, dict) or isinstance(item.get(key), list) for item in items):
        return None
    for found in _ARRAYS[key].finditer(piece.text):
        pieces: list[JsonPiece] = []
        end, line = found.end(), piece.line + piece.text.count("\n", 0, found.end())
        for item in items:
            begins = _BETWEEN.match(piece.text, end).end()  # type: ignore[union-attr]  # matches nothing, too
            line += piece.text.count("\n", end, begins)
            try:
                value, end = _SCANNER.raw_decode(piece.text, begins)
            except json.JSONDecodeError:
                break
            if value != item:
                break
            pieces.append(JsonPiece(piece.text[begins:end], line))
            line += piece.text.count("\n", begins, end)
        if len(pieces) == len(items):
            return pieces
    return None
