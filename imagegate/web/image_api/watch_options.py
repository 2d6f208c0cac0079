"""The options of a watch, and those of a list that only a watch may have.

Source: k8s.io/apimachinery ``pkg/apis/meta/internalversion/validation`` (0.34), with the feature WatchList.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from imagegate.core.kube import field_errors
from imagegate.core.kube.field_errors import FieldError
from imagegate.core.kube.go_quote import go_quote
from imagegate.core.kube.status import Status, StatusError, bad_request, invalid, no_version, too_large_version
from imagegate.ports.image_store import ImageStore
from imagegate.web.image_api.requests import is_true, is_version, read_number

DEFAULT_S = 1800
LONGEST_S = 3600
NOT_OLDER_THAN, EXACT = "NotOlderThan", "Exact"
_MATCH = "resourceVersionMatch"
_BOOLEAN = re.compile("1|t|T|TRUE|true|True|0|f|F|FALSE|false|False")


class WatchOptions(NamedTuple):
    """How a watch begins and ends."""

    since: str
    """The version whose changes come first; empty if the objects as they are come first."""
    lists_first: bool
    """True if all objects come first, as added."""
    marks_end_of_list: bool
    """True if a bookmark says that all of these were sent."""
    bookmarks: bool
    timeout_s: float


def read_watch_options(query: Mapping[str, str]) -> WatchOptions:
    """The options of a watch.

    Raises:
        StatusError: 400 or 422, they cannot be read or make no sense.
    """
    initial = _read_send_initial_events(query)
    match = query.get(_MATCH, "")
    errors: list[FieldError] = []
    if initial is not None and match != NOT_OLDER_THAN:
        why = f"sendInitialEvents requires setting resourceVersionMatch to {NOT_OLDER_THAN}"
        errors.append(field_errors.forbidden(_MATCH, why))
    if match:
        if initial is None:
            why = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
            errors.append(field_errors.forbidden(_MATCH, why))
        if match != NOT_OLDER_THAN:
            errors.append(field_errors.not_supported(_MATCH, match, (NOT_OLDER_THAN,)))
        if query.get("continue"):
            errors.append(field_errors.forbidden(_MATCH, "resourceVersionMatch is forbidden when continue is provided"))
    _refuse(errors)
    version = query.get("resourceVersion", "")
    if not is_version(version):
        raise StatusError(Status(code=500, reason="", message=no_version(version)))
    bookmarks = is_true(query.get("allowWatchBookmarks"))
    from_now = version in ("", "0")
    lists_first = initial if initial is not None else from_now
    timeout_s = min(read_number(query, "timeoutSeconds") or DEFAULT_S, LONGEST_S)
    since = "" if from_now else version
    return WatchOptions(since, lists_first, initial is True and bookmarks, bookmarks, timeout_s)


def check_list_options(query: Mapping[str, str], store: ImageStore) -> None:
    """Check the options of a list.

    Args:
        query: the parameters.
        store: has the objects.

    Raises:
        StatusError: 400 or 422; 504, the version was not reached yet.
    """
    read_number(query, "timeoutSeconds")
    match, version = query.get(_MATCH, ""), query.get("resourceVersion", "")
    errors: list[FieldError] = []
    if match:
        if not version:
            why = "resourceVersionMatch is forbidden unless resourceVersion is provided"
            errors.append(field_errors.forbidden(_MATCH, why))
        if query.get("continue"):
            errors.append(field_errors.forbidden(_MATCH, "resourceVersionMatch is forbidden when continue is provided"))
        if match not in (EXACT, NOT_OLDER_THAN):
            errors.append(field_errors.not_supported(_MATCH, match, (EXACT, NOT_OLDER_THAN, "")))
        if match == EXACT and version == "0":
            why = 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
            errors.append(field_errors.forbidden(_MATCH, why))
    if _read_send_initial_events(query) is not None:
        errors.append(field_errors.forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"))
    _refuse(errors)
    if not is_version(version):
        raise StatusError(bad_request(f"invalid resource version: {no_version(version)}"))
    if version and not store.knows(version):
        raise StatusError(too_large_version(version, store.version()))


def check_get_options(query: Mapping[str, str], store: ImageStore) -> None:
    """Check the options of a read of one object.

    Args:
        query: the parameters.
        store: has the objects.

    Raises:
        StatusError: 500, the version is none; 504, it was not reached yet.
    """
    version = query.get("resourceVersion", "")
    if not is_version(version):
        raise StatusError(Status(code=500, reason="", message=no_version(version)))
    if version and not store.knows(version):
        raise StatusError(too_large_version(version, store.version()))


def _read_send_initial_events(query: Mapping[str, str]) -> bool | None:
    """``sendInitialEvents``; None if it is not given.

    Raises:
        StatusError: 400, it is not a boolean.
    """
    text = query.get("sendInitialEvents", "")
    if not text:
        return None
    if _BOOLEAN.fullmatch(text) is None:
        raise StatusError(bad_request(f"sendInitialEvents: expected a boolean, got {go_quote(text)}"))
    return is_true(text)


def _refuse(errors: list[FieldError]) -> None:
    if errors:
        raise StatusError(invalid("ListOptions", "", errors, group="meta.k8s.io"))
