"""What is known from outside: found, absent, impossible, or unknown."""

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
class Impossible:
    """There can be none: the API refuses the very name, whoever asks and whenever (a stream called ``a/b``).

    As certain as ``Absent``, but no 404: the original shows ``why`` where it loses a 404's text.
    """

    why: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """It could not be found out; never a permission. ``why`` is shown to the user.

    ``retryable``: asking again later may help (time-out, 5xx); false where somebody must act first (a damaged
    store). Says nothing of whether there is one: what cannot exist is ``Impossible``.
    """

    why: str
    retryable: bool = True


@dataclass(frozen=True, slots=True)
class DeadlineExceeded(Unknown):
    """The review's deadline passed before there was an answer."""


@dataclass(frozen=True, slots=True)
class Ambiguous(Unknown):
    """Several things fit what was asked for (409): which of them was meant cannot be known."""


@dataclass(frozen=True, slots=True)
class Unlisted(Unknown):
    """No source has it, and none is known to have all of its kind: it may well exist elsewhere.

    What is stricter counts. Not a failure: denying for it would deny for ever.
    """


Lookup: TypeAlias = Found[T] | Absent | Impossible | Unknown
