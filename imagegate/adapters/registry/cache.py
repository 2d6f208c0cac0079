"""A cache in front of a registry: identical requests under way are merged, and content that cannot change is cached.

Manifests and configurations are cached by digest; a tag's digest only for ``tag_ttl_s``, and never if that is zero
(the default: a moved tag is seen at once). Outages and absences are not cached. The access is part of every key:
content that one pull secret may see is not shown to callers without it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar, cast

from imagegate.caching import BoundedCache, SingleFlight, TimedCache
from imagegate.core.admission.lookup import Absent, Found, Lookup, Unknown
from imagegate.core.references.openshift import ImageReference
from imagegate.core.registry.manifest import Manifest
from imagegate.ports.registry import ANONYMOUS, Registry, RegistryAccess, RegistryErrorKind, RegistryUnknown

T = TypeVar("T")
CACHE = "cache"


@dataclass(frozen=True, slots=True)
class CacheLimits:
    """Limits of the cache of one process. ``tag_ttl_s``: seconds to cache the digest of a tag."""

    tag_ttl_s: float = 0.0
    manifests: int = 4096
    manifest_bytes: int = 16 * 1024 * 1024
    configs: int = 4096
    config_bytes: int = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Key:
    """Cache key of a request: the reference with defaults filled in."""

    what: str
    image: ImageReference
    access: RegistryAccess
    more: str = ""


class CachedRegistry:
    """The ``Registry`` port in front of another one. Safe for threads; a hit takes no lock.

    Args:
        upstream: the registry behind the cache.
        limits: see ``CacheLimits``.
        clock: seconds, monotonic, for tags.
    """

    def __init__(
        self,
        upstream: Registry,
        *,
        limits: CacheLimits | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        limits = limits or CacheLimits()
        self._upstream = upstream
        self._tag_ttl_s = limits.tag_ttl_s
        self._tags: TimedCache[_Key, str] = TimedCache(limits.manifests, clock=clock)
        self._manifests: BoundedCache[_Key, Manifest] = BoundedCache(
            limits.manifests, most_weight=limits.manifest_bytes, weight=lambda manifest: len(manifest.raw)
        )
        self._configs: BoundedCache[_Key, bytes] = BoundedCache(
            limits.configs, most_weight=limits.config_bytes, weight=len
        )
        self._flights: SingleFlight[Hashable, Any] = SingleFlight()

    def manifest(
        self, image: ImageReference, *, access: RegistryAccess = ANONYMOUS, deadline_s: float
    ) -> Lookup[Manifest]:
        """See ``ports.registry``."""
        wanted = _normal(image)
        cached = self._cached(wanted, access)
        if cached is not None:
            return Found(cached, CACHE)
        return self._merged(
            _Key("manifest", wanted, access), deadline_s, lambda left: self._fetched(image, wanted, access, left)
        )

    def _fetched(
        self, image: ImageReference, wanted: ImageReference, access: RegistryAccess, deadline_s: float
    ) -> Lookup[Manifest]:
        """The upstream's answer, cached before the merged request ends, so that no other caller sends it again."""
        cached = self._cached(wanted, access)
        if cached is not None:
            return Found(cached, CACHE)
        answer = self._upstream.manifest(image, access=access, deadline_s=deadline_s)
        if isinstance(answer, Found):
            manifest = answer.value
            self._manifests.put(_Key("manifest", _pinned(wanted, manifest.digest), access), manifest)
            if not wanted.id:
                self._tags.put(_Key("tag", wanted, access), manifest.digest, ttl_s=self._tag_ttl_s)
        return answer

    def _cached(self, wanted: ImageReference, access: RegistryAccess) -> Manifest | None:
        """The cached manifest, or None."""
        digest = wanted.id or self._tags.get(_Key("tag", wanted, access))
        if digest is None:
            return None
        return self._manifests.get(_Key("manifest", _pinned(wanted, digest), access))

    def config(
        self, image: ImageReference, manifest: Manifest, *, access: RegistryAccess = ANONYMOUS, deadline_s: float
    ) -> Lookup[bytes]:
        """See ``ports.registry``."""
        if manifest.config is None:
            return Absent("a manifest of this kind has no configuration")
        key = _Key("config", _pinned(_normal(image), manifest.config.digest), access)
        cached = self._configs.get(key)
        if cached is not None:
            return Found(cached, CACHE)
        answer = self._merged(
            key, deadline_s, lambda left: self._upstream.config(image, manifest, access=access, deadline_s=left)
        )
        if isinstance(answer, Found):
            self._configs.put(key, answer.value)
        return answer

    def tags(
        self, repository: ImageReference, *, access: RegistryAccess = ANONYMOUS, deadline_s: float
    ) -> Lookup[tuple[str, ...]]:
        """See ``ports.registry``; merged, never cached."""
        key = _Key("tags", _normal(repository.as_repository()), access)
        return self._merged(
            key, deadline_s, lambda left: self._upstream.tags(repository, access=access, deadline_s=left)
        )

    def signatures(
        self, image: ImageReference, digest: str, *, access: RegistryAccess = ANONYMOUS, deadline_s: float
    ) -> Lookup[tuple[bytes, ...]]:
        """See ``ports.registry``; merged, never cached."""
        key = _Key("signatures", _normal(image.as_repository()), access, digest)
        return self._merged(
            key, deadline_s, lambda left: self._upstream.signatures(image, digest, access=access, deadline_s=left)
        )

    def _merged(self, key: _Key, deadline_s: float, ask: Callable[[float], Lookup[T]]) -> Lookup[T]:
        """One request for all callers that need it now.

        A caller whose shared request failed before its own deadline sends a new one.
        """
        until = time.monotonic() + deadline_s
        try:
            return cast(
                "Lookup[T]",
                self._flights.do(
                    key,
                    lambda: ask(max(0.0, until - time.monotonic())),
                    until=until,
                    failed=lambda answer: isinstance(answer, Unknown) and answer.retryable,
                ),
            )
        except TimeoutError as error:
            return RegistryUnknown(f"{key.image.exact}: {error}", error_kind=RegistryErrorKind.UNREACHABLE)


def _normal(image: ImageReference) -> ImageReference:
    return image.with_docker_defaults().as_v2().most_specific()


def _pinned(image: ImageReference, digest: str) -> ImageReference:
    return replace(image, tag="", id=digest)


if TYPE_CHECKING:  # mypy checks each adapter against its port
    _: type[Registry] = CachedRegistry
