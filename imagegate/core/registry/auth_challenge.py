"""``WWW-Authenticate`` headers: text in, challenges out.

Grammar (RFC 7235 section 4.1, as registries and trust servers use it): a scheme, then comma-separated ``key=value``
with tokens or quoted strings; scheme and keys in any case. Texts of the errors: docs/spec/enforcement.md 12.4.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from imagegate.core.kube.printable import printable
from imagegate.errors import Malformed

HEADER_MAX_LENGTH = 8192
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_SPACE = re.compile(r"[ \t]*")
_SEPARATORS = re.compile(r"[ \t,]*")


@dataclass(frozen=True, slots=True)
class Challenge:
    """One challenge: ``scheme`` and keys in lower case, values as written."""

    scheme: str
    parameters: Mapping[str, str]


def parse_challenges(headers: Iterable[str]) -> tuple[Challenge, ...]:
    """All challenges of the given header lines; each line is one challenge.

    Raises:
        Malformed: a line cannot be read.
    """
    return tuple(parse_challenge(header) for header in headers)


def parse_challenge(header: str) -> Challenge:
    """One header line as one challenge.

    Raises:
        Malformed: ``Unable to parse WWW-Authenticate header '...': ...``
    """
    try:
        return _parse(header)
    except ValueError as error:
        raise Malformed(f"Unable to parse WWW-Authenticate header '{_shown(header)}': {error}") from error


def _shown(header: str) -> str:
    return printable(header[:256], 2560)  # of 256 characters, as the original; escapes make it longer


def _parse(header: str) -> Challenge:
    if len(header) > HEADER_MAX_LENGTH:
        raise ValueError("header too long")
    text = header.strip(" \t")
    scheme = _TOKEN.match(text)
    if scheme is None:
        raise ValueError("no auth-scheme found")
    parameters: dict[str, str] = {}
    at = _end(_SPACE, text, scheme.end())
    while at < len(text):
        key, value, at = _parameter(text, at)
        parameters.setdefault(key, value)  # a repeated key must not change what was already said
        after = _end(_SEPARATORS, text, at)
        if after < len(text) and "," not in text[at:after]:
            raise ValueError("parameter expected")
        at = after
    return Challenge(scheme.group().lower(), MappingProxyType(parameters))


def _parameter(text: str, at: int) -> tuple[str, str, int]:
    key = _TOKEN.match(text, at)
    if key is None:
        raise ValueError("parameter expected")
    at = _end(_SPACE, text, key.end())
    if not text.startswith("=", at):
        raise ValueError("parameter value missing")
    at = _end(_SPACE, text, at + 1)
    quoted = _QUOTED.match(text, at)
    if quoted is not None:
        value, at = re.sub(r"\\(.)", r"\1", quoted.group(1)), quoted.end()
    else:
        plain = _TOKEN.match(text, at)
        value, at = (plain.group(), plain.end()) if plain else ("", at)
    if not value:
        raise ValueError("parameter value missing")
    return key.group().lower(), value, at


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return found.end() if found else at
