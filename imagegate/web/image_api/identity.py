"""The user of a request to the API.

There is no log-in: only this machine may call, and the caller is the administrator unless the request impersonates
somebody (``kubectl --as``). Two callers on this machine may act for somebody else and are refused: a proxy, and a web
page in a browser.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from flask import Request

from imagegate.core.admission.request import User
from imagegate.core.kube.status import Status, StatusError
from imagegate.web.local_requests import (
    cross_origin_problem,
    header_names,
    header_spelling,
    is_local_name,
    is_loopback,
    proxy_header,
)

ADMINISTRATORS = "system:masters"
AUTHENTICATED = "system:authenticated"
UNAUTHENTICATED = "system:unauthenticated"
ANONYMOUS = "system:anonymous"
LOCAL_ADMINISTRATOR = User("system:admin", "", (ADMINISTRATORS, AUTHENTICATED))
_SERVICE_ACCOUNT = "system:serviceaccount:"
_SERVICE_ACCOUNTS = "system:serviceaccounts"

Identify: TypeAlias = Callable[[Request], User]
"""The user of a request; raises ``StatusError`` (401, 403) for one that may not call."""


def local_user(request: Request) -> User:
    """The administrator, or the user that the request impersonates; only from this machine.

    Raises:
        StatusError: 403, the request comes from elsewhere, through a proxy or from a web page, or impersonates a
            group without a user.
    """
    from_here = not request.remote_addr or is_loopback(request.remote_addr)  # none: a Unix socket
    if not from_here or not is_local_name(request.host):
        raise _refused("the image API has no log-in here, so it answers only this machine, by its loopback address")
    proxied = proxy_header(request)
    if proxied:
        raise _refused(
            f"the request has the header {proxied}: it came through a proxy, such as the API server's aggregation "
            "layer, which speaks for somebody else; the image API cannot tell for whom, since it has no "
            "request-header authentication, so it refuses such requests: call it directly on this machine "
            "(kubectl --server), or by kubectl port-forward, and do not register it as an APIService"
        )
    elsewhere = cross_origin_problem(request)
    if elsewhere:
        raise _refused(f"the image API answers no web pages: {elsewhere}")
    return _impersonated(request)


def _impersonated(request: Request) -> User:
    """The user of ``Impersonate-*``, with the groups that Kubernetes adds. Source: apiserver, impersonation filter."""
    name = request.headers.get("Impersonate-User", "").strip()
    if not name:
        given = next((header for header in header_names(request) if header.startswith("IMPERSONATE_")), "")
        if given and given != "IMPERSONATE_USER":
            raise _refused(
                f"the request has the header {header_spelling(given)} without Impersonate-User: "
                "say which user is meant, as kubectl --as USER --as-group GROUP does"
            )
        return LOCAL_ADMINISTRATOR
    # WSGI joins repeated headers with commas.
    listed = ",".join(request.headers.getlist("Impersonate-Group"))
    groups = [group.strip() for group in listed.split(",") if group.strip()]
    namespace, colon, _ = name.removeprefix(_SERVICE_ACCOUNT).partition(":")
    if not groups and colon and name.startswith(_SERVICE_ACCOUNT):
        groups = [_SERVICE_ACCOUNTS, f"{_SERVICE_ACCOUNTS}:{namespace}"]
    every = UNAUTHENTICATED if name == ANONYMOUS else AUTHENTICATED
    return User(name, request.headers.get("Impersonate-Uid", ""), tuple(dict.fromkeys((*groups, every))))


def _refused(why: str) -> StatusError:
    return StatusError(Status(code=403, reason="Forbidden", message=why))
