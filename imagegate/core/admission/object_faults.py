"""All faults of an object whose images cannot be read, not only the first."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from imagegate.core.admission.decision import Denial, DenialCode
from imagegate.core.admission.workload import InvalidObject

FAULTS_MAX = 20
"""Faults of one object that are named."""
_FIELD = re.compile(r"(?P<field>[A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*|\[\d+\])*): (?P<why>.+)", re.DOTALL)
_STEP = re.compile(r"\[(\d+)\]|([^.\[\]]+)")


class Fault(NamedTuple):
    """One thing that is wrong with an object."""

    field: str
    """Field path; empty if it is wrong as a whole."""
    why: str

    def __str__(self) -> str:
        return f"{self.field}: {self.why}" if self.field else self.why


def faults(
    error: InvalidObject, read: Callable[[Mapping[str, Any]], object], document: Mapping[str, Any]
) -> tuple[Fault, ...]:
    """The faults of ``document``, ``error`` the first of them; at most ``FAULTS_MAX``.

    The part that is wrong is left out, and the object read again, until it can be read or the same fault comes back.

    Args:
        read: reads the object, and raises ``InvalidObject`` at the first fault.
    """
    found = [_fault(error)]
    repaired: Any = document
    while found[-1].field and len(found) < FAULTS_MAX:
        repaired = _without(repaired, found[-1].field)
        try:
            read(repaired)
        except InvalidObject as another:
            fault = _fault(another)
            if fault in found:
                break
            found.append(fault)
        else:
            break
    return tuple(found)


def fault_denials(found: tuple[Fault, ...]) -> tuple[Denial, ...]:
    """One denial for each fault, at its field."""
    return tuple(
        Denial(code=DenialCode.INVALID_OBJECT, image="", at=each.field, rule="", because=each.why) for each in found
    )


def told(found: tuple[Fault, ...]) -> str:
    """All faults as one sentence."""
    return "; ".join(map(str, found))


def _fault(error: InvalidObject) -> Fault:
    written = _FIELD.fullmatch(str(error))
    return Fault("", str(error)) if written is None else Fault(written["field"], written["why"])


def _without(value: Any, field: str) -> Any:
    """The value without what is at ``field``: an entry of a list is empty then, everything else null."""
    steps = [int(index) if index else key for index, key in _STEP.findall(field)]
    return _replaced(value, steps)


def _replaced(value: Any, steps: list[int | str]) -> Any:
    first, *rest = steps
    if isinstance(first, int):
        if not isinstance(value, list) or first >= len(value):
            return value
        return [*value[:first], _replaced(value[first], rest) if rest else {}, *value[first + 1 :]]
    if not isinstance(value, Mapping):
        return value
    return {**value, first: _replaced(value.get(first), rest) if rest else None}
