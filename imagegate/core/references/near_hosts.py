"""Registries that are like another one: for a denial that names the nearest rule, never for a decision."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Generic, TypeVar

from imagegate.caching import BoundedCache

TRIED_MAX = 256
"""Hosts that are looked at for one that is spelled alike."""
ALIKE_MAX = 8
"""Hosts that are compared letter by letter."""
LIKENESS = 0.6
CACHED_MAX = 1024
HOST_MAX_LENGTH = 253
"""Longest name of a host (RFC 1035)."""

T = TypeVar("T")


class NearHosts(Generic[T]):
    """Values by registry, found by a registry that none of them names. Immutable but for its cache.

    The order of nearness: the same host, whatever its port; a host of the same domain; a host spelled alike; the
    first. A look-up costs the same for ten registries and for ten thousand.

    Args:
        registries: pairs of ``HOST[:PORT]``, perhaps with ``*``, and a value, in the order of the documents.
    """

    __slots__ = ("_by_domain", "_by_host", "_first", "_found")

    def __init__(self, registries: Iterable[tuple[str, T]]) -> None:
        self._by_host: dict[str, T] = {}
        self._by_domain: dict[str, T] = {}
        self._first: T | None = None
        self._found: BoundedCache[str, T] = BoundedCache(CACHED_MAX)
        for registry, value in registries:
            host = host_of(registry)
            self._first = value if self._first is None else self._first
            self._by_host.setdefault(host, value)
            for domain in _domains(host):
                self._by_domain.setdefault(domain, value)

    def nearest(self, registry: str) -> T | None:
        """The value of the registry that is most like ``registry``; None if there are no values."""
        host = host_of(registry)
        found = self._found.get(host)
        if found is None:
            found = self._search(host)
            if found is not None:
                self._found.put(host, found)
        return found

    def _search(self, host: str) -> T | None:
        if host in self._by_host:
            return self._by_host[host]
        for domain in _domains(host):
            if domain in self._by_domain:
                return self._by_domain[domain]
        alike = get_close_matches(host, self._perhaps_misspelt(host), n=1, cutoff=LIKENESS) if host else []
        return self._by_host[alike[0]] if alike else self._first

    def _perhaps_misspelt(self, host: str) -> list[str]:
        """The first few hosts about as long as this one that begin or end like it: the rest costs too much."""
        names = itertools.islice(self._by_host, TRIED_MAX)
        likely = (
            name
            for name in names
            if abs(len(name) - len(host)) <= 2 and (name[:2] == host[:2] or name[-4:] == host[-4:])
        )
        return list(itertools.islice(likely, ALIKE_MAX))


def host_of(registry: str) -> str:
    """The host of ``HOST[:PORT]`` in lower case, without ``*`` and what it leaves at the edge of a label."""
    host = registry[:HOST_MAX_LENGTH].lower()
    if not host.startswith("["):
        host = host.partition(":")[0]
    return host.replace("*", "").strip(".")


def _domains(host: str) -> Iterator[str]:
    """The host and its parent domains, those of one label left out: ``a.b.corp``, ``b.corp``."""
    labels = host.split(".")
    for first in range(len(labels) - 1):
        yield ".".join(labels[first:])
