"""Connections to permitted addresses only, and for a bounded time.

Image names, token realms and redirects are chosen by other people, so a name is resolved here, every address is judged
by ``core.registry.egress``, and the connection goes to an address that was judged: no second look-up in between (DNS
rebinding). An open connection is checked again for every request that is sent over it, by the address of its
other end, because another server's answer may have sent us to where only images may lead.

Time: ``deadline(at)`` bounds all reads and writes of this thread's connections until ``at``, however slowly a server
sends its bytes; a time-out for each read would let it send one byte at a time for ever.
"""

from __future__ import annotations

import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from typing import Any, TypeAlias

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util.retry import Retry

from imagegate.adapters.http.go_words import dialed
from imagegate.adapters.http.name_resolver import NameResolver
from imagegate.adapters.http.tls import TlsContexts
from imagegate.adapters.http.tunnel import TunnelFailed, open_tunnel
from imagegate.core.registry.egress import AddressPolicy, Sender, host_address, join_host_port, read_url
from imagegate.core.registry.proxies import Proxy, ProxyRules, is_internal_name
from imagegate.core.registry.special_addresses import Address
from imagegate.errors import Refused, Unreachable

Resolver: TypeAlias = Callable[[str, int], list[Address]]

_TUNNELS_MAX = 3

_state = threading.local()


@dataclass(frozen=True, slots=True)
class Route:
    """Address rules of one request, and the server whose answer it follows; None: no server's."""

    policy: AddressPolicy
    sender: Sender | None = None

    def permits(self, host: str, port: int, address: Address) -> bool:
        """True if the request may be sent to ``host`` at ``address``."""
        if self.sender is None:
            return self.policy.permits(host, port, address)
        return self.policy.permits_from(self.sender, host, port, address)

    def refusal(self, host: str, addresses: list[Address]) -> Refused:
        """Why it may not."""
        shown = ", ".join(map(str, addresses)) or "no address"
        if self.sender is None:
            why = f"{host} has an address that may not be connected to ({shown}); see registry.allowPrivateAddresses"
        else:
            why = (
                f"{self.sender.origin.authority} leads to {host} ({shown}), which is not permitted; see"
                " registry.allowPrivateAddresses"
            )
        return Refused(why)


@contextmanager
def routed(route: Route, met: list[frozenset[Address]]) -> Iterator[None]:
    """Send this thread's requests by ``route``.

    ``met`` grows by one entry a request, when it is about to be sent: the permitted addresses of the server.
    """
    before = getattr(_state, "routed", None)
    _state.routed = (route, met)
    try:
        yield
    finally:
        _state.routed = before


@contextmanager
def deadline(at: float) -> Iterator[None]:
    """Bound this thread's network input and output until ``at`` (of ``time.monotonic``)."""
    before = getattr(_state, "deadline", None)
    _state.deadline = at if before is None else min(at, before)
    try:
        yield
    finally:
        _state.deadline = before


def _remaining(most_s: float | None = None) -> float | None:
    """Seconds left of the deadline, at most ``most_s``; None without either. TimeoutError once it has passed."""
    at = getattr(_state, "deadline", None)
    if at is None:
        return most_s
    left = float(at - time.monotonic())
    if left <= 0:
        raise TimeoutError("deadline exceeded")
    return left if most_s is None else min(left, most_s)


class _DeadlineSocket(socket.socket):
    """Every read waits no longer than what is left of the deadline."""

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        left = _remaining()
        if left is not None:
            self.settimeout(left)
        return super().recv_into(*args, **kwargs)


class DeadlineTlsSocket(ssl.SSLSocket):
    """Every read waits no longer than what is left of the deadline."""

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        """See ``socket.recv_into``."""
        left = _remaining()
        if left is not None:
            self.settimeout(left)
        return super().recv_into(*args, **kwargs)


@lru_cache(maxsize=1)
def _resolver(_process: int) -> NameResolver:
    """A forked worker needs its own: threads do not survive a fork."""
    return NameResolver()


def resolve(host: str, port: int) -> list[Address]:  # noqa: ARG001 - a ``Resolver``; names have no ports
    """Addresses of a host, in the resolver's order, within the thread's deadline.

    Raises:
        Unreachable: unknown, or no answer in time.
    """
    address = host_address(host)
    return [address] if address is not None else _resolver(os.getpid()).resolve(host, within_s=_remaining())


