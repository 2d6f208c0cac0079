"""Events of the cluster: short notes about an object, for those who look at it."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol


class ObjectReference(NamedTuple):
    """An object in a namespace."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """The news about one object. The same event may be told again and again: then only its count rises."""

    regarding: ObjectReference
    related: ObjectReference | None
    key: str
    """Tells it from other events about the same object; the same in every process."""
    reason: str
    note: str
    annotations: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Occurrences:
    """How often an event occurred since it was told last."""

    count: int
    first: datetime
    last: datetime


class Writing(enum.StrEnum):
    """The result of telling an event."""

    WRITTEN = "written"
    REFUSED = "refused"
    """The API server does not take it; trying again does not help."""
    UNANSWERED = "unanswered"
    """No answer, or one that says that the server cannot serve now."""


class Events(Protocol):
    """Tells events. Never raises for errors outside."""

    def tell(self, event: Event, occurrences: Occurrences, *, again: bool, deadline_s: float) -> tuple[Writing, str]:
        """Write an event, or raise the count of the one that is there; the result, and why it failed.

        Args:
            again: this process has told it before.
            deadline_s: seconds for everything.
        """
