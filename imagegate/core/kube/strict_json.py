"""Strict JSON for signed documents: no field is dropped, no value is guessed, and nesting is bounded.

Objects keep every member in order, repeated ones too, so that the reader can refuse them. Numbers become
64-bit floats, as both originals read them. A lone surrogate becomes U+FFFD, as Go's decoder does.
"""

from __future__ import annotations

import json
import math
import re
from typing import NoReturn, TypeAlias

from imagegate.errors import InvalidInput

MAX_DEPTH = 400

_SURROGATE = re.compile("[\ud800-\udfff]")
_NESTING = re.compile(r'"(?:[^"\\]++|\\.)*+"?+|(?P<open>[\[{])|(?P<close>[\]}])', re.DOTALL)

StrictValue: TypeAlias = "None | bool | float | str | list[StrictValue] | Members"


class InvalidJson(InvalidInput):
    """A text is not JSON, or is nested too deeply."""


class Members(tuple[tuple[str, StrictValue], ...]):
    """The members of one object in the order written; a name may come twice."""

    __slots__ = ()

    def first_repeated(self) -> str | None:
        """The first name that has come before, or None."""
        seen = set()
        for name, _ in self:
            if name in seen:
                return name
            seen.add(name)
        return None


def parse(text: str | bytes) -> StrictValue:
    """Read one JSON value with nothing after it but white space. UTF-8 without byte order mark.

    Raises:
        InvalidJson: also for numbers beyond the range of a float and for more than ``MAX_DEPTH`` levels.
    """
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8")
        except UnicodeDecodeError as error:
            raise InvalidJson(f"not UTF-8: {error.reason} at byte {error.start}") from error
    _check_depth(text)
    may_have_surrogates = "\\u" in text or not text.isascii()
    try:
        value: StrictValue = (_REPAIRING if may_have_surrogates else _DECODER).decode(text)
    except json.JSONDecodeError as error:
        raise InvalidJson(f"{error.msg} at character {error.pos}") from error
    return _repaired(value) if may_have_surrogates else value


def _check_depth(text: str) -> None:
    """Counted before parsing, so that no text can exhaust the stack."""
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return
    depth = 0
    for found in _NESTING.finditer(text):
        if found.lastgroup == "open":
            depth += 1
            if depth > MAX_DEPTH:
                raise InvalidJson(f"nested more than {MAX_DEPTH} levels deep")
        elif found.lastgroup == "close":
            depth -= 1


def _members(pairs: list[tuple[str, StrictValue]]) -> Members:
    return Members((_well_formed(name), _repaired(value)) for name, value in pairs)


def _repaired(value: StrictValue) -> StrictValue:
    """Texts in ``value`` without lone surrogates; objects inside have been through ``_members`` already."""
    if isinstance(value, str):
        return _well_formed(value)
    if isinstance(value, list):
        return [_repaired(item) for item in value]
    return value


def _well_formed(text: str) -> str:
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


def _number(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise InvalidJson(f"number {text[:40]} is out of range")
    return value


def _constant(name: str) -> NoReturn:
    raise InvalidJson(f"{name} is not JSON")


_DECODER, _REPAIRING = (
    json.JSONDecoder(object_pairs_hook=hook, parse_int=_number, parse_float=_number, parse_constant=_constant)
    for hook in (Members, _members)
)
