"""Spellings of a registry's host, and which of them lead a node to the same registry.

Rules that permit compare ``spelled``: two hosts are equal only if they cannot mean different registries. Rules that
reject compare ``broad``: two hosts are equal if a node may reach the same registry by both.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from imagegate.core.references.openshift import DOCKER_HUB_HOSTS, NAMES_CACHED

DOCKER_HUB = "docker.io"
DOCKER_HUB_NAMES = DOCKER_HUB_HOSTS | {"registry.hub.docker.com"}
"""All names under which Docker Hub serves images. Parsing and accepting know only the first three."""
WELL_KNOWN_INTEGRATED = ("docker-registry.default.svc:5000", "image-registry.openshift-image-registry.svc:5000")
"""Names of the integrated registry's service in OpenShift 3 and 4, whatever name is configured."""
SECURE_PORT, INSECURE_PORT = "443", "80"
_CLUSTER_DOMAIN = ".cluster.local"
_INET_NUMBER = re.compile(r"0[xX][0-9a-fA-F]*|0[0-7]*|[1-9][0-9]*")
_DIGITS_MAX = 11  # 037777777777 is the largest address in octal


def split_port(host: str) -> tuple[str, str]:
    """Name and port of ``NAME[:PORT]``; an empty port where none is written."""
    name, colon, port = host.rpartition(":")
    return (name, port) if colon and "]" not in port else (host, "")


@lru_cache(maxsize=NAMES_CACHED)
def spelled(host: str) -> str:
    """``host`` in the one spelling of its own name: lower case, no final dot, no port that is the default."""
    name, port = split_port(host.lower())
    name = name.removesuffix(".")
    port = _number(port)
    return f"{name}:{port}" if port and port != SECURE_PORT else name


@lru_cache(maxsize=NAMES_CACHED)
def broad(host: str) -> str:
    """``host`` as rejecting rules compare it: without port 80, and with one name for all names of one place.

    Docker Hub's names are ``docker.io``; a service's name ends in ``.svc``; an IPv4 address is four numbers, since
    some resolvers read ``10.1`` and ``0x0a000001`` as addresses (inet_aton(3)).
    """
    name, port = split_port(spelled(host))
    if name in DOCKER_HUB_NAMES and port in ("", INSECURE_PORT):
        return DOCKER_HUB
    if name.endswith(f".svc{_CLUSTER_DOMAIN}"):
        name = name.removesuffix(_CLUSTER_DOMAIN)
    return _joined(ipv4_address(name) or name, port)


@lru_cache(maxsize=NAMES_CACHED)
def places(host: str) -> frozenset[str]:
    """Every place a node may reach by ``host``: a leading zero is octal to some resolvers, decimal to others."""
    found = broad(host)
    name, port = split_port(spelled(host))
    parts = name.split(".")
    if len(parts) != 4 or not all(part.isdecimal() for part in parts):
        return frozenset((found,))
    decimal = ".".join(part.lstrip("0") or "0" for part in parts)
    return frozenset((found, _joined(decimal, port)))


@lru_cache(maxsize=NAMES_CACHED)
def texts(host: str) -> frozenset[str]:
    """All strings that a rejecting pattern is compared with for ``host``: its places in every spelling."""
    return frozenset((host,)).union(*map(_variants, {*places(host), spelled(host)}))


def _variants(host: str) -> frozenset[str]:
    """Every way to write a host that is given in its one spelling."""
    found = {host}
    if host == DOCKER_HUB:
        found |= DOCKER_HUB_HOSTS
    name, port = split_port(host)
    if name.endswith(".svc"):
        found.add(f"{name}{_CLUSTER_DOMAIN}:{port}" if port else f"{name}{_CLUSTER_DOMAIN}")
    if not port and host:
        found |= {f"{each}:{port}" for each in found for port in (SECURE_PORT, INSECURE_PORT)}
    return frozenset(found)


def broad_pattern(pattern: str) -> str:
    """A rejecting pattern in the spelling that ``texts`` gives hosts."""
    name, port = split_port(pattern.lower())
    name = name.removesuffix(".")
    if name.endswith(f".svc{_CLUSTER_DOMAIN}"):
        name = name.removesuffix(_CLUSTER_DOMAIN)
    return f"{name}:{_number(port)}" if port else name


def all_places(hosts: Iterable[str]) -> frozenset[str]:
    """The places of all of these hosts."""
    return frozenset().union(*map(places, hosts))


def _joined(name: str, port: str) -> str:
    return f"{name}:{port}" if port and port != INSECURE_PORT else name


def _number(port: str) -> str:
    """The port a node dials: ``0443`` is 443."""
    return (port.lstrip("0") or "0") if port.isdecimal() else port


def ipv4_address(name: str) -> str:
    """The IPv4 address that inet_aton(3) reads in ``name``, as four decimal numbers; empty if it reads none.

    One to four numbers, decimal, ``0x``, or octal by a leading ``0``; the last one fills all bytes that are left.
    """
    parts = name.split(".")
    if len(parts) > 4 or not all(_INET_NUMBER.fullmatch(part) for part in parts):
        return ""
    *heads, last = map(_inet_number, parts)
    if any(number > 255 for number in heads) or last >= 256 ** (4 - len(heads)):
        return ""
    value = last + sum(number << 24 - 8 * place for place, number in enumerate(heads))
    return ".".join(str(value >> shift & 0xFF) for shift in (24, 16, 8, 0))


def _inet_number(part: str) -> int:
    base = 16 if part[:2].lower() == "0x" else 8 if part.startswith("0") else 10
    digits = part[2:] if base == 16 else part
    digits = digits.lstrip("0") or "0"
    # Python refuses to read thousands of decimal digits; anything this long is too large for an address anyway.
    return int(digits, base) if len(digits) <= _DIGITS_MAX else 1 << 32
