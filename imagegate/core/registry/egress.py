"""Rules for where requests and credentials may be sent, applied to URLs in canonical form.

Image names, token realms, redirects, mirrors and signature stores are chosen by other people, and one host has many
spellings. So every URL is first brought into one form: lower case, no trailing dot, IDNA as the HTTP library does it,
IPv4 addresses in every form that the system's resolver reads, IPv6 addresses compressed and those that only wrap an
IPv4 one unwrapped, ports as numbers. A URL that cannot be brought into it (percent signs, zones, user names,
odd characters) is refused. The request goes to the canonical URL, so that the URL checked is the one connected to.

Three kinds of hosts: public ones; *named* ones, which ``registry.allowPrivateAddresses`` names one by one; and those
inside a named network. A server's answer (redirect, token realm) may send us to a public host. To a named host it
may send us only if it is named itself; to any other private address only if that is its own host at its own address.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import AddressValueError, IPv6Address, ip_address, ip_network
from urllib.parse import SplitResult, urljoin, urlsplit, urlunsplit

import idna

from imagegate.core.kube.printable import printable
from imagegate.core.references.registry_hosts import DOCKER_HUB, DOCKER_HUB_NAMES, broad, ipv4_address
from imagegate.core.registry.special_addresses import Address, Network, is_in, is_public, is_reached_by_network_only
from imagegate.errors import Malformed, Refused

DEFAULT_PORTS = {"https": 443, "http": 80}
_HUB_TOKENS = "auth.docker.io"
_HOST_MAX_LENGTH = 253  # RFC 1035 section 2.3.4
_NAME = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*")
_NUMBER = re.compile(r"0[xX][0-9A-Fa-f]*|[0-9]+")
_NUMBER_MAX_LENGTH = 12
_SHOWN = 200


# Spelling


def canonical_host(text: str) -> str:
    """A host in canonical form: a name, ``127.0.0.1``, or an IPv6 address without brackets.

    Raises:
        Malformed: not a host, or one with a percent sign, a zone or other characters that hosts do not have.
    """
    if text.startswith("[") and text.endswith("]"):
        return _canonical_ipv6(text[1:-1])
    if ":" in text:
        return _canonical_ipv6(text)
    name = text.lower() if text.isascii() else _ascii_name(text)
    name = name.removesuffix(".")
    if _NUMBER.fullmatch(name.rpartition(".")[2]):
        return _canonical_ipv4(name, text)
    if len(name) > _HOST_MAX_LENGTH or _NAME.fullmatch(name) is None:
        raise _no_host(text)
    return name


def _ascii_name(text: str) -> str:
    try:
        return idna.encode(text, uts46=True).decode("ascii")  # as requests does
    except UnicodeError as error:  # idna.IDNAError is one
        raise _no_host(text) from error


def _canonical_ipv6(text: str) -> str:
    try:
        address = IPv6Address(text)
    except AddressValueError as error:
        raise _no_host(text) from error
    if address.scope_id is not None:
        raise Malformed(f"'{printable(text, _SHOWN)}' names a network interface; such addresses are not contacted")
    return str(address.ipv4_mapped or address.compressed)


def _canonical_ipv4(name: str, text: str) -> str:
    """The address that the system's resolver reads in ``name``, which ends in a number."""
    # Longer numbers mean zeros in front, which resolvers read in different ways: refuse them.
    address = ipv4_address(name) if all(len(part) <= _NUMBER_MAX_LENGTH for part in name.split(".")) else ""
    if not address:
        raise _no_host(text)
    return address


def _no_host(text: str) -> Malformed:
    return Malformed(f"'{printable(text, _SHOWN)}' is not a host name or address")


def split_host_port(text: str) -> tuple[str, int | None]:
    """``HOST[:PORT]`` with a canonical host; None where no port is written.

    Raises:
        Malformed: it does not have this form.
    """
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]") or (host.count(":") and not host.endswith("]")):
        return canonical_host(text), None
    return canonical_host(host), _port(port, text) if port else None


def _port(port: str, text: str) -> int:
    if not (port.isascii() and port.isdigit() and len(port) <= 16 and 0 < int(port) <= 65535):
        raise Malformed(f"'{printable(text, _SHOWN)}' has no port from 1 to 65535")
    return int(port)


