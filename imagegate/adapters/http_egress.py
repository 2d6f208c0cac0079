"""Where imagegate may connect to, and for how long: addresses are checked after resolving, sockets obey a deadline.

Image names, token realms and redirects are chosen by other people, so a name is resolved here, every address is
checked, and the connection goes to an address that was checked: no second look-up in between (DNS rebinding). Private,
loopback and link-local addresses, also when written as IPv4-mapped or tunnelled IPv6, are refused unless the settings
name the host or the network. Instance metadata services are reached only where a network that holds them is named.

Time: ``deadline(at)`` bounds all reads and writes of this thread's connections until ``at``, however slowly a server
sends its bytes; a time-out for each read would let it send one byte at a time for ever.
"""

from __future__ import annotations

import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, TypeAlias

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util.retry import Retry

from imagegate.errors import Refused, Unreachable

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network
Resolver: TypeAlias = Callable[[str, int], list[Address]]

MAX_ADDRESSES = 8  # of one name; more are not tried
_METADATA = frozenset(map(ip_address, ("169.254.169.254", "fd00:ec2::254", "100.100.100.200", "168.63.129.16")))
_NAT64 = ip_network("64:ff9b::/96")
_state = threading.local()


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """Which addresses may be connected to, beside those of the public internet.

    Attributes:
        hosts: ``HOST`` or ``HOST:PORT`` in lower case: may have private and loopback addresses.
        networks: may be connected to whatever the name.
    """

    hosts: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = field(default=())

    @classmethod
    def of(cls, hosts: tuple[str, ...] = (), networks: tuple[str, ...] = ()) -> AddressPolicy:
        """From texts as settings have them.

        Raises:
            ValueError: a network is no CIDR block.
        """
        return cls(frozenset(host.lower() for host in hosts), tuple(ip_network(network) for network in networks))

    @classmethod
    def of_texts(cls, texts: Iterable[str]) -> AddressPolicy:
        """From texts that are hosts (``HOST``, ``HOST:PORT``) or networks (CIDR, or an address)."""
        hosts: list[str] = []
        networks: list[str] = []
        for text in texts:
            try:
                ip_network(text)
            except ValueError:
                hosts.append(text)
            else:
                networks.append(text)
        return cls.of(tuple(hosts), tuple(networks))

    def names(self, host: str, port: int) -> bool:
        """Whether the settings name this host."""
        bare = host.strip("[]").lower()
        shown = f"[{bare}]" if ":" in bare else bare
        return not self.hosts.isdisjoint({bare, shown, f"{shown}:{port}"})

    def permits(self, host: str, port: int, address: Address) -> bool:
        """Whether ``host`` may be connected to at ``address``."""
        seen = _unwrapped(address)
        if any(a in network for network in self.networks for a in (address, seen) if a.version == network.version):
            return True
        if seen in _METADATA or seen.is_link_local or seen.is_multicast or seen.is_unspecified:
            return False
        if seen.is_global and not (isinstance(seen, IPv4Address) and seen.is_reserved):
            return True
        return self.names(host, port)


def _unwrapped(address: Address) -> Address:
    """The IPv4 address that an IPv6 form leads to (mapped, NAT64, 6to4, Teredo), else the address itself."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64 or 1 < int(address) < 1 << 32:  # ::a.b.c.d, long deprecated
        return IPv4Address(int(address) & 0xFFFFFFFF)
    inner = address.ipv4_mapped or address.sixtofour or (address.teredo and address.teredo[1])
    return inner or address


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


class _DeadlineTlsSocket(ssl.SSLSocket):
    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        left = _remaining()
        if left is not None:
            self.settimeout(left)
        return super().recv_into(*args, **kwargs)


@lru_cache(maxsize=1)
def _resolver(_process: int) -> ThreadPoolExecutor:
    """The system's resolver knows no time limit, so it is asked in threads; a forked worker needs its own."""
    return ThreadPoolExecutor(max_workers=8, thread_name_prefix="resolve")


