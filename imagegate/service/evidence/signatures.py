"""Answers ``ImageSignatures``: fetches the signatures of a manifest one by one and has them verified.

Reading stops as soon as the requirements are met, so that a signed image costs one signature. Verified signatures are
cached by repository, digest, store, pull secrets and key rings, never by tag: another tag of the same manifest uses
the same evidence. Outages are never cached.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache

from imagegate.caching import BoundedCache
from imagegate.core.admission.lookup import Absent, DeadlineExceeded, Found, Impossible, Lookup, Unknown
from imagegate.core.references.openshift import ImageReference
from imagegate.core.registry.pull_secrets import PullSecret
from imagegate.core.signing.key_ring import InvalidKeyRing, KeyRing
from imagegate.core.signing.requirements import (
    SIGNATURES_MAX,
    TOO_MANY_SIGNATURES,
    ImageSignatures,
    LookasideStore,
    Requirement,
    SignatureCheck,
    UnusableKeys,
    rings,
    unmet,
)
from imagegate.ports.registry import Registry, RegistryAccess
from imagegate.ports.signatures import MessageVerifier, SignatureStore

NOT_IN_TIME = "signatures were not read in time"


@dataclass(frozen=True, slots=True)
class SignatureLimits:
    """Limits of the evidence that is cached (docs/spec/enforcement.md 17).

    Attributes:
        accepted_s: seconds for evidence that met its requirements.
        refused_s: seconds for evidence that did not: a signature may have been added since.
        images_max: manifests; the one used least recently goes first.
        total_max_bytes: size of all signatures of one manifest.
    """

    accepted_s: float = 300.0
    refused_s: float = 30.0
    images_max: int = 8192
    total_max_bytes: int = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Key:
    repository: str
    digest: str
    store: LookasideStore | None
    secrets: tuple[PullSecret, ...]
    key_rings: tuple[KeyRing, ...]
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        fields = (self.repository, self.digest, self.store, self.secrets, self.key_rings)
        # The class is frozen, and hashing key rings costs more than the look-up: hash once.
        object.__setattr__(self, "_hash", hash(fields))

    def __hash__(self) -> int:
        return self._hash


@dataclass(frozen=True, slots=True)
class _Read:
    """Signatures read of one manifest so far. Replaced whole, so that reading it needs no lock."""

    since: float
    checks: tuple[SignatureCheck, ...] = ()
    complete: bool = False
    valid_until: datetime | None = None
    size: int = 0
    """Size of all blobs, in bytes."""

    def with_check(self, check: SignatureCheck, size: int) -> _Read:
        ends = [one.valid_until for one in check.by_ring.values() if one.valid_until is not None]
        if self.valid_until is not None:
            ends.append(self.valid_until)
        return replace(
            self,
            checks=(*self.checks, check),
            valid_until=min(ends) if ends else None,
            size=self.size + size,
        )


@dataclass(slots=True)
class _Evidence:
    """The lock holder fetches; other callers wait, or use what is cached."""

    read: _Read
    lock: threading.Lock = field(default_factory=threading.Lock)
    met: tuple[_Read, ImageSignatures] | None = None
    """The last evidence that met a question's requirements, and that question."""

    def meets(self, read: _Read, question: ImageSignatures) -> bool:
        """True if the evidence meets all requirements; the last result is cached."""
        met = self.met
        if met is not None and met[0] is read and met[1] is question:
            return True
        if not read.checks or _open(question, read.checks):
            return False
        self.met = (read, question)
        return True


