"""Kubernetes' quantities: numbers with suffixes, compared exactly and printed in their canonical form.

Source: k8s.io/apimachinery, ``pkg/api/resource/quantity.go`` and ``suffix.go``.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction

from imagegate.errors import InvalidInput

MALFORMED = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
_NO_SUFFIX = "unable to parse quantity's suffix"
_MAX_LENGTH = 64
_POWER_MAX = 99
_MAX = 2**63 - 1
"""Binary quantities are not larger."""
_FORM = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?([eEinumkKMGTP]*[+-]?[0-9]*)", re.ASCII)
_EXPONENT = re.compile(r"[eE]([+-]?[0-9]+)", re.ASCII)
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_DIGITS_MAX = 18
"""Of a number that the original keeps as a 64-bit integer."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """An exact number, and how it is written.

    ``str()`` is the canonical form: no fraction, and the largest suffix that allows it.
    """

    value: Fraction
    is_binary: bool = False
    has_exponent: bool = False
    """True if it is written as ``1e3``."""
    written: str = ""
    """The text, where the original keeps it because it takes it for canonical."""

    @classmethod
    def parse(cls, text: object) -> Quantity:
        """Read one.

        Raises:
            InvalidInput: it is none.
        """
        if isinstance(text, (int, float)) and not isinstance(text, bool):
            text = str(text)
        text = text.strip() if isinstance(text, str) else ""
        found = _FORM.fullmatch(text) if len(text) <= _MAX_LENGTH else None
        if not text or found is None:
            raise InvalidInput(MALFORMED)
        sign, whole, fraction, suffix = (part or "" for part in found.groups())
        digits = f"{whole.lstrip('0') or '0'}{fraction}"
        number = int(f"{sign}{digits}") * Fraction(1, 10 ** len(fraction))
        if suffix in _BINARY:
            is_kept = not fraction and int(digits) % 8 != 0 and _is_short_binary(digits, _BINARY[suffix])
            value = max(min(_rounded(number * 2 ** _BINARY[suffix]), Fraction(_MAX)), Fraction(-_MAX))
            return cls(value, is_binary=True, written=text if is_kept else "")
        power, has_exponent = _power(suffix)
        scale = power - len(fraction)
        is_kept = (
            len(digits) <= _DIGITS_MAX
            and scale >= _DECIMAL["n"]
            and scale % 3 == 0
            and digits[0] != "0"
            and not digits.endswith("000")
        )
        value = _rounded(number * Fraction(10) ** power)
        return cls(value, has_exponent=has_exponent, written=text if is_kept else "")

    def rounded_to_milli(self) -> Quantity:
        """The quantity, away from zero to a whole number of thousandths, as resources of containers are counted."""
        if (self.value * 1000).denominator == 1:
            return self
        return Quantity(_away_from_zero(self.value, 1000), self.is_binary, self.has_exponent)

    def __add__(self, other: Quantity) -> Quantity:
        """The sum, written as the first of both that is not zero."""
        form = self if self.value else other
        return Quantity(self.value + other.value, form.is_binary, form.has_exponent)

    def parts(self, parts: int) -> int:
        """How many ``1/parts`` it is, away from zero."""
        return int(_away_from_zero(self.value, parts) * parts)

    def __str__(self) -> str:
        if self.written:
            return self.written
        if not self.value:
            return "0"
        if self.is_binary and self.value.denominator == 1 and abs(self.value) >= 1024:
            return self._with_unit({"": 0, **_BINARY}, 2)
        if self.has_exponent:
            powers = {f"e{power}" if power else "": power for power in range(_DECIMAL["n"], 2 * _POWER_MAX, 3)}
            return self._with_unit(powers, 10)
        return self._with_unit(_DECIMAL, 10)

    def _with_unit(self, powers: dict[str, int], base: int) -> str:
        units = ((suffix, Fraction(base) ** power) for suffix, power in powers.items())
        suffix, unit = max(
            (each for each in units if (self.value / each[1]).denominator == 1), key=lambda each: each[1]
        )
        return f"{self.value / unit}{suffix}"


def _power(suffix: str) -> tuple[int, bool]:
    """The power of ten, and whether it is written as an exponent.

    Raises:
        InvalidInput: there is no such suffix, or the exponent is beyond what anything is measured in.
    """
    if suffix in _DECIMAL:
        return _DECIMAL[suffix], False
    exponent = _EXPONENT.fullmatch(suffix)
    if exponent is None or abs(int(exponent[1])) > _POWER_MAX:
        raise InvalidInput(_NO_SUFFIX)
    return int(exponent[1]), True


def _is_short_binary(digits: str, power: int) -> bool:
    """True if the original counts with integers. Source: ``ParseQuantity``, its fast path."""
    return 15 - len(digits) - int(power * 3 / 10) - 1 >= 0


def _rounded(value: Fraction) -> Fraction:
    """Up to a whole number of nanos, away from zero, as the original keeps it."""
    return _away_from_zero(value, 10**9)


def _away_from_zero(value: Fraction, parts: int) -> Fraction:
    count = value * parts
    return Fraction(math.ceil(count) if count >= 0 else math.floor(count), parts)
