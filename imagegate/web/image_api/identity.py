"""The user of a request to the API.

There is no log-in: only this machine may call, and the caller is the administrator unless the request impersonates
somebody (``kubectl --as``). Two callers on this machine may act for somebody else and are refused: a proxy, and a web
page in a browser.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

from flask import Request

from imagegate.core.admission.request import User
from imagegate.core.kube.go_quote import go_quote
from imagegate.core.kube.status import Status, StatusError, bad_request
from imagegate.web.local_requests import (
    cross_origin_problem,
    header_names,
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
_EXTRA = "impersonate-extra-"

Identify: TypeAlias = Callable[[Request], User]
"""The user of a request; raises ``StatusError`` (401, 403) for one that may not call."""


def local_user(request: Request) -> User:
    """The administrator, or the user that the request impersonates; only from this machine.

    Raises:
        StatusError: 403, the request comes from elsewhere, through a proxy or from a web page; 400, it impersonates
            groups without a user.
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
        if any(header.startswith("IMPERSONATE_") and header != "IMPERSONATE_USER" for header in header_names(request)):
            raise StatusError(bad_request(f"requested {_go_user(request)} without impersonating a user name"))
        return LOCAL_ADMINISTRATOR
    groups = _listed(request.headers.getlist("Impersonate-Group"))
    namespace, colon, _ = name.removeprefix(_SERVICE_ACCOUNT).partition(":")
    if not groups and colon and name.startswith(_SERVICE_ACCOUNT):
        groups = [_SERVICE_ACCOUNTS, f"{_SERVICE_ACCOUNTS}:{namespace}"]
    every = UNAUTHENTICATED if name == ANONYMOUS else AUTHENTICATED
    return User(name, request.headers.get("Impersonate-Uid", ""), tuple(dict.fromkeys((*groups, every))))


def _go_user(request: Request) -> str:
    """The user of ``Impersonate-*`` headers without a name, as Go's ``%#v`` prints it."""
    groups = _listed(request.headers.getlist("Impersonate-Group"))
    named = sorted((name.lower(), value) for name, value in request.headers)
    extra = {name.removeprefix(_EXTRA): [value] for name, value in named if name.startswith(_EXTRA)}
    shown = ", ".join(f"{go_quote(key)}:[]string{{{_quoted(values)}}}" for key, values in extra.items())
    return (
        f'&user.DefaultInfo{{Name:"", UID:{go_quote(request.headers.get("Impersonate-Uid", ""))}, '
        f"Groups:[]string{f'{{{_quoted(groups)}}}' if groups else '(nil)'}, "
        f"Extra:map[string][]string{f'{{{shown}}}' if extra else '(nil)'}}}"
    )


def _quoted(values: Iterable[str]) -> str:
    return ", ".join(map(go_quote, values))


def _listed(values: Iterable[str]) -> list[str]:
    """The values of a repeated header, which WSGI joins with commas."""
    return [value.strip() for value in ",".join(values).split(",") if value.strip()]


def _refused(why: str) -> StatusError:
    return StatusError(Status(code=403, reason="Forbidden", message=why))
