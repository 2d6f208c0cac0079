"""Results of look-ups: found, absent, impossible, or unknown."""

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
    """It certainly does not exist (an API's 404). ``why`` is shown to the user.

    ``kind`` is the plural name of what is missing where that matters (``imagestreamtags`` means the
    stream exists and the tag does not, ``imagestreams`` that the stream does not).
    """

    why: str
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Impossible:
    """It cannot exist: the API refuses the name itself, for every caller at any time (a stream called ``a/b``).

    As certain as ``Absent``, but no 404: the original shows ``why`` where it loses a 404's text.
    """

    why: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """The look-up failed; never a permission. ``why`` is shown to the user.

    ``retryable``: a later attempt may succeed (time-out, 5xx); false where somebody must act first (a damaged
    store). The thing may exist or not; a name that cannot exist is ``Impossible``.
    """

    why: str
    retryable: bool = True


@dataclass(frozen=True, slots=True)
class DeadlineExceeded(Unknown):
    """The review's deadline passed before there was an answer."""


@dataclass(frozen=True, slots=True)
class Ambiguous(Unknown):
    """Several things match the question (409), and it is not known which one was meant."""


@dataclass(frozen=True, slots=True)
class Unlisted(Unknown):
    """No source has it, and no source claims to have all of its kind: it may exist elsewhere.

    The stricter reading applies. Not a failure: a denial for it would never end.
    """


Lookup: TypeAlias = Found[T] | Absent | Impossible | Unknown
