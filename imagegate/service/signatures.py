"""Answers ``ImageSignatures``: fetches the signatures of a manifest one by one and has them verified.

Reading stops as soon as the requirements are met, so that a signed image costs one signature. What was verified
is kept by repository, digest, store, pull secrets and key rings, never by tag: another tag of the same manifest is
judged on the same evidence. Outages are never kept.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from imagegate.core.evidence import Absent, Found, Lookup, OutOfTime, Unknown
from imagegate.core.key_ring import InvalidKeyRing, KeyRing
from imagegate.core.pull_secrets import PullSecret
from imagegate.core.reference import ImageReference
from imagegate.core.simple_signing import (
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
    """How long evidence is kept and how much of it (``spec/cise.md`` section 17).

    Attributes:
        accepted_s: evidence that met its requirements.
        refused_s: evidence that did not: a signature may have been added.
        images_max: manifests whose evidence is kept.
        total_max_bytes: of all signatures of one manifest.
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


@dataclass(slots=True)
class _Evidence:
    """What was read of one manifest so far. Changed only by who holds ``lock``; ``checks`` is replaced, not changed."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    checks: tuple[SignatureCheck, ...] = ()
    complete: bool = False
    since: float = 0.0
    valid_until: datetime | None = None
    size: int = 0

    def restart(self, now: float) -> None:
        self.checks, self.complete, self.since, self.valid_until, self.size = (), False, now, None, 0


class SignatureReader:
    """Asks the registry's signature extension, else the lookaside store. Safe for threads."""

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
        self._lock = threading.Lock()
        self._kept: OrderedDict[_Key, _Evidence] = OrderedDict()

    def ask(self, question: ImageSignatures, *, deadline_s: float) -> Lookup[tuple[SignatureCheck, ...]]:
        """The signatures of ``question.digest``, verified; one look-up at a time for the same evidence."""
        key_rings = rings(question.requirements)
        unusable = self._unusable(key_rings)
        if unusable is not None:
            return unusable
        until = time.monotonic() + deadline_s
        key = _Key(question.image.repository, question.digest, question.store, question.secrets, key_rings)
        evidence = self._evidence(key)
        if not evidence.lock.acquire(timeout=max(deadline_s, 0.0)):
            return OutOfTime(NOT_IN_TIME)
        try:
            return self._read(key, evidence, question, until)
        finally:
            evidence.lock.release()

    def remembered(self, question: ImageSignatures) -> Lookup[tuple[SignatureCheck, ...]] | None:
        """The answer if it can be given at once from what is kept, else None. Never waits."""
        key = _Key(
            question.image.repository,
            question.digest,
            question.store,
            question.secrets,
            rings(question.requirements),
        )
        evidence = self._kept.get(key)
        if evidence is None or not evidence.lock.acquire(blocking=False):
            return None
        try:
            return self._kept_answer(evidence, question)
        finally:
            evidence.lock.release()

    def _unusable(self, key_rings: tuple[KeyRing, ...]) -> UnusableKeys | None:
        for ring in key_rings:
            try:
                self._verifier.check(ring)
            except InvalidKeyRing as error:
                return UnusableKeys(str(error), retryable=False)
        return None

    def _evidence(self, key: _Key) -> _Evidence:
        with self._lock:
            evidence = self._kept.get(key)
            if evidence is None:
                evidence = self._kept[key] = _Evidence(since=self._monotonic())
                if len(self._kept) > self._limits.images_max:
                    self._kept.popitem(last=False)
            else:
                self._kept.move_to_end(key)
            return evidence

    def _kept_answer(self, evidence: _Evidence, question: ImageSignatures) -> Found[tuple[SignatureCheck, ...]] | None:
        """What is kept, if it is fresh enough for what it says."""
        if evidence.valid_until is not None and evidence.valid_until <= self._now():
            return None
        age = self._monotonic() - evidence.since
        if evidence.checks and not _open(question, evidence.checks):
            return Found(evidence.checks, "cache") if age < self._limits.accepted_s else None
        return Found(evidence.checks, "cache") if evidence.complete and age < self._limits.refused_s else None

    def _read(
        self, key: _Key, evidence: _Evidence, question: ImageSignatures, until: float
    ) -> Lookup[tuple[SignatureCheck, ...]]:
        kept = self._kept_answer(evidence, question)
        if kept is not None:
            return kept
        evidence.restart(self._monotonic())
        image = _image_reference(question)
        own = self._registry.signatures(
            image,
            question.digest,
            access=RegistryAccess(question.secrets, anonymous_first=True),
            deadline_s=until - time.monotonic(),
        )
        if isinstance(own, Unknown):
            return own
        if isinstance(own, Found):
            return self._from_registry(key, evidence, own)
        if key.store is None:
            evidence.complete = True
            return Found(())
        return self._from_store(key, key.store, evidence, question, until)

    def _from_registry(
        self, key: _Key, evidence: _Evidence, own: Found[tuple[bytes, ...]]
    ) -> Lookup[tuple[SignatureCheck, ...]]:
        if len(own.value) >= SIGNATURES_MAX:
            return Unknown(TOO_MANY_SIGNATURES, retryable=False)
        for blob in own.value:
            self._add(key, evidence, blob, own.source)
        evidence.complete = True
        return Found(evidence.checks, own.source)

    def _from_store(
        self, key: _Key, store: LookasideStore, evidence: _Evidence, question: ImageSignatures, until: float
    ) -> Lookup[tuple[SignatureCheck, ...]]:
        still_open: tuple[Requirement, ...] = question.requirements
        for number in range(1, SIGNATURES_MAX + 1):
            left_s = until - time.monotonic()
            if left_s <= 0:
                return OutOfTime(NOT_IN_TIME)
            blob = self._store.signature(store, question.image.path, question.digest, number, deadline_s=left_s)
            if isinstance(blob, Unknown):
                return blob
            if isinstance(blob, Absent):
                evidence.complete = True
                return Found(evidence.checks, store.url)
            check = self._add(key, evidence, blob.value, blob.source)
            if evidence.size > self._limits.total_max_bytes:
                why = f"signatures of more than {self._limits.total_max_bytes} bytes"
                return Unknown(why, retryable=False)
            still_open = unmet(still_open, question.image, question.digest, check)
            if not still_open:
                return Found(evidence.checks, store.url)
        return Unknown(TOO_MANY_SIGNATURES, retryable=False)

    def _add(self, key: _Key, evidence: _Evidence, blob: bytes, source: str) -> SignatureCheck:
        by_ring = {ring: self._verifier.verify(blob, ring) for ring in key.key_rings}
        check = SignatureCheck(source, by_ring)
        evidence.checks = (*evidence.checks, check)
        evidence.size += len(blob)
        ends = [one.valid_until for one in by_ring.values() if one.valid_until is not None]
        if evidence.valid_until is not None:
            ends.append(evidence.valid_until)
        evidence.valid_until = min(ends) if ends else None
        return check


def _open(question: ImageSignatures, checks: tuple[SignatureCheck, ...]) -> tuple[Requirement, ...]:
    still_open: tuple[Requirement, ...] = question.requirements
    for check in checks:
        still_open = unmet(still_open, question.image, question.digest, check)
    return still_open


def _image_reference(question: ImageSignatures) -> ImageReference:
    """The repository and digest as the registry port wants them."""
    namespace, slash, name = question.image.path.partition("/")
    if not slash:
        namespace, name = "", namespace
    return ImageReference(question.image.domain, namespace, name, id=question.digest)
