"""Times as Go's ``time.Parse(time.RFC3339, ...)`` reads them."""

from __future__ import annotations

import re
from datetime import datetime

from imagegate.core.kube.go_quote import go_quote

_LAYOUT = "2006-01-02T15:04:05Z07:00"
_PARTS = (
    ("2006", r"\d{4}"),
    ("-", "-"),
    ("01", r"\d\d"),
    ("-", "-"),
    ("02", r"\d\d"),
    ("T", "T"),
    ("15", r"\d\d"),
    (":", ":"),
    ("04", r"\d\d"),
    (":", ":"),
    ("05", r"\d\d(?:[.,]\d+)?"),
    ("Z07:00", r"Z|[+-]\d\d:\d\d"),
)


def time_error(text: str) -> str:
    """The message for a string that is no RFC 3339 time; empty if it is one."""
    rest = text
    for layout, pattern in _PARTS:
        found = re.match(pattern, rest, re.ASCII)
        if found is None:
            what = f"parsing time {go_quote(text)} as {go_quote(_LAYOUT)}"
            return f"{what}: cannot parse {go_quote(rest)} as {go_quote(layout)}"
        rest = rest[found.end() :]
    if rest:
        return f"parsing time {go_quote(text)}: extra text: {go_quote(rest)}"
    try:
        datetime.fromisoformat(re.sub(r"[.,]\d+", "", text))
    except ValueError:
        return f"parsing time {go_quote(text)}: {_out_of_range(text)} out of range"
    return ""


def _out_of_range(text: str) -> str:
    month, hour, minute, second = int(text[5:7]), int(text[11:13]), int(text[14:16]), int(text[17:19])
    wrong = (
        ("month", not 1 <= month <= 12),
        ("hour", hour > 23),
        ("minute", minute > 59),
        ("second", second > 59),
    )
    return next((name for name, is_wrong in wrong if is_wrong), "day")
