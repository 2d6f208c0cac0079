"""Evidence from a lock file and, while it is made anew, from the servers themselves.

What a server says is put into the lock first and answered from there, so that a suite says the same with and without
the servers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from imagegate.core.admission.lookup import Found, Lookup, Unknown
from imagegate.core.content_trust.question import TrustedDigest, TrustedImage
from imagegate.core.enforcement.questions import ManifestDigest
from imagegate.core.signing.requirements import ImageSignatures
from imagegate.core.vulnerabilities.advisor import AdvisorStatus
from imagegate.documents.policy_tests.lock import (
    AdvisorKey,
    Lock,
    LockedSignatures,
    LockedStatus,
    LockedTrust,
    SignaturesKey,
    TrustKey,
)

UPDATE = "imagegate test --update-lock"


class Servers(Protocol):
    """Registries, signature stores, trust servers and Vulnerability Advisor. Errors outside are ``Unknown``."""

    def digest(self, question: ManifestDigest, deadline_s: float) -> Lookup[str]:
        """The digest of a tag."""

    def signatures(self, question: ImageSignatures, deadline_s: float) -> Lookup[tuple[bytes, ...]]:
        """All signatures of a digest, unverified."""

    def trust(self, question: TrustedImage, deadline_s: float) -> Lookup[Mapping[str, bytes]]:
        """The trust data of a repository by name, unverified; empty: there is none."""

    def status(self, question: AdvisorStatus, deadline_s: float) -> Lookup[str]:
        """The status of an image."""


Verify = Callable[[TrustedImage, Mapping[str, bytes], datetime, float], Lookup[TrustedDigest]]
"""Verifies trust data as of a time, within seconds."""


@dataclass(slots=True)
class LockedEvidence:
    """Answers from a lock.

    Args:
        verify: see ``Verify``.
        servers: asked for what is not in the lock; None: nobody is.
    """

    lock: Lock
    verify: Verify
    servers: Servers | None = None
    looked_up: Lock = field(default_factory=Lock)
    """Answers of servers in this run."""

    def digest(self, name: str, question: ManifestDigest, deadline_s: float) -> Lookup[str] | None:
        """The digest of ``name``; None if it is not locked and nobody may be asked."""
        known = self.lock.images.get(name)
        if known is not None:
            return Found(known, self.lock.file)
        if self.servers is None:
            return None
        answer = self.servers.digest(question, deadline_s)
        if isinstance(answer, Found):
            self.looked_up.images[name] = self.lock.images[name] = answer.value
        return answer

    def signatures(self, question: ImageSignatures, deadline_s: float) -> Lookup[LockedSignatures]:
        """All signatures of a digest, unverified."""
        repository = f"{question.image.domain}/{question.image.path}"
        store = "" if question.store is None else question.store.url
        key = SignaturesKey(f"{repository}@{question.digest}", store)
        if key not in self.lock.signatures:
            if self.servers is None:
                return self._missing("signatures", f"{key.image} from {store or 'its registry'}")
            answer = self.servers.signatures(question, deadline_s)
            if not isinstance(answer, Found):
                return answer
            found = LockedSignatures(answer.value)
            self.looked_up.signatures[key] = self.lock.signatures[key] = found
        return Found(self.lock.signatures[key], store or repository)

    def trust(self, question: TrustedImage, deadline_s: float) -> Lookup[TrustedDigest]:
        """The trusted digest, as of the time at which the trust data was fetched."""
        key = TrustKey(question.server, question.gun)
        if key not in self.lock.trust:
            if self.servers is None:
                return self._missing("trust", f"{key.gun} from {key.server}")
            answer = self.servers.trust(question, deadline_s)
            if not isinstance(answer, Found):
                return answer
            found = LockedTrust(datetime.now(UTC), answer.value)
            self.looked_up.trust[key] = self.lock.trust[key] = found
        locked = self.lock.trust[key]
        return self.verify(question, locked.files, locked.at, deadline_s)

    def status(self, question: AdvisorStatus, deadline_s: float) -> Lookup[str]:
        """The status of an image."""
        key = AdvisorKey(question.reference, question.account)
        if key not in self.lock.advisor:
            if self.servers is None:
                return self._missing("advisor", key.image)
            answer = self.servers.status(question, deadline_s)
            if not isinstance(answer, Found):
                return answer
            self.looked_up.advisor[key] = self.lock.advisor[key] = LockedStatus(answer.value)
        return Found(self.lock.advisor[key].status, self.lock.file)

    def _missing(self, section: str, what: str) -> Unknown:
        return Unknown(f"{self.lock.file}: {section}: no entry for {what}: {UPDATE} adds it", retryable=False)
