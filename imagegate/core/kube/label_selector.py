"""Label selectors in the Kubernetes form: ``matchLabels`` and ``matchExpressions``.

Source: k8s.io/apimachinery ``pkg/apis/meta/v1`` LabelSelectorAsSelector and ``pkg/labels`` (0.34).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from imagegate.core.kube.field_errors import FieldError, aggregate, invalid
from imagegate.core.kube.go_quote import JsonValue, go_quote

OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist")
GREATER, LESS = "Gt", "Lt"
"""Operators of selectors in a query only."""
_INTEGER = re.compile("[+-]?[0-9]{1,18}")
_NAME_FORM = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_NAME = re.compile(_NAME_FORM)
_VALUE_FORM = f"({_NAME_FORM})?"
_VALUE = re.compile(_VALUE_FORM)
_LABEL_FORM = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN_FORM = rf"{_LABEL_FORM}(\.{_LABEL_FORM})*"
_SUBDOMAIN = re.compile(_SUBDOMAIN_FORM)
_NAME_MAX_LENGTH = 63
_SUBDOMAIN_MAX_LENGTH = 253
_ALPHANUMERIC = "alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
_NAME_TEXT = (
    f"must consist of {_ALPHANUMERIC} (e.g. 'MyName',  or 'my.name',  or '123-abc', "
    f"regex used for validation is '{_NAME_FORM}')"
)
_VALUE_TEXT = (
    f"a valid label must be an empty string or consist of {_ALPHANUMERIC} "
    f"(e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '{_VALUE_FORM}')"
)
_SUBDOMAIN_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start "
    f"and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '{_SUBDOMAIN_FORM}')"
)


@dataclass(frozen=True, slots=True)
class Requirement:
    """One entry of ``matchExpressions``, as written; ``LabelSelector.problem`` says whether it means anything."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def holds(self, labels: Mapping[str, str]) -> bool:
        """True if ``labels`` meet the requirement; ``NotIn`` holds for a missing key."""
        match self.operator:
            case "In":
                return self.key in labels and labels[self.key] in self.values
            case "NotIn":
                return self.key not in labels or labels[self.key] not in self.values
            case "Exists":
                return self.key in labels
            case "DoesNotExist":
                return self.key not in labels
            case "Gt" | "Lt":
                return self._is_ordered(labels.get(self.key, ""))
            case _:
                return False

    def _is_ordered(self, value: str) -> bool:
        if _INTEGER.fullmatch(value) is None or _INTEGER.fullmatch(self.values[0]) is None:
            return False
        difference = int(value) - int(self.values[0])
        return difference > 0 if self.operator == GREATER else difference < 0

    def to_json(self) -> dict[str, JsonValue]:
        """As Go writes it; empty ``values`` left out."""
        out: dict[str, JsonValue] = {"key": self.key, "operator": self.operator}
        if self.values:
            out["values"] = list(self.values)
        return out


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """A label selector. An empty one matches everything."""

    match_labels: tuple[tuple[str, str], ...] = ()
    """Pairs in the order of their keys."""
    match_expressions: tuple[Requirement, ...] = ()

    @classmethod
    def of(cls, match_labels: Mapping[str, str], match_expressions: Sequence[Requirement] = ()) -> LabelSelector:
        """A selector from a mapping."""
        return cls(tuple(sorted(match_labels.items())), tuple(match_expressions))

    @property
    def keys(self) -> frozenset[str]:
        """The keys that the selector reads."""
        return frozenset((*(key for key, _ in self.match_labels), *(each.key for each in self.match_expressions)))

    def matches(self, labels: Mapping[str, str]) -> bool:
        """True if ``labels`` meet the whole selector. Nothing matches a selector with a ``problem``."""
        return all(labels.get(key) == value for key, value in self.match_labels) and all(
            requirement.holds(labels) for requirement in self.match_expressions
        )

    @property
    def is_satisfiable(self) -> bool:
        """True if any labels at all could match."""
        required = [Requirement(key, "In", (value,)) for key, value in self.match_labels]
        by_key: dict[str, list[Requirement]] = {}
        for requirement in (*required, *self.match_expressions):
            by_key.setdefault(requirement.key, []).append(requirement)
        return all(_can_hold(key, requirements) for key, requirements in by_key.items())

    def problem(self, *, with_order: bool = False) -> str:
        """Why the selector does not parse, in the original's words; empty if it does.

        Of several wrong requirements only the first is named.

        Args:
            with_order: ``Gt`` and ``Lt`` are operators too.
        """
        return next(self._problems((*OPERATORS, GREATER, LESS) if with_order else OPERATORS), "")

    def _problems(self, operators: Sequence[str]) -> Iterator[str]:
        for key, value in self.match_labels:
            if errors := [*_key_errors(key), *_value_errors(key, (value,))]:
                yield aggregate(errors)
        for requirement in self.match_expressions:
            if requirement.operator not in operators:
                yield f"{go_quote(requirement.operator)} is not a valid label selector operator"
            elif errors := _requirement_errors(requirement):
                yield aggregate(errors)

    def to_json(self) -> dict[str, JsonValue]:
        """As Go writes it; empty fields left out."""
        out: dict[str, JsonValue] = {}
        if self.match_labels:
            out["matchLabels"] = dict(self.match_labels)
        if self.match_expressions:
            out["matchExpressions"] = [requirement.to_json() for requirement in self.match_expressions]
        return out