class SignatureReader:
    """Reads signatures from the registry's extension, else from the lookaside store. Safe for threads."""

    def __init__(
        self,
        registry: Registry,
        store: SignatureStore,
        verifier: MessageVerifier,
        *,
        limits: SignatureLimits | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._registry = registry
        self._store = store
        self._verifier = verifier
        self._limits = limits or SignatureLimits()
        self._now = now
        self._monotonic = monotonic
        self._cached: BoundedCache[_Key, _Evidence] = BoundedCache(self._limits.images_max)

    def ask(self, question: ImageSignatures, *, deadline_s: float) -> Lookup[tuple[SignatureCheck, ...]]:
        """The signatures of ``question.digest``, verified; one look-up at a time for the same evidence."""
        key_rings = rings(question.requirements)
        unusable = self._unusable(key_rings)
        if unusable is not None:
            return unusable
        until = time.monotonic() + deadline_s
        evidence = self._cached.get_or_put(_key(question), lambda: _Evidence(_Read(self._monotonic())))
        if not evidence.lock.acquire(timeout=max(deadline_s, 0.0)):
            return DeadlineExceeded(NOT_IN_TIME)
        try:
            return self._from_cache(evidence, question) or self._read(evidence, question, key_rings, until)
        finally:
            evidence.lock.release()

    def cached(self, question: ImageSignatures) -> Found[tuple[SignatureCheck, ...]] | None:
        """The cached answer, or None. Never waits."""
        evidence = self._cached.get(_key(question))
        return None if evidence is None else self._from_cache(evidence, question)

    def _unusable(self, key_rings: tuple[KeyRing, ...]) -> UnusableKeys | None:
        for ring in key_rings:
            try:
                self._verifier.check(ring)
            except InvalidKeyRing as error:
                return UnusableKeys(str(error), retryable=False)
        return None

    def _from_cache(self, evidence: _Evidence, question: ImageSignatures) -> Found[tuple[SignatureCheck, ...]] | None:
        """The cached evidence, if it is fresh enough."""
        read = evidence.read
        if read.valid_until is not None and read.valid_until <= self._now():
            return None
        age = self._monotonic() - read.since
        if evidence.meets(read, question):
            return Found(read.checks, "cache") if age < self._limits.accepted_s else None
        return Found(read.checks, "cache") if read.complete and age < self._limits.refused_s else None

    def _read(
        self, evidence: _Evidence, question: ImageSignatures, key_rings: tuple[KeyRing, ...], until: float
    ) -> Lookup[tuple[SignatureCheck, ...]]:
        evidence.read = _Read(self._monotonic())
        own = self._registry.signatures(
            image_reference(question),
            question.digest,
            access=RegistryAccess(question.secrets, anonymous_first=True),
            deadline_s=until - time.monotonic(),
        )
        if isinstance(own, Unknown):
            return own
        if isinstance(own, Found):
            return self._from_registry(evidence, own, key_rings)
        if question.store is None:
            evidence.read = replace(evidence.read, complete=True)
            return Found(())
        return self._from_store(evidence, question, question.store, key_rings, until)

    def _from_registry(
        self, evidence: _Evidence, own: Found[tuple[bytes, ...]], key_rings: tuple[KeyRing, ...]
    ) -> Lookup[tuple[SignatureCheck, ...]]:
        if len(own.value) >= SIGNATURES_MAX:
            return Unknown(TOO_MANY_SIGNATURES, retryable=False)
        for blob in own.value:
            self._add(evidence, blob, own.source, key_rings)
        evidence.read = replace(evidence.read, complete=True)
        return Found(evidence.read.checks, own.source)

    def _from_store(
        self,
        evidence: _Evidence,
        question: ImageSignatures,
        store: LookasideStore,
        key_rings: tuple[KeyRing, ...],
        until: float,
    ) -> Lookup[tuple[SignatureCheck, ...]]:
        still_open: tuple[Requirement, ...] = question.requirements
        for number in range(1, SIGNATURES_MAX + 1):
            left_s = until - time.monotonic()
            if left_s <= 0:
                return DeadlineExceeded(NOT_IN_TIME)
            blob = self._store.signature(store, question.image.path, question.digest, number, deadline_s=left_s)
            if isinstance(blob, (Impossible, Unknown)):
                return blob
            if isinstance(blob, Absent):
                evidence.read = replace(evidence.read, complete=True)
                return Found(evidence.read.checks, store.url)
            check = self._add(evidence, blob.value, blob.source, key_rings)
            if evidence.read.size > self._limits.total_max_bytes:
                why = f"signatures of more than {self._limits.total_max_bytes} bytes"
                return Unknown(why, retryable=False)
            still_open = unmet(still_open, question.image, question.digest, check)
            if not still_open:
                return Found(evidence.read.checks, store.url)
        return Unknown(TOO_MANY_SIGNATURES, retryable=False)

    def _add(self, evidence: _Evidence, blob: bytes, source: str, key_rings: tuple[KeyRing, ...]) -> SignatureCheck:
        check = SignatureCheck(source, {ring: self._verifier.verify(blob, ring) for ring in key_rings})
        evidence.read = evidence.read.with_check(check, len(blob))
        return check


# A review asks with equal questions again and again; making their key costs more than finding it.
@lru_cache(maxsize=4096)
def _key(question: ImageSignatures) -> _Key:
    key_rings = rings(question.requirements)
    return _Key(question.image.repository, question.digest, question.store, question.secrets, key_rings)


def _open(question: ImageSignatures, checks: tuple[SignatureCheck, ...]) -> tuple[Requirement, ...]:
    still_open: tuple[Requirement, ...] = question.requirements
    for check in checks:
        still_open = unmet(still_open, question.image, question.digest, check)
    return still_open


def image_reference(question: ImageSignatures) -> ImageReference:
    """The repository and digest as the registry port expects them."""
    namespace, slash, name = question.image.path.partition("/")
    if not slash:
        namespace, name = "", namespace
    return ImageReference(question.image.domain, namespace, name, id=question.digest)
