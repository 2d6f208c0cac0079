"""Records of decisions as rows of the console's table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Row(NamedTuple):
    """One decision of a plug-in, for the table."""

    id: str
    """The same wherever the decision is shown, so that a page shows it once."""
    time: str
    verdict: str
    plugin: str
    namespace: str
    what: str
    user: str
    detail: str
    image: str


def rows_of(record: Mapping[str, Any]) -> list[Row]:
    """A row for every plug-in that decided."""
    what = " ".join(filter(None, (record["operation"].lower(), record["resource"], record["name"])))
    found = []
    for number, each in enumerate(record["decisions"]):
        images = each.get("images", ())
        row = Row(
            id=f"{record_id(record)} {number}",
            time=record["time"][11:19],
            verdict=each["verdict"],
            plugin=each["plugin"],
            namespace=record["namespace"],
            what=what,
            user=record["user"],
            detail=", ".join((*each.get("codes", ()), *each.get("rules", ()), *images)),
            image=images[0] if images else "",
        )
        found.append(row)
    return found


def record_id(record: Mapping[str, Any]) -> str:
    """What tells a record from all others.

    The API server asks about one request more than once, and two of its questions may be answered in one millisecond:
    so the time that the answer took, in microseconds, is a part of it.
    """
    return f"{record['time']} {record['uid']} {record['phase']} {record['user']} {record['milliseconds']}"