def _can_hold(key: str, requirements: list[Requirement]) -> bool:
    """True if some value of ``key``, or its absence, meets all requirements."""
    named = {value for requirement in requirements for value in requirement.values}
    other = "x" * (1 + max(map(len, named), default=0))
    candidates: list[dict[str, str]] = [{}, *({key: value} for value in (*named, other))]
    return any(all(each.holds(labels) for each in requirements) for labels in candidates)


def _requirement_errors(requirement: Requirement) -> list[FieldError]:
    errors = _key_errors(requirement.key)
    if requirement.operator in ("In", "NotIn"):
        if not requirement.values:
            errors.append(invalid("values", None, "for 'in', 'notin' operators, values set can't be empty"))
    elif requirement.operator in (GREATER, LESS):
        if _INTEGER.fullmatch(requirement.values[0]) is None:
            detail = "for 'Gt', 'Lt' operators, the value must be an integer"
            errors.append(invalid("values[0]", requirement.values[0], detail))
    elif requirement.values:
        detail = "values set must be empty for exists and does not exist"
        errors.append(invalid("values", list(requirement.values), detail))
    return errors + _value_errors(requirement.key, requirement.values)


def _key_errors(key: str) -> list[FieldError]:
    texts = qualified_name_problems(key)
    return [invalid("key", key, "; ".join(texts))] if texts else []


def _value_errors(key: str, values: Sequence[str]) -> list[FieldError]:
    errors = []
    for index, value in enumerate(values):
        texts = label_value_problems(value)
        if texts:
            errors.append(invalid(f"values[{index}][{key}]", value, "; ".join(texts)))
    return errors


def label_value_problems(text: str) -> list[str]:
    """The reasons why ``text`` is not a label's value; empty if it is one."""
    problems = []
    if len(text.encode("utf-8", "surrogatepass")) > _NAME_MAX_LENGTH:
        problems.append(f"must be no more than {_NAME_MAX_LENGTH} characters")
    if _VALUE.fullmatch(text) is None:
        problems.append(_VALUE_TEXT)
    return problems


def qualified_name_problems(text: str) -> list[str]:
    """The reason why ``text`` is not a qualified name (``[PREFIX/]NAME``); empty if it is one."""
    parts = text.split("/")
    if len(parts) > 2:
        return [
            f"a qualified name {_NAME_TEXT} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        ]
    problems = [] if len(parts) == 1 else _prefix_problems(parts[0])
    name = parts[-1]
    if not name:
        problems.append("name part must be non-empty")
    elif len(name.encode("utf-8", "surrogatepass")) > _NAME_MAX_LENGTH:
        problems.append(f"name part must be no more than {_NAME_MAX_LENGTH} characters")
    if _NAME.fullmatch(name) is None:
        problems.append(f"name part {_NAME_TEXT}")
    return problems


def _prefix_problems(prefix: str) -> list[str]:
    if not prefix:
        return ["prefix part must be non-empty"]
    problems = []
    if len(prefix.encode("utf-8", "surrogatepass")) > _SUBDOMAIN_MAX_LENGTH:
        problems.append(f"prefix part must be no more than {_SUBDOMAIN_MAX_LENGTH} characters")
    if _SUBDOMAIN.fullmatch(prefix) is None:
        problems.append(f"prefix part {_SUBDOMAIN_TEXT}")
    return problems