def connect(
    policy: AddressPolicy, host: str, port: int, timeout_s: float | None, *, resolve: Resolver = resolve
) -> socket.socket:
    """A connected socket to a permitted address of ``host``, which no server's answer has named.

    Raises:
        Refused: no address of the host is permitted.
        Unreachable: no name, or no connection.
    """
    return _connect_to(_permitted(Route(policy), host, port, resolve), host, port, timeout_s)


def _permitted(route: Route, host: str, port: int, resolve: Resolver) -> list[Address]:
    """The addresses of ``host`` that may be connected to.

    Raises:
        Refused: no address is permitted.
        Unreachable: no name.
    """
    bare = host.strip("[]")
    literal = host_address(bare)
    addresses = resolve(bare, port) if literal is None else [literal]
    permitted = [address for address in addresses if route.permits(bare, port, address)]
    if not permitted:
        raise route.refusal(host, addresses)
    return permitted


def _connect_to(addresses: list[Address], host: str, port: int, timeout_s: float | None) -> socket.socket:
    trouble: OSError | None = None
    in_go = ""
    for address in addresses:
        sock = _DeadlineSocket(socket.AF_INET if address.version == 4 else socket.AF_INET6, socket.SOCK_STREAM)
        try:
            sock.settimeout(_remaining(timeout_s))
            sock.connect((str(address), port))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            sock.close()
            trouble, in_go = error, dialed(join_host_port(str(address), port), error)
        else:
            return sock
    raise Unreachable(f"cannot connect to {host}:{port}: {trouble}", in_go=in_go) from trouble


class _CheckedPoolManager(PoolManager):
    """Makes connections that obey one ``AddressPolicy``."""

    def __init__(self, dialer: Dialer, *, verified: bool, **pool_kwargs: Any) -> None:
        super().__init__(**pool_kwargs)
        self.pool_classes_by_scheme = _pool_classes(dialer, verified=verified)


@dataclass(frozen=True, slots=True)
class Dialer:
    """How connections are made: the rules of requests that are not ``routed``, names to addresses, and proxies."""

    policy: AddressPolicy
    resolver: Resolver
    proxies: ProxyRules


class _Checked:
    """Common to both kinds of connections: connect to a permitted address, and check it again before every request."""

    def __init__(self, dialer: Dialer, scheme: str) -> None:
        self._dialer = dialer
        self._scheme = scheme
        self._addresses: frozenset[Address] = frozenset()
        self._proxy: Proxy | None = None
        self._beyond: Address | None = None
        """The other end of a tunnel; None where the proxy looked the name up."""

    def connect(self, host: str, port: int, timeout: object) -> socket.socket:
        """A new connection."""
        seconds = _seconds(timeout)
        bare = host.strip("[]")
        self._proxy = self._dialer.proxies.proxy(self._scheme, bare, port)
        if self._proxy is not None and not self._dialer.proxies.resolved_here and host_address(bare) is None:
            self._addresses, self._beyond = frozenset(), None
            self._check_name(host, port)
            return self._tunnel(self._proxy, join_host_port(bare, port), seconds)
        permitted = _permitted(self._route()[0], host, port, self._dialer.resolver)
        self._addresses = frozenset(permitted)
        if self._proxy is None:
            return _connect_to(permitted, host, port, seconds)
        return self._tunnel_to(self._proxy, permitted, port, seconds)

    def check(self, sock: socket.socket, host: str, port: int) -> None:
        """Check the other end of a connection, new or reused, before a request is sent.

        Raises:
            Refused: it is not permitted.
            OSError: the connection has ended.
        """
        route, met = self._route()
        if self._proxy is not None and self._beyond is None:
            self._check_name(host, port)
        else:
            peer = self._beyond or ip_address(str(sock.getpeername()[0]).partition("%")[0])
            if not route.permits(host, port, peer):
                raise route.refusal(host, [peer])
        met.append(self._addresses)

    def _check_name(self, host: str, port: int) -> None:
        """The check where only the proxy knows the address. Raises ``Refused``."""
        route = self._route()[0]
        if is_internal_name(host) and not route.policy.names(host, port):
            raise route.refusal(host, [])

    def _tunnel_to(self, proxy: Proxy, addresses: list[Address], port: int, timeout_s: float | None) -> socket.socket:
        """A tunnel to the first address that the proxy reaches."""
        trouble: TunnelFailed | None = None
        for address in addresses[:_TUNNELS_MAX]:
            self._beyond = address
            try:
                return self._tunnel(proxy, join_host_port(str(address), port), timeout_s)
            except TunnelFailed as error:
                trouble = error
        raise trouble or TunnelFailed(f"proxy {proxy.shown}: no address")

    def _tunnel(self, proxy: Proxy, authority: str, timeout_s: float | None) -> socket.socket:
        try:
            sock = _connect_to(self._dialer.resolver(proxy.host, proxy.port), proxy.host, proxy.port, timeout_s)
        except Unreachable as error:
            raise Unreachable(f"proxy {proxy.shown}: {error}") from error
        try:
            open_tunnel(sock, proxy, authority)
        except BaseException:
            sock.close()
            raise
        return sock

    def _route(self) -> tuple[Route, list[frozenset[Address]]]:
        routed: tuple[Route, list[frozenset[Address]]] | None = getattr(_state, "routed", None)
        return routed or (Route(self._dialer.policy), [])


