"""Times of expiry: RFC 3339 with any offset and up to nine digits of a second, and the original's way to print them."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)", re.ASCII)
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def read_expires(text: str) -> datetime | None:
    """The time, cut to microseconds; None for another form, no such day, or one that is beyond UTC's years."""
    if _RFC3339.fullmatch(text) is None:
        return None
    try:
        time = datetime.fromisoformat(text)
        time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return time


def print_expires(time: datetime) -> str:
    """As Go's layout ``Mon Jan 2 15:04:05 MST 2006`` prints it; a zone without a name is its offset."""
    zone = "UTC" if not time.utcoffset() else f"{time:%z}"
    return f"{_DAYS[time.weekday()]} {_MONTHS[time.month - 1]} {time.day} {time:%H:%M:%S} {zone} {time.year:04}"
