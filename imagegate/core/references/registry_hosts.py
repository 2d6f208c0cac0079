"""Spellings of a registry's host: which of them a node takes to the same registry.

Two strengths. What permits compares ``spelled``: only what cannot mean another registry is made equal. What
rejects compares ``broad``: whatever may lead a node to the same place is made equal.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from imagegate.core.references.openshift import DOCKER_HUB_HOSTS, REMEMBERED

DOCKER_HUB = "docker.io"
DOCKER_HUB_NAMES = DOCKER_HUB_HOSTS | {"registry.hub.docker.com"}
"""All names under which Docker Hub serves images. Parsing and accepting know only the first three."""
WELL_KNOWN_INTEGRATED = ("docker-registry.default.svc:5000", "image-registry.openshift-image-registry.svc:5000")
"""What the integrated registry's service is called in OpenShift 3 and 4, whatever name is configured."""
SECURE_PORT, INSECURE_PORT = "443", "80"
_CLUSTER_DOMAIN = ".cluster.local"
_NUMBER = re.compile(r"0[xX][0-9a-fA-F]*|0[0-7]*|[1-9][0-9]*")
_BYTE, _ADDRESS_MAX = 8, 32


def split_port(host: str) -> tuple[str, str]:
    """Name and port of ``NAME[:PORT]``; an empty port where none is written."""
    name, colon, port = host.rpartition(":")
    return (name, port) if colon and "]" not in port else (host, "")


@lru_cache(maxsize=REMEMBERED)
def spelled(host: str) -> str:
    """``host`` in the one spelling of its own name: lower case, no final dot, no port that is the default."""
    name, port = split_port(host.lower())
    name = name.removesuffix(".")
    port = _number(port)
    return f"{name}:{port}" if port and port != SECURE_PORT else name


@lru_cache(maxsize=REMEMBERED)
def broad(host: str) -> str:
    """``host`` as rejects compare it: port 80 is no port either, and other names of one place are one name.

    Docker Hub's names are ``docker.io``; a service's name ends in ``.svc``; an IPv4 address is four numbers, since
    some resolvers read ``10.1`` and ``0x0a000001`` as addresses (inet_aton(3)).
    """
    name, port = split_port(spelled(host))
    if name in DOCKER_HUB_NAMES and port in ("", INSECURE_PORT):
        return DOCKER_HUB
    if name.endswith(f".svc{_CLUSTER_DOMAIN}"):
        name = name.removesuffix(_CLUSTER_DOMAIN)
    return _joined(_address(name) or name, port)


@lru_cache(maxsize=REMEMBERED)
def places(host: str) -> frozenset[str]:
    """All that a node may take ``host`` for: a number with a leading zero is octal to some, decimal to others."""
    found = broad(host)
    name, port = split_port(spelled(host))
    parts = name.split(".")
    if len(parts) != 4 or not all(part.isdecimal() for part in parts):
        return frozenset((found,))
    decimal = ".".join(part.lstrip("0") or "0" for part in parts)
    return frozenset((found, _joined(decimal, port)))


@lru_cache(maxsize=REMEMBERED)
def texts(host: str) -> frozenset[str]:
    """Everything that a rejecting pattern is tried on for ``host``: its places, in every spelling they may have."""
    return frozenset((host,)).union(*map(_variants, {*places(host), spelled(host)}))


def _variants(host: str) -> frozenset[str]:
    """The ways to write a host that is in one spelling."""
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
    """A rejecting pattern in the spelling that ``variants`` have."""
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


def _address(name: str) -> str:
    """The IPv4 address that inet_aton(3) reads in ``name``: up to four numbers, the last for all bytes left."""
    parts = name.split(".")
    if len(parts) > 4 or not all(_NUMBER.fullmatch(part) for part in parts):
        return ""
    numbers = [_inet_number(part) for part in parts]
    *heads, last = numbers
    if any(number > 255 for number in heads) or last >= 1 << (_ADDRESS_MAX - _BYTE * len(heads)):
        return ""
    value = last
    for index, number in enumerate(heads):
        value += number << (_ADDRESS_MAX - _BYTE * (index + 1))
    return ".".join(str(value >> shift & 0xFF) for shift in (24, 16, 8, 0))


def _inet_number(part: str) -> int:
    if part[:2].lower() == "0x":
        return int(part[2:] or "0", 16)
    return int(part, 8) if part.startswith("0") else int(part)