def _pool_classes(dialer: Dialer, *, verified: bool) -> dict[str, type[HTTPConnectionPool]]:
    class Plain(HTTPConnection):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self._checked = _Checked(dialer, "http")

        def _new_conn(self) -> socket.socket:
            return self._checked.connect(self.host, self.port, self.timeout)

        def request(self, *args: Any, **kwargs: Any) -> None:
            if self.sock is None:
                self.connect()
            self._checked.check(self.sock, self.host, self.port)
            super().request(*args, **kwargs)

    class Tls(HTTPSConnection):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self._checked = _Checked(dialer, "https")

        def _new_conn(self) -> socket.socket:
            return self._checked.connect(self.host, self.port or 443, self.timeout)

        def connect(self) -> None:
            super().connect()
            if not verified:
                self.is_verified = True  # the user said "insecure"; urllib3 would warn at every connection

        def request(self, *args: Any, **kwargs: Any) -> None:
            if self.sock is None:
                self.connect()
            self._checked.check(self.sock, self.host, self.port or 443)
            super().request(*args, **kwargs)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class TlsPool(HTTPSConnectionPool):
        ConnectionCls = Tls

    return {"http": PlainPool, "https": TlsPool}


def _seconds(timeout: object) -> float | None:
    return float(timeout) if isinstance(timeout, (int, float)) else None


class CheckedAdapter(HTTPAdapter):
    """A requests transport that connects only to permitted addresses, with certificates of its own choosing.

    It does not retry, follow redirects, or use cookies, netrc files or proxies of the environment.

    Args:
        policy: permitted addresses of requests that are not ``routed``.
        contexts: what is trusted, and which client certificate is shown.
        verify: False accepts any certificate (registries that the settings or an import policy call insecure).
        connections: open connections per host.
        resolver: from names to addresses.
        proxies: of all requests.
    """

    def __init__(
        self,
        policy: AddressPolicy,
        contexts: TlsContexts,
        *,
        verify: bool = True,
        connections: int = 16,
        resolver: Resolver = resolve,
        proxies: ProxyRules | None = None,
    ) -> None:
        self._dialer = Dialer(policy, resolver, proxies or ProxyRules())
        self._verify = verify
        self._contexts = contexts
        super().__init__(pool_connections=64, pool_maxsize=connections, max_retries=Retry(0, read=False))

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **_pool_kwargs: Any) -> None:
        """Called by requests on construction."""
        self.poolmanager = _CheckedPoolManager(
            self._dialer, verified=self._verify, num_pools=connections, maxsize=maxsize, block=block
        )

    def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> tuple[Any, Any]:
        """Called by requests: the contexts of this adapter are the only ones.

        A client certificate is a credential: it is not shown where another server's answer leads.
        """
        host, _ = super().build_connection_pool_key_attributes(request, verify=verify, cert=cert)
        if host["scheme"] != "https":
            return host, {}
        origin = read_url(request.url).origin
        sender = self._sender()
        is_direct = sender is None or sender.origin == origin
        return host, {"ssl_context": self._contexts.get(origin.host, origin.port, show_certificate=is_direct)}

    @staticmethod
    def _sender() -> Sender | None:
        routed: tuple[Route, list[frozenset[Address]]] | None = getattr(_state, "routed", None)
        return None if routed is None else routed[0].sender

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Called by requests, which would load its own bundle; the context has what is trusted."""
