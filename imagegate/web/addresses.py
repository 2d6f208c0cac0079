"""The addresses that the service listens at, as ``--bind`` names them."""

from __future__ import annotations

import errno
import socket
from ipaddress import IPv6Address
from typing import NamedTuple

from imagegate.errors import ImagegateError, InvalidSettings

DEFAULT_PORT = 8080


class Address(NamedTuple):
    """A host, without brackets, and a port; 0: any free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class AddressUnavailable(ImagegateError):
    """Nothing can listen at an address."""


def parse_address(text: str) -> Address:
    """``HOST``, ``HOST:PORT``, ``[IPV6]``, ``[IPV6]:PORT`` or an IPv6 address. Without a port it is ``DEFAULT_PORT``.

    Raises:
        InvalidSettings: another form, or no port from 0 to 65535.
    """
    if _is_ipv6(text):
        return Address(text, DEFAULT_PORT)
    host, bracket, rest = text[1:].partition("]") if text.startswith("[") else ("", "", "")
    if bracket:
        colon, port = rest[:1], rest[1:]
    else:
        host, colon, port = text.partition(":")
    if not host or (bracket and not _is_ipv6(host)) or colon not in ("", ":") or "/" in text:
        raise InvalidSettings(f"--bind {text}: expected HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080")
    if not colon:
        return Address(host, DEFAULT_PORT)
    if not (port.isascii() and port.isdecimal() and int(port) <= 0xFFFF):
        raise InvalidSettings(f"--bind {text}: {port!r} is not a port (0 to 65535)")
    return Address(host, int(port))


def _is_ipv6(text: str) -> bool:
    try:
        IPv6Address(text)
    except ValueError:
        return False
    return True


def check_available(address: Address) -> None:
    """Listen at the address for a moment: what cannot work is said before anything is loaded.

    Raises:
        AddressUnavailable: in use, not an address of this machine, not permitted, or no such host.
    """
    try:
        found = socket.getaddrinfo(address.host, address.port, _family(address), socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        raise AddressUnavailable(f"--bind {address}: {address.host} cannot be looked up") from error
    family, kind, protocol, _, where = found[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(where)
            probe.listen(1)
        except OSError as error:
            raise AddressUnavailable(_problem(address, error)) from error


def _family(address: Address) -> socket.AddressFamily:
    """The family that the server listens with: IPv6 only for an IPv6 address, not for a name that has one."""
    return socket.AF_INET6 if ":" in address.host else socket.AF_INET


def _problem(address: Address, error: OSError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return f"{address} is in use by another program; --bind HOST:PORT chooses another address"
        case errno.EADDRNOTAVAIL:
            return f"--bind {address}: {address.host} is not an address of this machine"
        case errno.EACCES:
            return f"--bind {address}: ports below 1024 need a privilege; choose another port"
        case _:
            return f"--bind {address}: cannot be listened at: {error.strerror or error}"
