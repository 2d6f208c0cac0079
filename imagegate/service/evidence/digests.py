"""Looks up the digest that a reference names, in its registry."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from imagegate.caching import TimedCache
from imagegate.core.admission.lookup import Found, Lookup, Unknown
from imagegate.core.enforcement.questions import ManifestDigest, NeedsCredentials
from imagegate.ports.registry import Registry, RegistryAccess, RegistryErrorKind, RegistryUnknown

CACHE = "cache"


@dataclass(frozen=True, slots=True)
class DigestLimits:
    """Limits of the digests that one process caches.

    Attributes:
        tag_s: seconds to cache the digest of a tag; 0: look it up every time.
        digest_s: seconds to cache that an image exists by its digest.
        answers_max: entries; the oldest goes first.
    """

    tag_s: float = 0.0
    digest_s: float = 300.0
    answers_max: int = 4096


class ManifestDigests:
    """Answers ``ManifestDigest``. Only digests that were found are cached, separately for each set of pull secrets."""

    def __init__(
        self,
        registry: Registry,
        *,
        limits: DigestLimits | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._registry = registry
        self._limits = limits or DigestLimits(digest_s=0.0)
        self._cached: TimedCache[ManifestDigest, Found[str]] = TimedCache(self._limits.answers_max, clock=clock)

    def cached(self, question: ManifestDigest) -> Found[str] | None:
        """The cached answer, or None. Never waits."""
        return self._cached.get(question)

    def ask(self, question: ManifestDigest, *, deadline_s: float) -> Lookup[str]:
        """The digest of the manifest's bytes; of a list, that of the list."""
        kept = self.cached(question)
        if kept is not None:
            return kept
        access = RegistryAccess(question.secrets, anonymous_first=True)
        answer = self._registry.manifest(question.image, access=access, deadline_s=deadline_s)
        if isinstance(answer, Found):
            ttl_s = self._limits.digest_s if question.image.id else self._limits.tag_s
            self._cached.put(question, Found(answer.value.digest, CACHE), ttl_s=ttl_s)
            return Found(answer.value.digest, answer.source)
        if isinstance(answer, RegistryUnknown) and answer.error_kind is RegistryErrorKind.NO_CREDENTIALS:
            return NeedsCredentials(answer.why, answer.retryable)
        if (
            isinstance(answer, RegistryUnknown)
            and answer.error_kind is RegistryErrorKind.INTEGRITY
            and question.image.id
        ):
            return Unknown(f"Manifest does not match provided manifest digest {question.image.id}", retryable=False)
        return answer
