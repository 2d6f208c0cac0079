"""Label and field selectors as strings, the way clients send them (``labelSelector=``, ``fieldSelector=``).

Source: k8s.io/apimachinery, pkg/labels and pkg/fields.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from imagegate.core.kube.go_quote import go_quote
from imagegate.core.kube.label_selector import LabelSelector, Requirement
from imagegate.errors import InvalidInput

_SET = re.compile(r"\s*(?P<key>[^\s!=,()]+)\s+(?P<operator>in|notin)\s*\((?P<values>[^()]*)\)\s*")
_EQUALITY = re.compile(r"\s*(?P<key>[^\s!=,()<>]+)\s*(?P<operator>==|=|!=)\s*(?P<value>[^\s=!,()]*)\s*")
_EXISTS = re.compile(r"\s*(?P<not>!?)\s*(?P<key>[^\s!=,()<>]+)\s*")
_OPERATORS = {"in": "In", "notin": "NotIn", "=": "In", "==": "In", "!=": "NotIn"}


def parse_label_selector(text: str) -> LabelSelector:
    """Read ``a=b,c!=d,e in (f,g),h,!i``. An empty string selects everything.

    Raises:
        InvalidInput: the string is not a selector.
    """
    requirements: list[Requirement] = []
    at = 0
    while at < len(text) or requirements:
        found, requirement = _requirement(text, at)
        requirements.append(requirement)
        at = found.end()
        if at == len(text):
            break
        if text[at] != ",":
            raise InvalidInput(f"unable to parse requirement: found {go_quote(text[at:])}, expected ',' or the end")
        at += 1
    selector = LabelSelector((), tuple(requirements))
    problem = selector.problem()
    if problem:
        raise InvalidInput(f"unable to parse requirement: {problem}")
    return selector


def _requirement(text: str, at: int) -> tuple[re.Match[str], Requirement]:
    if found := _SET.match(text, at):
        values = tuple(sorted(value.strip() for value in found["values"].split(",")))
        return found, Requirement(found["key"], _OPERATORS[found["operator"]], values)
    if found := _EQUALITY.match(text, at):
        return found, Requirement(found["key"], _OPERATORS[found["operator"]], (found["value"],))
    if found := _EXISTS.match(text, at):
        return found, Requirement(found["key"], "DoesNotExist" if found["not"] else "Exists")
    raise InvalidInput(f"unable to parse requirement: found {go_quote(text[at:])}, expected a label key")


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
