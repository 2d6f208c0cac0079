"""What is known from outside: found, absent, or unknown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """The answer. ``source`` says where it came from, for the trace ("store", "cache", a URL)."""

    value: T
    source: str = ""


@dataclass(frozen=True, slots=True)
class Absent:
    """There certainly is none (an API's 404). ``why`` is the sentence a user is shown.

    ``kind`` is the plural name of what is missing where that matters (``imagestreamtags`` means the
    stream exists and the tag does not, ``imagestreams`` that the stream does not).
    """

    why: str
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Unknown:
    """It could not be found out; never a permission. ``why`` is shown to the user.

    ``retryable``: asking again later may help (time-out, 5xx); false for a fixed refusal.
    """

    why: str
    retryable: bool = True


@dataclass(frozen=True, slots=True)
class OutOfTime(Unknown):
    """The review's deadline passed before there was an answer."""


Lookup: TypeAlias = Found[T] | Absent | Unknown