def join_host_port(host: str, port: int | None) -> str:
    """``HOST[:PORT]``, with brackets around an IPv6 address."""
    shown = f"[{host}]" if ":" in host else host
    return shown if port is None else f"{shown}:{port}"


def canonical_registry(text: str) -> str:
    """A registry in the form in which settings that block it compare: hosts that may lead to one place are equal."""
    try:
        return broad(join_host_port(*split_host_port(text)))
    except Malformed:
        return broad(text)  # not a host: it equals nothing that is contacted


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port of a URL, canonical: equal ones are the same server."""

    scheme: str
    host: str
    port: int

    @property
    def authority(self) -> str:
        """``HOST[:PORT]``, without the scheme's default port."""
        return join_host_port(self.host, None if DEFAULT_PORTS.get(self.scheme) == self.port else self.port)


@dataclass(frozen=True, slots=True)
class Target:
    """A URL that may be requested, in canonical form, and the origin to connect to."""

    url: str
    origin: Origin


def read_url(text: str) -> Target:
    """An HTTP URL in canonical form, without a fragment.

    Raises:
        Malformed: it is not a URL, or its host or port is impossible.
        Refused: another scheme, a user name, no host.
    """
    parts = _split(text)
    if parts.scheme not in DEFAULT_PORTS or "@" in parts.netloc or not parts.netloc:
        raise Refused(f"{shown_url(text)} may not be contacted")
    host, port = split_host_port(parts.netloc)
    origin = Origin(parts.scheme, host, port or DEFAULT_PORTS[parts.scheme])
    return Target(urlunsplit((parts.scheme, join_host_port(host, port), parts.path, parts.query, "")), origin)


def joined(base: str, target: str) -> str:
    """``target`` as the server at ``base`` means it (RFC 3986 section 5).

    Raises:
        Malformed: it is not a URL.
    """
    try:
        return urljoin(base, target)
    except ValueError as error:
        raise Malformed(f"'{printable(target, _SHOWN)}' is not a URL") from error


def same_origin(one: str, other: str) -> bool:
    """True if two URLs have the same scheme, host and port. A URL without these never has.

    Raises:
        Malformed: one of them is not a URL.
    """
    try:
        return read_url(one).origin == read_url(other).origin
    except Refused:
        return False


