"""Label and field selectors as strings, the way clients send them (``labelSelector=``, ``fieldSelector=``).

Source: k8s.io/apimachinery, pkg/labels and pkg/fields.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from imagegate.core.kube.label_selector import GREATER, LESS, LabelSelector, Requirement
from imagegate.errors import InvalidInput

_OPERATORS = {"in": "In", "notin": "NotIn", "=": "In", "==": "In", "!=": "NotIn", ">": GREATER, "<": LESS}


def parse_label_selector(text: str) -> LabelSelector:
    """Read ``a=b,c!=d,e in (f,g),h,!i,j>1``. An empty string selects everything.

    Raises:
        InvalidInput: the string is not a selector.
    """
    selector = LabelSelector((), tuple(_Parser(text).requirements()))
    problem = selector.problem(with_order=True)
    if problem:
        raise InvalidInput(f"unable to parse requirement: {problem}")
    return selector


_TOKEN = re.compile(r"\s*(?:(==|!=|=|!|\(|\)|,|>|<)|([^\s=!(),<>]+))")


class _Parser:
    """The original's parser and its messages. Source: k8s.io/apimachinery, pkg/labels/selector.go."""

    def __init__(self, text: str) -> None:
        self._tokens = [found[1] or found[2] for found in _TOKEN.finditer(text)]
        self._words = [found[2] is not None for found in _TOKEN.finditer(text)]
        self._at = 0

    @property
    def _next(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    @property
    def _is_word(self) -> bool:
        return self._at < len(self._words) and self._words[self._at]

    def _take(self) -> str:
        taken = self._next
        self._at += 1
        return taken

    def requirements(self) -> Iterator[Requirement]:
        """All requirements.

        Raises:
            InvalidInput: the string is not a selector.
        """
        while self._next:
            if not self._is_word and self._next != "!":
                raise InvalidInput(f"found '{self._next}', expected: !, identifier, or 'end of string'")
            try:
                yield self._requirement()
            except InvalidInput as error:
                raise InvalidInput(f"unable to parse requirement: {error}") from error
            mark = self._take()
            if not mark:
                return
            if mark != ",":
                raise InvalidInput(f"found '{mark}', expected: ',' or 'end of string'")
            if not self._is_word and self._next != "!":
                raise InvalidInput(f"found '{self._next}', expected: identifier after ','")

    def _requirement(self) -> Requirement:
        is_absent = self._next == "!"
        if is_absent:
            self._take()
        if not self._is_word:
            raise InvalidInput(f"found '{self._next}', expected: identifier")
        key = self._take()
        if self._next in ("", ","):
            return Requirement(key, "DoesNotExist" if is_absent else "Exists")
        operator = self._take()
        if operator not in _OPERATORS:
            raise InvalidInput(f"found '{operator}', expected: in, notin, =, ==, !=, gt, lt")
        values = self._values() if operator in ("in", "notin") else (self._value(),)
        return Requirement(key, _OPERATORS[operator], values)

    def _value(self) -> str:
        if self._next in ("", ","):
            return ""
        if not self._is_word:
            raise InvalidInput(f"found '{self._next}', expected: identifier")
        return self._take()

    def _values(self) -> tuple[str, ...]:
        if self._next != "(":
            raise InvalidInput(f"found '{self._next}' expected: '('")
        self._take()
        if self._next == ")":
            self._take()
            return ()
        if not self._is_word and self._next != ",":
            raise InvalidInput(f"found '{self._next}', expected: ',', ')' or identifier")
        values = {self._take() if self._is_word else ""}
        while self._next == ",":
            self._take()
            values.add(self._take() if self._is_word else "")
        if self._next != ")":
            raise InvalidInput(f"found '{self._next}', expected: ',' or ')'")
        self._take()
        return tuple(sorted(values))


@dataclass(frozen=True, slots=True)
class FieldSelector:
    """Conditions on single fields: path, True for equal, value."""

    conditions: tuple[tuple[str, bool, str], ...] = ()

    def matches(self, found: Mapping[str, Any]) -> bool:
        """True if the object meets all conditions; a missing field counts as empty."""
        return all((_field(found, path) == value) is equal for path, equal, value in self.conditions)

    @property
    def paths(self) -> Iterator[str]:
        """The fields that have conditions."""
        return (path for path, _, _ in self.conditions)


def parse_field_selector(text: str) -> FieldSelector:
    """Read ``metadata.name=x,metadata.namespace!=y``.

    Raises:
        InvalidInput: the string is not a selector.
    """
    conditions = []
    for part in filter(None, text.split(",")):
        found = re.fullmatch(r"\s*([^=!\s]+)\s*(==|=|!=)\s*(.*)", part)
        if found is None:
            raise InvalidInput(f"invalid selector: '{text}'; can't understand '{part}'")
        conditions.append((found[1], found[2] != "!=", found[3]))
    return FieldSelector(tuple(conditions))


def _field(found: Mapping[str, Any], path: str) -> str:
    at: Any = found
    for step in path.split("."):
        at = at.get(step) if isinstance(at, Mapping) else None
    if at is None:
        return ""
    return str(at).lower() if isinstance(at, bool) else str(at)
