"""The values of a replay: a request as it was recorded, and its verdict then or now."""

from __future__ import annotations

import enum
from typing import NamedTuple

from imagegate.core.admission.request import AdmissionRequest


class Word(enum.StrEnum):
    """One request's verdict in one word."""

    ALLOWED = "allowed"
    REWRITTEN = "rewritten"
    DENIED = "denied"
    UNKNOWN = "unknown"
    """Denied only because something could not be looked up."""
    NOT_COVERED = "not covered"
    NOT_RECORDED = "not recorded"


class Reason(NamedTuple):
    """One reason of a denial. Fields are empty where they are not known."""

    plugin: str = ""
    code: str = ""
    rule: str = ""
    image: str = ""
    because: str = ""


class Judged(NamedTuple):
    """A verdict with its reasons."""

    word: Word
    reasons: tuple[Reason, ...] = ()
    """Those of denials in mode ``enforce``."""
    rewrites: tuple[tuple[str, str], ...] | None = None
    """JSON Pointer and new value of each change; None: not recorded."""


NOTHING_RECORDED = Judged(Word.NOT_RECORDED)


class Recorded(NamedTuple):
    """A request that can be decided again, and the verdict on it then."""

    request: AdmissionRequest
    """A request of the mutating pass."""
    then: Judged = NOTHING_RECORDED


class NotReplayable(NamedTuple):
    """A record of a change that does not hold what a decision needs."""

    why: str
    """One of few sentences: they are counted."""


class NoChange(NamedTuple):
    """A record of something that admission does not decide, such as a read or another log line."""

    why: str
    """One of few sentences: they are counted."""


Entry = Recorded | NotReplayable | NoChange
