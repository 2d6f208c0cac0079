"""Who calls the API.

On a machine of one's own there is no log-in: only that machine may call, and whoever calls is the administrator,
unless the request says on whose behalf it is made (``kubectl --as``).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import TypeAlias
from urllib.parse import urlsplit

from flask import Request

from imagegate.core.admission import User
from imagegate.core.api_status import StatusError
from imagegate.core.decision import Status

ADMINISTRATORS = "system:masters"
AUTHENTICATED = "system:authenticated"
LOCAL_ADMINISTRATOR = User("system:admin", "", (ADMINISTRATORS, AUTHENTICATED))
_LOCAL_NAMES = frozenset({"localhost", "localhost.localdomain"})

Identify: TypeAlias = Callable[[Request], User]
"""The user of a request; raises ``StatusError`` (401, 403) for one that may not call."""


def local_user(request: Request) -> User:
    """The administrator, or whom the request impersonates; only from this machine.

    Raises:
        StatusError: 403, the request comes from elsewhere, or was sent by a web page of another name.
    """
    from_here = _is_loopback(request.remote_addr or "") and _is_local_name(request.host)
    if not from_here or not _is_local_origin(request.headers.get("Origin", "")):
        status = Status(
            code=403,
            reason="Forbidden",
            message="the image API has no log-in here, so it answers only this machine, by its loopback address",
        )
        raise StatusError(status)
    name = request.headers.get("Impersonate-User", "")
    if not name:
        return LOCAL_ADMINISTRATOR
    groups = request.headers.getlist("Impersonate-Group")
    return User(name, request.headers.get("Impersonate-Uid", ""), (*groups, AUTHENTICATED))


def _is_local_origin(origin: str) -> bool:
    """Whether the page that made a browser send this, if any, is one of this machine."""
    return not origin or _is_local_name(urlsplit(origin).netloc)


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return not address  # a Unix socket


def _is_local_name(host: str) -> bool:
    name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
    name = name.strip("[]").lower()
    return bool(name) and (name in _LOCAL_NAMES or _is_loopback(name))