def resolve(host: str, port: int) -> list[Address]:
    """Addresses of a host, in the resolver's order, within the thread's deadline.

    Raises:
        Unreachable: unknown, or no answer in time.
    """
    try:
        return [ip_address(host)]
    except ValueError:
        pass
    future = _resolver(os.getpid()).submit(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    try:
        answers = future.result(timeout=_remaining())
    except FutureTimeoutError as error:  # the same class as TimeoutError
        future.cancel()
        raise Unreachable(f"no answer in time for the name {host}") from error
    except (OSError, UnicodeError) as error:
        raise Unreachable(f"cannot resolve {host}: {error}") from error
    return list(dict.fromkeys(ip_address(str(answer[4][0]).partition("%")[0]) for answer in answers))[:MAX_ADDRESSES]


def connect(
    policy: AddressPolicy, host: str, port: int, timeout_s: float | None, *, resolve: Resolver = resolve
) -> socket.socket:
    """A connected socket to a permitted address of ``host``.

    Raises:
        Refused: no address of the host is permitted.
        Unreachable: no name, or no connection.
    """
    bare = host.strip("[]")
    addresses = resolve(bare, port)
    permitted = [address for address in addresses if policy.permits(bare, port, address)]
    if not permitted:
        shown = ", ".join(map(str, addresses)) or "no address"
        raise Refused(
            f"{host} has an address that may not be connected to ({shown}); see registry.allowPrivateAddresses"
        )
    trouble: OSError | None = None
    for address in permitted:
        sock = _DeadlineSocket(socket.AF_INET if address.version == 4 else socket.AF_INET6, socket.SOCK_STREAM)
        try:
            sock.settimeout(_remaining(timeout_s))
            sock.connect((str(address), port))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            sock.close()
            trouble = error
        else:
            return sock
    raise Unreachable(f"cannot connect to {host}:{port}: {trouble}") from trouble


class _CheckedPoolManager(PoolManager):
    """Makes connections that obey one ``AddressPolicy``."""

    def __init__(self, policy: AddressPolicy, resolver: Resolver, *, verified: bool, **pool_kwargs: Any) -> None:
        super().__init__(**pool_kwargs)
        self.pool_classes_by_scheme = _pool_classes(policy, resolver, verified=verified)


def _pool_classes(policy: AddressPolicy, resolver: Resolver, *, verified: bool) -> dict[str, type[HTTPConnectionPool]]:
    class Plain(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return connect(policy, self.host, self.port, _seconds(self.timeout), resolve=resolver)

    class Tls(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return connect(policy, self.host, self.port or 443, _seconds(self.timeout), resolve=resolver)

        def connect(self) -> None:
            super().connect()
            if not verified:
                self.is_verified = True  # the user said "insecure"; urllib3 would warn at every connection

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class TlsPool(HTTPSConnectionPool):
        ConnectionCls = Tls

    return {"http": PlainPool, "https": TlsPool}


def _seconds(timeout: object) -> float | None:
    return float(timeout) if isinstance(timeout, (int, float)) else None


class CheckedAdapter(HTTPAdapter):
    """A requests transport that connects only to permitted addresses, with certificates of its own choosing.

    It never retries, follows no redirect, knows no proxy, cookie or netrc file: that is its caller's business.

    Args:
        policy: permitted addresses.
        ca_files: PEM bundles trusted beside the system's.
        verify: False accepts any certificate (registries that the settings or an import policy call insecure).
        connections: kept open per host.
        resolver: from names to addresses.
    """

    def __init__(
        self,
        policy: AddressPolicy,
        *,
        ca_files: tuple[str, ...] = (),
        verify: bool = True,
        connections: int = 16,
        resolver: Resolver = resolve,
    ) -> None:
        self._resolver = resolver
        self._policy = policy
        self._verify = verify
        self._context = _tls_context(ca_files, verify=verify)
        super().__init__(pool_connections=64, pool_maxsize=connections, max_retries=Retry(0, read=False))

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **_pool_kwargs: Any) -> None:
        """Called by requests on construction."""
        self.poolmanager = _CheckedPoolManager(
            self._policy, self._resolver, verified=self._verify, num_pools=connections, maxsize=maxsize, block=block
        )

    def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> tuple[Any, Any]:
        """Called by requests: the context of this adapter is the only one."""
        host, _ = super().build_connection_pool_key_attributes(request, verify=verify, cert=cert)
        return host, {"ssl_context": self._context} if host["scheme"] == "https" else {}

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Called by requests, which would load its own bundle; the context has what is trusted."""


def _tls_context(ca_files: tuple[str, ...], *, verify: bool) -> ssl.SSLContext:
    context = ssl.create_default_context() if verify else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.sslsocket_class = _DeadlineTlsSocket
    for file in ca_files:
        context.load_verify_locations(cafile=file)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
