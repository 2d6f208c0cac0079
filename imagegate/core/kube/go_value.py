"""Values as Go's ``%v`` prints them, for messages of Kubernetes' own that have them."""

from __future__ import annotations

from typing import Any

PRINTED_MAX_LENGTH = 10_000


def go_value(value: Any) -> str:
    """A value of JSON as Go's ``fmt`` prints an ``interface{}``: maps by their keys, strings without quotes.

    Longer ones are cut: the value may be of a client's making.
    """
    return _printed(value)[:PRINTED_MAX_LENGTH]


def _printed(value: Any) -> str:
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return f"map[{' '.join(f'{key}:{_printed(value[key])}' for key in sorted(value))}]"
    if isinstance(value, list):
        return f"[{' '.join(map(_printed, value))}]"
    return str(value)
