"""Proxies: which one a request takes, and which hosts take none.

Rules of Go's clients (golang.org/x/net/http/httpproxy), which the container runtimes of a cluster follow: one proxy for
each scheme, a list of exceptions, and never a proxy for this machine. Beyond them, names inside a cluster take none
unless the settings say so.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from urllib.parse import unquote, urlsplit

from imagegate.core.kube.printable import printable
from imagegate.core.registry.egress import host_address, join_host_port, split_host_port
from imagegate.core.registry.special_addresses import Network
from imagegate.errors import Malformed

_CLUSTER_ENDINGS = (".svc", ".cluster.local")
_INTERNAL_ENDINGS = (*_CLUSTER_ENDINGS, ".local", ".localhost", ".internal", ".home.arpa")
_DEFAULT_PORT = 80
"""Of a proxy's URL."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy. ``authorization`` is the value of ``Proxy-Authorization``; empty: none."""

    host: str
    port: int
    authorization: str = field(default="", repr=False)

    @property
    def shown(self) -> str:
        """``HOST:PORT``."""
        return join_host_port(self.host, self.port)

    @classmethod
    def of(cls, text: str) -> Proxy:
        """From ``[http://][USER:PASSWORD@]HOST[:PORT]``, the parts of the user escaped as in URLs.

        Raises:
            ValueError: not of this form. The text of the error holds no password.
        """
        try:
            parts = urlsplit(text if "://" in text else f"http://{text}")
            user, at, place = parts.netloc.rpartition("@")
            host, port = split_host_port(place)
        except (ValueError, Malformed):
            raise ValueError("is not the URL of a proxy") from None
        if parts.scheme != "http":
            raise ValueError(f"proxies are contacted by http:// only, not by {printable(parts.scheme, 20)}://")
        if parts.path not in {"", "/"} or parts.query or parts.fragment:
            raise ValueError("the URL of a proxy has no path")
        name, _, password = user.partition(":")
        return cls(host, port or _DEFAULT_PORT, _basic(unquote(name), unquote(password)) if at else "")

    def with_credentials(self, text: str) -> Proxy:
        """This proxy with ``USER:PASSWORD``."""
        user, _, password = text.strip("\r\n").partition(":")
        return Proxy(self.host, self.port, _basic(user, password))


def _basic(user: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


@dataclass(frozen=True, slots=True)
class Exceptions:
    """Hosts that take no proxy, as ``NO_PROXY`` names them.

    Attributes:
        everything: ``*``.
        names: ending, ``.corp`` for hosts below it, and port (None: all); ``corp`` itself is among ``hosts``.
        hosts: names and addresses, and port.
        networks: of hosts that are addresses; names are not looked up for them.
    """

    everything: bool = False
    names: frozenset[tuple[str, int | None]] = frozenset()
    hosts: frozenset[tuple[str, int | None]] = frozenset()
    networks: tuple[Network, ...] = ()

    @classmethod
    def of(cls, texts: Iterable[str]) -> Exceptions:
        """From ``*``, ``corp`` (with all below), ``.corp`` and ``*.corp`` (only below), addresses, CIDR, ``HOST:PORT``.

        Raises:
            ValueError: a network or a host that is none.
        """
        names: set[tuple[str, int | None]] = set()
        hosts: set[tuple[str, int | None]] = set()
        networks: list[Network] = []
        everything = False
        for text in filter(None, (each.strip().lower() for each in texts)):
            if text == "*":
                everything = True
            elif "/" in text:
                networks.append(ip_network(text, strict=False))
            else:
                host, port = _host(text.removeprefix("*").removeprefix("."), text)
                if host_address(host) is None:
                    names.add((f".{host}", port))
                if not text.startswith(("*", ".")):
                    hosts.add((host, port))
        return cls(everything, frozenset(names), frozenset(hosts), tuple(networks))

    def cover(self, host: str, port: int) -> bool:
        """True if a canonical host takes no proxy."""
        if self.everything or not self.hosts.isdisjoint({(host, None), (host, port)}):
            return True
        address = host_address(host)
        if address is not None:
            return any(address in network for network in self.networks)
        return any(host.endswith(ending) and of_port in {None, port} for ending, of_port in self.names)


def _host(text: str, shown: str) -> tuple[str, int | None]:
    try:
        return split_host_port(text)
    except Malformed:
        raise ValueError(f"'{printable(shown, 100)}' is not a host, an address or a network") from None


@dataclass(frozen=True, slots=True)
class ProxyRules:
    """The proxies of requests.

    Attributes:
        https: for HTTPS; None: none.
        http: for plain HTTP.
        exceptions: hosts that take none.
        cluster_internal: names inside a cluster (``.svc``, ``.cluster.local``) take one as well.
        resolved_here: names are looked up here, and the proxy is asked for an address that was judged. False: the
            proxy looks names up, and only names are judged here.
    """

    https: Proxy | None = None
    http: Proxy | None = None
    exceptions: Exceptions = field(default_factory=Exceptions)
    cluster_internal: bool = False
    resolved_here: bool = True

    def proxy(self, scheme: str, host: str, port: int) -> Proxy | None:
        """The proxy for a canonical host; None: the request goes there itself."""
        found = self.https if scheme == "https" else self.http
        if found is None or _is_this_machine(host) or self.exceptions.cover(host, port):
            return None
        return None if not self.cluster_internal and _is_in_cluster(host) else found


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_in_cluster(host: str) -> bool:
    return host.endswith(_CLUSTER_ENDINGS)


def is_internal_name(host: str) -> bool:
    """True for a name that public DNS does not have: one label, or an ending for private use."""
    return host_address(host) is None and ("." not in host or host.endswith(_INTERNAL_ENDINGS))
