"""``WWW-Authenticate`` headers: text in, challenges out.

Grammar: RFC 9110 section 11.6.1. A line may hold several challenges, each a scheme with either one token68 or
comma-separated ``key=value`` pairs of tokens or quoted strings; scheme and keys in any case. Texts of the errors:
docs/spec/enforcement.md 12.4.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from imagegate.core.kube.printable import printable
from imagegate.errors import Malformed

HEADER_MAX_LENGTH = 8192
_ANSWERED = frozenset({"bearer", "basic"})
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_TOKEN68 = re.compile(r"[0-9A-Za-z._~+/-]+=*(?=[ \t]*(?:,|$))")
_KEY = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+(?=[ \t]*=)")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_SPACE = re.compile(r"[ \t]*")
_SEPARATORS = re.compile(r"[ \t,]*")


@dataclass(frozen=True, slots=True)
class Challenge:
    """One challenge: ``scheme`` and keys in lower case, values as written."""

    scheme: str
    parameters: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Line:
    """One header line: its challenges up to the first fault; ``fault`` is empty if there is none."""

    challenges: tuple[Challenge, ...]
    fault: str = ""


def parse_challenges(headers: Iterable[str]) -> tuple[Challenge, ...]:
    """All challenges of the given header lines.

    Raises:
        Malformed: ``Unable to parse WWW-Authenticate header '...': ...``, for the first line with a fault.
    """
    found: list[Challenge] = []
    for header in headers:
        line = _read(header)
        if line.fault:
            raise _malformed(header, line.fault)
        found += line.challenges
    return tuple(found)


def readable_challenges(headers: Iterable[str]) -> tuple[Challenge, ...]:
    """The challenges of the given header lines, each as far as it can be read.

    A challenge keeps the parameters in front of a fault; the rest of its line is lost, other lines are not. Source:
    distribution/distribution, internal/client/auth/challenge; containers/image, docker/wwwauthenticate.go.

    Raises:
        Malformed: there is a fault, and no challenge in front of it or in another line.
    """
    found: list[Challenge] = []
    fault: Malformed | None = None
    for header in headers:
        line = _read(header)
        found += filter(_can_be_answered, line.challenges) if line.fault else line.challenges
        if line.fault and fault is None:
            fault = _malformed(header, line.fault)
    if fault is not None and not found:
        raise fault
    return tuple(found)


def _can_be_answered(challenge: Challenge) -> bool:
    return challenge.scheme != "bearer" or "realm" in challenge.parameters


def _malformed(header: str, fault: str) -> Malformed:
    shown = printable(header[:256], 2560)  # of 256 characters, as the original; escapes make it longer
    return Malformed(f"Unable to parse WWW-Authenticate header '{shown}': {fault}")


def _read(header: str) -> _Line:
    if len(header) > HEADER_MAX_LENGTH:
        return _Line((), "header too long")
    text = header.rstrip(" \t")
    found: list[Challenge] = []
    at = _end(_SEPARATORS, text, 0)
    while at < len(text) or not found:
        scheme = _TOKEN.match(text, at)
        if scheme is None:
            return _Line(tuple(found), "no auth-scheme found")
        name = scheme.group().lower()
        parameters, at, fault = _parameters(name, text, _end(_SPACE, text, scheme.end()))
        found.append(Challenge(name, MappingProxyType(parameters)))
        if fault:
            return _Line(tuple(found), fault)
    return _Line(tuple(found))


def _parameters(scheme: str, text: str, at: int) -> tuple[dict[str, str], int, str]:
    """Parameters from ``at`` on, the beginning of the next challenge, and a fault or an empty string."""
    parameters: dict[str, str] = {}
    opaque = _TOKEN68.match(text, at) if scheme not in _ANSWERED else None
    if opaque is not None:
        return parameters, _end(_SEPARATORS, text, opaque.end()), ""
    is_first = True
    while at < len(text):
        if not is_first and _KEY.match(text, at) is None and _TOKEN.match(text, at) is not None:
            return parameters, at, ""  # a scheme
        if is_first and text.startswith(",", at):
            return parameters, _end(_SEPARATORS, text, at), ""
        try:
            key, value, at = _parameter(text, at)
        except ValueError as error:
            return parameters, at, str(error)
        parameters.setdefault(key, value)  # a repeated key must not change what was already said
        is_first, after = False, _end(_SEPARATORS, text, at)
        if after < len(text) and "," not in text[at:after]:
            return parameters, at, "parameter expected"
        at = after
    return parameters, at, ""


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
