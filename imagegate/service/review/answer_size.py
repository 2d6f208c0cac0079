"""Limits of the size of a response.

An object with thousands of forbidden images is denied once. Clients print every cause of an ``Invalid`` status, events
hold 1 KiB of a message, and an API server passes both on as they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from imagegate.core.kube.status import Cause, Status

CAUSES_MAX = 50
"""Causes in a Status; if there are more, the last one gives the number left out."""
PLACES_MAX = 10
"""Causes with the same message, if there are too many."""
CAUSE_MAX_BYTES = 2048
MESSAGE_MAX_BYTES = 16 * 1024
NAME_MAX_BYTES = 512
ANNOTATION_MAX_BYTES = 10 * 1024
"""Bytes of one audit annotation. A response has a few, and an API server accepts 256 KiB in all."""

_FORBIDDEN = "Forbidden: "


def bounded_status(status: Status, denials: int) -> Status:
    """``status`` within the limits; ``denials`` is the number of denials it reports."""
    counted = f" ({denials:,} denials in all)" if denials > 1 else ""
    message = cut(status.message, MESSAGE_MAX_BYTES, counted)
    name = cut(status.name, NAME_MAX_BYTES)
    causes = _bounded_causes(status.causes)
    if (message, name, causes) == (status.message, status.name, status.causes):
        return status
    return replace(status, message=message, name=name, causes=causes)


def joined(texts: Iterable[str]) -> str:
    """The value of one audit annotation: strings joined, cut off at the limit."""
    listed = tuple(texts)
    return cut("; ".join(listed), ANNOTATION_MAX_BYTES, f" ({len(listed):,} in all)" if len(listed) > 1 else "")


def cut(text: str, most: int, end: str = "") -> str:
    """``text`` in at most ``most`` bytes of UTF-8; what is cut off ends in ``…`` and ``end``."""
    if len(text) * 4 <= most:
        return text
    encoded = text.encode("utf-8", "replace")
    if len(encoded) <= most:
        return text
    end = f"…{end}"
    return encoded[: most - len(end.encode())].decode("utf-8", "ignore") + end


def _bounded_causes(causes: Sequence[Cause]) -> tuple[Cause, ...]:
    if len(causes) <= CAUSES_MAX:
        return tuple(map(_cut_cause, causes))
    shown: list[Cause] = []
    places: Counter[tuple[str, str]] = Counter()
    left_out: Cause | None = None
    for cause in causes:
        text = cause.reason, cause.message
        places[text] += 1
        if len(shown) < CAUSES_MAX - 1 and places[text] <= PLACES_MAX:
            shown.append(_cut_cause(cause))
        elif left_out is None:
            left_out = cause
    assert left_out is not None  # noqa: S101 - there are more than are shown
    prefix = _FORBIDDEN if left_out.message.startswith(_FORBIDDEN) else ""
    field = left_out.field.partition(".")[0].partition("[")[0]
    shown.append(Cause(left_out.reason, f"{prefix}and {len(causes) - len(shown):,} more", cut(field, NAME_MAX_BYTES)))
    return tuple(shown)


def _cut_cause(cause: Cause) -> Cause:
    message, field = cut(cause.message, CAUSE_MAX_BYTES), cut(cause.field, NAME_MAX_BYTES)
    return cause if (message, field) == (cause.message, cause.field) else Cause(cause.reason, message, field)
