"""Records of decisions as rows of the console's table, and the filter of the table."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

_DIGEST = re.compile(r"(sha256:[0-9a-f]{12})[0-9a-f]{52}")
FIELD_MAX = 512
"""Longest value of a filter, in characters."""


class Row(NamedTuple):
    """One decision of a plug-in, for the table."""

    id: str
    """The same wherever the decision is shown, so that a page shows it once."""
    key: str
    """Names the record in the address of its page."""
    time: str
    verdict: str
    plugin: str
    namespace: str
    what: str
    user: str
    why: str
    images: str
    """Denied images, and digests that images were changed to."""


class Filter(NamedTuple):
    """The rows to show; an empty field does not matter."""

    verdict: str = ""
    plugin: str = ""
    namespace: str = ""
    image: str = ""
    """A part of an image's name."""

    @classmethod
    def of(cls, arguments: Mapping[str, str]) -> Filter:
        """The filter in the query of an address."""
        return cls(*(arguments.get(name, "").strip()[:FIELD_MAX] for name in cls._fields))

    def matches(self, row: Row) -> bool:
        """True if the row is to be shown. ``live.js`` does the same with new rows."""
        return (
            self.verdict in ("", row.verdict)
            and self.plugin in ("", row.plugin)
            and self.namespace in ("", row.namespace)
            and (not self.image or self.image in row.images)
        )


def rows_of(record: Mapping[str, Any]) -> list[Row]:
    """A row for every plug-in that decided."""
    what = " ".join(filter(None, (record["operation"].lower(), record["resource"], record["name"])))
    identity, key = record_id(record), record_key(record)
    return [
        Row(
            id=f"{identity} {number}",
            key=key,
            time=record["time"][11:19],
            verdict=each["verdict"],
            plugin=each["plugin"],
            namespace=record["namespace"],
            what=what,
            user=record["user"],
            why=_DIGEST.sub(r"\1…", _why(each)),
            images=" ".join((*each.get("images", ()), *(place["to"] for place in each.get("rewrites", ())))),
        )
        for number, each in enumerate(record["decisions"])
    ]


def _why(part: Mapping[str, Any]) -> str:
    """The first reason of a denial, else the rules that decided."""
    denials = part.get("denials", ())
    if denials:
        image = denials[0].get("image", "")
        return f"{image}: {denials[0]['because']}" if image else denials[0]["because"]
    changed = [place["to"] for place in part.get("rewrites", ())]
    return ", ".join((*part.get("rules", ()), *part.get("softened", ()), *changed))


def record_id(record: Mapping[str, Any]) -> str:
    """The identity of a record among all others.

    The API server asks about one request more than once, and two of its questions may be answered in one millisecond:
    so the time that the answer took, in microseconds, is a part of it.
    """
    return f"{record['time']} {record['uid']} {record['phase']} {record['user']} {record['milliseconds']}"


def record_key(record: Mapping[str, Any]) -> str:
    """A short name of the record, for an address."""
    return hashlib.sha256(record_id(record).encode("utf-8", "backslashreplace")).hexdigest()[:20]
