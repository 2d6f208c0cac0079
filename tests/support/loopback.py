"""The test process talks to the loopback only."""

from __future__ import annotations

import ipaddress
import socket
import sys
from typing import Any

_CONNECTING = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
_RESOLVING = frozenset({"socket.getaddrinfo", "socket.gethostbyname"})
_OWN_NAMES = frozenset({"", "localhost", "ip6-localhost"})


class OutsideNetwork(RuntimeError):
    """A test tried to reach something that is not on the loopback."""


def forbid_outside_network() -> None:
    """Make every attempt of this process to reach another host raise ``OutsideNetwork``; for good.

    An audit hook sees the sockets of every library, also those that keep a name of their own for
    ``socket.connect``. Programs that tests start are not covered.
    """
    sys.addaudithook(_check)


def is_loopback(host: object) -> bool:
    """Whether ``host`` (a name or an address, text or bytes) is this machine's loopback."""
    if host is None:
        return True
    text = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)
    if text in _OWN_NAMES:
        return True
    try:
        return ipaddress.ip_address(text.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _check(event: str, arguments: tuple[Any, ...]) -> None:
    if event in _CONNECTING:
        connection, address = arguments[0], arguments[1]
        if connection.family in (socket.AF_INET, socket.AF_INET6) and address and not is_loopback(address[0]):
            raise OutsideNetwork(f"{event} {address!r}: tests reach the loopback only")
    elif event in _RESOLVING:
        host = arguments[0]
        if not is_loopback(host) and not _is_own_host_name(host):
            raise OutsideNetwork(f"{event} {host!r}: tests resolve no names but localhost")


def _is_own_host_name(host: object) -> bool:
    """``http.server`` asks for the fully qualified name of the host it runs on."""
    return host == _HOST_NAME


_HOST_NAME = socket.gethostname()
