"""Words of a Dockerfile: keywords, flags, quotes, and the variables that FROM may use.

Source: openshift/imagebuilder, dockerfile/parser/split_command.go and shell_parser.go.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

SPACE = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
"""Space by Go's ``unicode.IsSpace``; Python's ``strip()`` removes more."""
_BETWEEN_WORDS = re.compile(r"[\t\v\f\r ]+")
_ARGUMENT = re.compile(r"""(?:[^\s"']|"[^"]*"|'[^']*')+""")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_VARIABLE = re.compile(r"\$(?:([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)(?::([-+])([^{}$\"'\\`]*))?\})")
_SET_BY_BUILDERS = re.compile(
    r"(?:TARGET|BUILD)(?:PLATFORM|OS|ARCH|VARIANT|OSVERSION)|TARGETSTAGE|BUILDKIT_.*|SOURCE_DATE_EPOCH"
    r"|(?:https?|ftp|no|all)_proxy",
    re.IGNORECASE,
)


class Unknown(Exception):
    """The value of a word cannot be known before the build; the message says why."""


def trimmed(text: str, *, right: bool = True) -> str:
    """``text`` without space at both ends, or only at its start."""
    return text.strip(SPACE) if right else text.lstrip(SPACE)


def words_of(text: str) -> list[str]:
    """The words, with their quotes."""
    return [word for word in _BETWEEN_WORDS.split(trimmed(text)) if word]


def keyword_of(text: str) -> tuple[str, str]:
    """The instruction in lower case, and the rest."""
    keyword, *rest = _BETWEEN_WORDS.split(trimmed(text), maxsplit=1)
    return keyword.replace("\u0130", "i").lower(), rest[0] if rest else ""  # Go lower-cases a dotted capital I so


def flags_of(text: str) -> tuple[list[str], str]:
    """The flags at the start of ``text`` without quotes, and the rest.

    Builders read flags byte by byte: the second byte of ``\u00e0`` (c3 a0) is a space to them.
    """
    as_bytes = text if text.isascii() else text.encode("utf-8", "surrogatepass").decode("latin-1")
    flags: list[str] = []
    at = 0
    while True:
        while at < len(as_bytes) and as_bytes[at] in SPACE:
            at += 1
        if not as_bytes.startswith("--", at):
            break
        word, at = _flag(as_bytes, at)
        if word == "--":
            break
        flags.append(word)
    rest = as_bytes[at:]
    return flags, rest if rest.isascii() else rest.encode("latin-1").decode("utf-8", "replace")


def _flag(text: str, at: int) -> tuple[str, int]:
    word, quote = [], ""
    while at < len(text):
        character = text[at]
        at += 1
        if not quote and character in SPACE:
            break
        if character == quote:
            quote = ""
        elif not quote and character in "\"'":
            quote = character
        elif character == "\\":
            word.append(text[at : at + 1])
            at += 1
        else:
            word.append(character)
    return "".join(word), at


class Variables:
    """The arguments declared before the first FROM, with the values that the build passes."""

    __slots__ = ("_declared", "_given")

    def __init__(self, given: Mapping[str, str | None]) -> None:
        self._given = given
        self._declared: dict[str, str | Unknown | None] = {}
        """None: declared without a value."""

    def declare(self, text: str) -> None:
        """Read ``ARG NAME``, ``ARG NAME=DEFAULT``, or several of them."""
        for word in _ARGUMENT.findall(text):
            name, equals, default = word.partition("=")
            if _NAME.fullmatch(name):
                self._declared[name] = self._value(name, default if equals else None)

    def _value(self, name: str, default: str | None) -> str | Unknown | None:
        if name in self._given:
            given = self._given[name]
            return (
                Unknown(f"the value of build argument {name} is taken from elsewhere (valueFrom)")
                if given is None
                else given
            )
        if default is None:
            earlier = self._declared.get(name)
            return None if earlier is None else Unknown(f"ARG {name} is declared twice")
        try:
            return self.expand(default)
        except Unknown as unknown:
            return unknown

    def expand(self, word: str) -> str:
        """``word`` without quotes, variables replaced.

        Raises:
            Unknown: a variable has no value that is known, or builders read the word differently.
        """
        out, quote, at = [], "", 0
        while at < len(word):
            character = word[at]
            if character == quote:
                quote = ""
            elif not quote and character in "\"'":
                quote = character
            elif character in "\\`":
                raise Unknown("escaped characters are not read")
            elif character == "$" and quote != "'":
                variable = _VARIABLE.match(word, at)
                if variable is None:
                    raise Unknown("of variables only $NAME, ${NAME}, ${NAME:-WORD} and ${NAME:+WORD} are read")
                out.append(self._replaced(variable))
                at = variable.end()
                continue
            else:
                out.append(character)
            at += 1
        if quote:
            raise Unknown("a quote is not closed")
        return "".join(out)

    def _replaced(self, variable: re.Match[str]) -> str:
        name, modifier, word = variable[1] or variable[2], variable[3], variable[4]
        if _SET_BY_BUILDERS.fullmatch(name):
            raise Unknown(f"{name} is set by the builder")
        is_declared = name in self._declared
        if not is_declared and name in self._given:
            raise Unknown(f"no ARG before the first FROM declares the build argument {name}")
        value = self._declared.get(name)
        if isinstance(value, Unknown):
            raise Unknown(str(value))
        if modifier:
            return (value or word) if modifier == "-" else word if value else ""
        if value is None:
            missing = f"ARG {name} has no default, and the build gives it no value"
            raise Unknown(missing if is_declared else f"no ARG before the first FROM declares {name}")
        return value
