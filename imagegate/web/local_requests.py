"""Tells requests of this machine's user from those that a proxy forwards or that a web page makes a browser send.

Without log-in, an address of this machine is all that identifies an administrator. Both a proxy and a browser on this
machine send from it on behalf of somebody else.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from urllib.parse import urlsplit

from werkzeug.wrappers import Request

_LOCAL_NAMES = frozenset({"localhost", "localhost.localdomain"})
_DEFAULT_PORTS = {"http": 80, "https": 443}
_OWN_SITES = frozenset({"same-origin", "none"})
"""Values of ``Sec-Fetch-Site`` for our own pages and for a URL typed by hand (W3C Fetch Metadata)."""

_PROXY_PREFIXES = ("X_REMOTE", "X_FORWARDED", "X_ORIGINAL_FORWARDED", "X_ENVOY_EXTERNAL", "X_PROXYUSER")
"""Beginnings of the headers in which proxies name the client they forward for."""
_PROXY_HEADERS = frozenset(
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
    """Why the request seems to be sent by a web page of another origin; empty if it does not.

    Scheme, host and port are compared: another port of this machine is another program with pages of its own.
    Browsers send ``Origin`` with every request that may change something and ``Sec-Fetch-Site`` with all; pages can set
    neither. Clients that are not browsers send neither.
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
    """The first header in which a proxy names the client it forwards for; empty if there is none."""
    for name in header_names(request):
        if name.startswith(_PROXY_PREFIXES) or name in _PROXY_HEADERS:
            return header_spelling(name)
    return ""


def header_names(request: Request) -> Iterator[str]:
    """Header names as WSGI spells them, in capitals with ``_``. A dash that a server let through becomes ``_`` too."""
    return (key[5:].upper().replace("-", "_") for key in request.environ if key[:5].upper() == "HTTP_")


def header_spelling(name: str) -> str:
    """The usual spelling of a header: ``X_REMOTE_USER`` as ``X-Remote-User``."""
    return "-".join(part.capitalize() for part in name.split("_"))


def is_loopback(address: str) -> bool:
    """True if the IP address is this machine's own."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def is_local_name(host: str) -> bool:
    """True if a ``Host`` header names this machine, with or without a port.

    A page whose host name was pointed at 127.0.0.1 (DNS rebinding) sends that name, and is refused by this.
    """
    name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
    name = name.strip("[]").lower()
    return bool(name) and (name in _LOCAL_NAMES or is_loopback(name))


def _origin(value: str) -> tuple[str, str, int] | None:
    """Scheme, host and port of ``SCHEME://HOST[:PORT]``; None for anything else, such as ``null``."""
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or parts.username is not None:
        return None
    if parts.path or parts.query or parts.fragment:
        return None
    return parts.scheme, parts.hostname.lower(), port or _DEFAULT_PORTS[parts.scheme]
