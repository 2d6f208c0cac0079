"""Kubernetes' quantities: numbers with suffixes, compared exactly and printed in their canonical form.

Source: k8s.io/apimachinery, ``pkg/api/resource/quantity.go``.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction

from imagegate.errors import InvalidInput

MALFORMED = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
_MAX_LENGTH = 64
_FORM = re.compile(r"([+-]?)([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(|[numkMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]{1,2})")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"": 0, "Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}


@dataclass(frozen=True, slots=True)
class Quantity:
    """An exact number, and whether it is written with binary suffixes.

    ``str()`` is the canonical form: no fraction, and the largest suffix that allows it.
    """

    value: Fraction
    is_binary: bool = False

    @classmethod
    def parse(cls, text: object) -> Quantity:
        """Read one.

        Raises:
            InvalidInput: it is none.
        """
        if isinstance(text, int) and not isinstance(text, bool):
            return cls(Fraction(text))
        found = _FORM.fullmatch(text) if isinstance(text, str) and len(text) <= _MAX_LENGTH else None
        if found is None:
            raise InvalidInput(MALFORMED)
        sign, digits, suffix = found.groups()
        number = Fraction(f"{sign}{digits}")
        if suffix in _BINARY and suffix:
            return cls(_rounded(number * 2 ** _BINARY[suffix]), is_binary=True)
        power = _DECIMAL[suffix] if suffix in _DECIMAL else int(suffix[1:])
        return cls(_rounded(number * Fraction(10) ** power))

    def __str__(self) -> str:
        if self.is_binary and self.value.denominator == 1 and abs(self.value) >= 1024:
            powers = [(suffix, 2**power) for suffix, power in _BINARY.items()]
        else:
            powers = [(suffix, Fraction(10) ** power) for suffix, power in _DECIMAL.items()]
            if self.is_binary:
                powers = [each for each in powers if each[1] <= 1]
        fitting = [(suffix, unit) for suffix, unit in powers if (self.value / unit).denominator == 1]
        suffix, unit = max(fitting, key=lambda each: each[1]) if self.value else ("", Fraction(1))
        return f"{self.value / unit}{suffix}"


def _rounded(value: Fraction) -> Fraction:
    """Up to a whole number of nanos, away from zero, as the original keeps it."""
    nanos = value * 10**9
    return Fraction(math.ceil(nanos) if nanos >= 0 else math.floor(nanos), 10**9)
