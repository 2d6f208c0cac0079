"""Fields of recorded documents, with their types checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from imagegate.errors import InvalidInput


def text(parent: Mapping[str, Any], key: str) -> str:
    """A string; empty if it is absent.

    Raises:
        InvalidInput: it is something else.
    """
    value = parent.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidInput(f"{key}: expected a string")
    return value


def texts(parent: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """A list of strings; empty if it is absent.

    Raises:
        InvalidInput: it is something else.
    """
    value = parent.get(key) or ()
    if not isinstance(value, (list, tuple)) or not all(isinstance(each, str) for each in value):
        raise InvalidInput(f"{key}: expected a list of strings")
    return tuple(value)


def mapping(parent: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """An object; empty if it is absent.

    Raises:
        InvalidInput: it is something else.
    """
    value = parent.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidInput(f"{key}: expected an object")
    return value