def shown_url(url: str) -> str:
    """A URL for messages: printable, without query (signed blob locations are secrets) and user."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return f"'{printable(url, _SHOWN)}'"
    host = parts.netloc.rpartition("@")[2]
    return printable(f"{parts.scheme}://{host}{parts.path}", 512)


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError as error:
        raise Malformed(f"'{printable(url, _SHOWN)}' is not a URL") from error


# Permitted hosts


@dataclass(frozen=True, slots=True)
class BlockedHosts:
    """Hosts that are never contacted, however they are spelled and whoever names them.

    ``entries``: canonical host and port; without a port all ports of the host.
    """

    entries: frozenset[tuple[str, int | None]] = frozenset()

    @classmethod
    def of(cls, texts: Iterable[str]) -> BlockedHosts:
        """From ``HOST[:PORT]``. One of Docker Hub's names blocks all of them and its token server.

        Raises:
            ValueError: a string does not have this form.
        """
        entries: set[tuple[str, int | None]] = set()
        for text in texts:
            try:
                host, port = split_host_port(text)
            except Malformed as error:
                raise ValueError(str(error)) from error
            if canonical_registry(text) == DOCKER_HUB:
                entries |= {(name, None) for name in (*DOCKER_HUB_NAMES, _HUB_TOKENS)}
            else:
                entries.add((_one_name(host), port))
        return cls(frozenset(entries))

    def covers(self, host: str, port: int) -> bool:
        """True if the canonical host is blocked at this port."""
        name = _one_name(host)
        return not self.entries.isdisjoint({(name, None), (name, port)})

    def covers_registry(self, text: str) -> bool:
        """True if a registry as references name it (``HOST[:PORT]``) is blocked; False if it is not a host."""
        try:
            host, port = split_host_port(text)
        except Malformed:
            return False
        return self.covers(host, port or DEFAULT_PORTS["https"])

    def __or__(self, other: BlockedHosts) -> BlockedHosts:
        """Both."""
        return BlockedHosts(self.entries | other.entries)


@dataclass(frozen=True, slots=True)
class Sender:
    """A server whose answer names the next one to contact.

    ``addresses``: all its addresses, the one it was reached at included.
    """

    origin: Origin
    addresses: frozenset[Address] = frozenset()


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """Servers that may be connected to, besides public ones.

    Attributes:
        hosts: named ones: ``HOST`` or ``HOST:PORT``, canonical; may have private and loopback addresses.
        networks: may be connected to whatever the name.
        blocked: never contacted.
    """

    hosts: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = field(default=())
    blocked: BlockedHosts = field(default_factory=BlockedHosts)

    @classmethod
    def of(
        cls, hosts: Iterable[str] = (), networks: Iterable[str] = (), *, blocked: Iterable[str] = ()
    ) -> AddressPolicy:
        """From the strings of settings.

        Raises:
            ValueError: a host is not ``HOST[:PORT]``, or a network not a CIDR block.
        """
        try:
            named = frozenset(join_host_port(*split_host_port(host)) for host in hosts)
        except Malformed as error:
            raise ValueError(str(error)) from error
        return cls(named, tuple(ip_network(network) for network in networks), BlockedHosts.of(blocked))

    @classmethod
    def of_texts(cls, texts: Iterable[str], *, blocked: Iterable[str] = ()) -> AddressPolicy:
        """From strings that are hosts (``HOST``, ``HOST:PORT``) or networks (CIDR, or an address).

        Raises:
            ValueError: a string is neither.
        """
        hosts: list[str] = []
        networks: list[str] = []
        for text in texts:
            (networks if _is_network(text) else hosts).append(text)
        return cls.of(hosts, networks, blocked=blocked)

    def names(self, host: str, port: int) -> bool:
        """True if the settings name this host itself, not only a network that contains it."""
        canonical = canonical_host(host)
        return not self.hosts.isdisjoint({join_host_port(canonical, None), join_host_port(canonical, port)})

    def check(self, target: Target, sender: Sender | None) -> None:
        """Judge a URL by its name, before anything is resolved.

        Args:
            sender: the server whose answer names it; None: an image, a policy or the settings do.

        Raises:
            Refused: it may not be contacted.
        """
        origin = target.origin
        if self.blocked.covers(origin.host, origin.port):
            raise Refused(f"{shown_url(target.url)} is blocked by registry.blocked")
        if sender is not None and self.names(origin.host, origin.port) and not self._names_origin(sender.origin):
            raise Refused(
                f"{sender.origin.authority} leads to {shown_url(target.url)}, which is not permitted: only"
                " registry.allowPrivateAddresses lets that host be contacted, and it does not name"
                f" {sender.origin.authority}"
            )

    def permits(self, host: str, port: int, address: Address) -> bool:
        """True if ``host``, named by an image, a policy or the settings, may be connected to at ``address``."""
        if self.blocked.covers(str(_unmapped(address)), port):
            return False
        if is_in(address, self.networks):
            return True
        if is_reached_by_network_only(address):
            return False
        return is_public(address) or self.names(host, port)

    def permits_from(self, sender: Sender, host: str, port: int, address: Address) -> bool:
        """True if ``host``, named by the answer of ``sender``, may be connected to at ``address``."""
        if not self.permits(host, port, address):
            return False
        if self.names(host, port):
            return self._names_origin(sender.origin)
        if is_public(address):
            return True
        return canonical_host(host) == sender.origin.host and address in sender.addresses

    def _names_origin(self, origin: Origin) -> bool:
        return self.names(origin.host, origin.port)


def _one_name(host: str) -> str:
    """A host without what cluster DNS adds to a service's name."""
    return broad(host) if host.endswith(".svc.cluster.local") else host


def _unmapped(address: Address) -> Address:
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address


def _is_network(text: str) -> bool:
    try:
        ip_network(text)
    except ValueError:
        return False
    return True


def host_address(host: str) -> Address | None:
    """The address that a canonical host is; None for a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None
