"""Addresses that are not simply a server on the public internet: which, and why.

The lists are written out here and not taken from ``ipaddress.is_global``, whose answer changes with the version of
Python and leaves blocks out. Sources, as of November 2026:

- IANA IPv4 Special-Purpose Address Registry and IANA IPv6 Special-Purpose Address Registry (RFC 6890),
- IANA IPv4 Multicast Address Space (224.0.0.0/4, RFC 5771) and the reserved 240.0.0.0/4 (RFC 1112),
- IANA IPv6 Address Space: only 2000::/3 is global unicast (RFC 4291), so everything else is refused unless named here,
- the metadata services of clouds, from the manuals of AWS, Azure, Google, Alibaba and Oracle.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

_SPECIAL_V4 = tuple(
    IPv4Network(block)
    for block in (
        "0.0.0.0/8",  # this network (RFC 791)
        "10.0.0.0/8",  # private use (RFC 1918)
        "100.64.0.0/10",  # shared address space (RFC 6598)
        "127.0.0.0/8",  # loopback (RFC 1122)
        "169.254.0.0/16",  # link-local (RFC 3927)
        "172.16.0.0/12",  # private use (RFC 1918)
        "192.0.0.0/24",  # IETF protocol assignments (RFC 6890), with DS-Lite, PCP, NAT64 discovery, Oracle's metadata
        "192.0.2.0/24",  # documentation (RFC 5737)
        "192.31.196.0/24",  # AS112 (RFC 7535): reverse look-ups of private addresses
        "192.52.193.0/24",  # automatic multicast tunnelling (RFC 7450)
        "192.88.99.0/24",  # 6to4 relay anycast, deprecated (RFC 7526)
        "192.168.0.0/16",  # private use (RFC 1918)
        "192.175.48.0/24",  # AS112 (RFC 7534)
        "198.18.0.0/15",  # benchmarking (RFC 2544)
        "198.51.100.0/24",  # documentation (RFC 5737)
        "203.0.113.0/24",  # documentation (RFC 5737)
        "224.0.0.0/4",  # multicast (RFC 5771)
        "240.0.0.0/4",  # reserved (RFC 1112), with the limited broadcast
    )
)
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_SPECIAL_V6 = tuple(  # inside 2000::/3; everything outside of it is special anyway
    IPv6Network(block)
    for block in (
        "2001::/23",  # IETF protocol assignments (RFC 2928): Teredo, benchmarking, ORCHID, DRIP, AMT, AS112, anycast
        "2001:db8::/32",  # documentation (RFC 3849)
        "2620:4f:8000::/48",  # AS112 (RFC 7534)
        "3fff::/20",  # documentation (RFC 9637)
    )
)
_MAPPED = IPv6Network("::ffff:0:0/96")  # RFC 4291: the operating system connects to the IPv4 address itself
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052: how an IPv6-only network reaches the IPv4 internet
_6TO4 = IPv6Network("2002::/16")  # RFC 3056
_LEADS_TO_V4 = (_MAPPED, _NAT64, _6TO4)
"""Blocks that are as public as the IPv4 address inside."""

_COMPATIBLE = IPv6Network("::/96")  # RFC 4291, deprecated
_TRANSLATED = IPv6Network("::ffff:0:0:0/96")  # RFC 2765 (SIIT)
_LOCAL_NAT64 = IPv6Network("64:ff9b:1::/48")  # RFC 8215
_TEREDO = IPv6Network("2001::/32")  # RFC 4380: the relay, and the client with all bits inverted
_ISATAP = frozenset({0x0000_5EFE, 0x0200_5EFE})  # RFC 5214: the interface identifier's first half
_THIS_NETWORK = IPv4Network("0.0.0.0/8")
_LOW_32 = 0xFFFF_FFFF

_NEVER_BY_NAME = tuple(
    IPv4Network(block) if "." in block else IPv6Network(block)
    for block in (
        "0.0.0.0/8",
        "169.254.0.0/16",  # with the metadata services at 169.254.169.254 and the credentials at 169.254.170.2
        "224.0.0.0/4",
        "255.255.255.255/32",
        "100.100.100.200/32",  # Alibaba
        "168.63.129.16/32",  # Azure
        "192.0.0.192/32",  # Oracle
        "::/128",
        "fe80::/10",
        "ff00::/8",
        "fd00:ec2::/32",  # AWS: metadata, time, name servers, pod identities
        "fd20:ce::254/128",  # Google
    )
)


def is_public(address: Address) -> bool:
    """True if ``address``, and every IPv4 address inside it, is public."""
    if isinstance(address, IPv4Address):
        return not is_reached_by_network_only(address) and not any(address in block for block in _SPECIAL_V4)
    if any(address in block for block in _LEADS_TO_V4):
        return all(map(is_public, embedded(address)))
    if address not in _GLOBAL_UNICAST or any(address in block for block in _SPECIAL_V6):
        return False
    return all(map(is_public, embedded(address)))


def is_reached_by_network_only(address: Address) -> bool:
    """True if only a named network permits ``address``: metadata, link-local, multicast, unspecified."""
    every: tuple[Address, ...] = (address, *embedded(address))
    return any(each in block for each in every for block in _NEVER_BY_NAME if each.version == block.version)


def embedded(address: Address) -> tuple[IPv4Address, ...]:
    """The IPv4 addresses that an IPv6 address may lead to, by every mechanism known here. For refusing."""
    if isinstance(address, IPv4Address):
        return ()
    return tuple(dict.fromkeys((*wrapped(address), *_tunnelled(address))))


def wrapped(address: Address) -> tuple[IPv4Address, ...]:
    """The IPv4 address that an IPv6 address is only another form of, if it is. For permitting.

    Teredo, ISATAP and local translators are not among them: their other bits select the server.
    """
    if isinstance(address, IPv4Address):
        return ()
    bits = int(address)
    if any(address in block for block in (_MAPPED, _NAT64, _TRANSLATED)) or (address in _COMPATIBLE and bits > 1):
        return (IPv4Address(bits & _LOW_32),)
    return (IPv4Address(bits >> 80 & _LOW_32),) if address in _6TO4 else ()


def _tunnelled(address: IPv6Address) -> Iterator[IPv4Address]:
    bits = int(address)
    if address in _LOCAL_NAT64:  # RFC 6052 section 2.2: prefixes of 48, 56, 64 and 96 bits; bits 64 to 71 are left out
        without_u = (bits >> 64) << 56 | (bits & (1 << 56) - 1)
        places = (bits, *(without_u >> 120 - prefix - 32 for prefix in (48, 56, 64)))
        inner = (IPv4Address(place & _LOW_32) for place in places)
        yield from (each for each in inner if each not in _THIS_NETWORK)  # zeros: it is another of the four
    elif address in _TEREDO:
        yield IPv4Address(~bits & _LOW_32)
        yield IPv4Address(bits >> 64 & _LOW_32)
    if bits >> 32 & _LOW_32 in _ISATAP:
        yield IPv4Address(bits & _LOW_32)


def is_in(address: Address, networks: tuple[Network, ...]) -> bool:
    """True if ``address``, or the IPv4 address that it is another form of, lies in one of ``networks``."""
    every: tuple[Address, ...] = (address, *wrapped(address))
    return any(each in network for each in every for network in networks if each.version == network.version)
