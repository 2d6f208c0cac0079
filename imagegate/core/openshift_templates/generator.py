"""Values that OpenShift generates for parameters: ``[a-zA-Z0-9]{8}`` and the like.

Source: openshift/library-go, ``pkg/template/generator/expressionvalue.go``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from string import ascii_letters, digits

LENGTH_MAX = 255
CHARACTERS_MAX = 100_000
"""Of expressions and of what they generate, in one Template: each is chosen alone. The original has no limit."""
_SYMBOLS = "~!@#$%^&*()-_+={}[]\\|<,>.?/\"';:`"
_ALPHABET = ascii_letters
_ASCII = f"{_ALPHABET}{digits}{_SYMBOLS}"
_EXPRESSION = re.compile(r"\[([a-zA-Z0-9\-\\]+)\](\{([0-9]+)\})")
_RANGE = re.compile(r"([\\]?[a-zA-Z0-9]-?[a-zA-Z0-9]?)")
_CLASSES = {"\\w": f"{_ALPHABET}{digits}_", "\\d": digits, "\\a": f"{_ALPHABET}{digits}", "\\A": _SYMBOLS}


class BadExpression(ValueError):
    """The text is no expression."""


class ValueGenerator:
    """Makes the values of one Template.

    Args:
        choose: picks one of several characters.
    """

    def __init__(self, choose: Callable[[Sequence[str]], str]) -> None:
        self._choose = choose
        self._left = CHARACTERS_MAX

    def value(self, expression: str) -> str:
        """A value for an expression.

        Args:
            expression: ``from`` of a parameter; what is not in brackets stays.

        Raises:
            BadExpression: a range or a length is not valid, or the Template asks for too much.
        """
        return _EXPRESSION.sub(self._made, expression)

    def _made(self, found: re.Match[str]) -> str:
        length = int(found[3][:4])
        if not 1 <= length <= LENGTH_MAX or len(found[3]) > 4:
            raise BadExpression(f"range must be within [1-{LENGTH_MAX}] characters ({found[3][:20]})")
        self._left -= length + len(found[0])
        if self._left < 0:
            raise BadExpression(f"expressions generate more than {CHARACTERS_MAX:,} characters for this Template")
        letters = _letters(found[1])
        return "".join(self._choose(letters) for _ in range(length))


def _letters(ranges: str) -> str:
    """The characters of ranges such as ``a-zA-Z``, each once. A range is read as its first and last character."""
    found = ""
    for part in _RANGE.findall(ranges):
        first, last = part[0], part[-1]
        if first + last in _CLASSES:
            found += _CLASSES[first + last]
            continue
        start, end = _ASCII.index(first), _ASCII.rindex(last)
        if start > end:
            raise BadExpression(f"invalid range specified: {first}-{last}")
        found += _ASCII[start : end + 1]
    if not found:
        raise BadExpression("malformed expression: it has no characters")
    return "".join(dict.fromkeys(found))
