"""What tells a request of this machine's user from one that a proxy passes on or a web page makes a browser send."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from urllib.parse import urlsplit

from werkzeug.wrappers import Request

_LOCAL_NAMES = frozenset({"localhost", "localhost.localdomain"})
_DEFAULT_PORTS = {"http": 80, "https": 443}
_OWN_SITES = frozenset({"same-origin", "none"})
"""Values of ``Sec-Fetch-Site`` for a page of ours, and for an address typed by hand (Fetch Metadata)."""

_SPEAKS_FOR = ("X_REMOTE", "X_FORWARDED", "X_ORIGINAL_FORWARDED", "X_ENVOY_EXTERNAL", "X_PROXYUSER")
"""Beginnings of headers by which a proxy says for whom it speaks."""
_SPEAKS_FOR_WHOLE = frozenset(
    {
        "FORWARDED",
        "VIA",
        "X_REAL_IP",
        "X_CLIENT_IP",
        "X_CLUSTER_CLIENT_IP",
        "CLIENT_IP",
        "TRUE_CLIENT_IP",
        "CF_CONNECTING_IP",
    }
)


def cross_origin_problem(request: Request) -> str:
    """Why the request looks as if a web page of another origin had made a browser send it; empty if it does not.

    The origin is compared whole: another port of this machine is another program, with pages of its own. Browsers
    send ``Origin`` with every request that may change something, ``Sec-Fetch-Site`` with all, and pages can set
    neither. Clients that are no browsers send none.
    """
    sites = request.headers.getlist("Sec-Fetch-Site")
    if any(site.strip().lower() not in _OWN_SITES for site in sites):
        return f"a page of another origin made the browser send this (Sec-Fetch-Site: {', '.join(sites)})"
    origins = request.headers.getlist("Origin")
    own = _origin(f"{request.scheme}://{request.host}")
    if any(own is None or _origin(origin) != own for origin in origins):
        return f"the request was sent by a page of {', '.join(origins) or 'no origin'}, not by one of this server"
    return ""


def proxy_header(request: Request) -> str:
    """A header by which a proxy says that it speaks for somebody else; empty if there is none."""
    for name in header_names(request):
        if name.startswith(_SPEAKS_FOR) or name in _SPEAKS_FOR_WHOLE:
            return header_spelling(name)
    return ""


def header_names(request: Request) -> Iterator[str]:
    """Names of headers as WSGI has them: capitals, ``_`` for ``-`` and for ``_``, which some servers let through."""
    return (key[5:].upper().replace("-", "_") for key in request.environ if key[:5].upper() == "HTTP_")


def header_spelling(name: str) -> str:
    """``X_REMOTE_USER`` as ``X-Remote-User``."""
    return "-".join(part.capitalize() for part in name.split("_"))


def is_loopback(address: str) -> bool:
    """Whether an IP address is one of this machine's own."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def is_local_name(host: str) -> bool:
    """Whether a ``Host`` header names this machine, with or without a port: no page elsewhere can lend us its name."""
    name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
    name = name.strip("[]").lower()
    return bool(name) and (name in _LOCAL_NAMES or is_loopback(name))


def _origin(text: str) -> tuple[str, str, int] | None:
    """Scheme, host and port of ``SCHEME://HOST[:PORT]``; None for anything else, such as ``null``."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or parts.username is not None:
        return None
    if parts.path or parts.query or parts.fragment:
        return None
    return parts.scheme, parts.hostname.lower(), port or _DEFAULT_PORTS[parts.scheme]
