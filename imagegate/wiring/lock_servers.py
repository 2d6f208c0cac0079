"""The servers that a lock file of policy tests is made from, as the service asks them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from imagegate.adapters.signing.lookaside import LookasideHttp
from imagegate.core.admission.lookup import Absent, DeadlineExceeded, Found, Impossible, Lookup, Unknown
from imagegate.core.content_trust.question import TrustedImage, TrustRefused
from imagegate.core.enforcement.questions import ManifestDigest
from imagegate.core.signing.requirements import SIGNATURES_MAX, TOO_MANY_SIGNATURES, ImageSignatures
from imagegate.core.vulnerabilities.advisor import AdvisorStatus
from imagegate.ports.registry import Registry, RegistryAccess
from imagegate.ports.signatures import SignatureStore
from imagegate.service.evidence.signatures import NOT_IN_TIME, image_reference
from imagegate.service.policy_tests.trust import RecordingTrustServers
from imagegate.service.review.lookups import Asker
from imagegate.settings.load import Settings
from imagegate.wiring.content_trust import notary_servers, trust_reader
from imagegate.wiring.registries import evidence_answerers, http_client, registry


@dataclass(frozen=True, slots=True)
class LockServers:
    """See ``service.policy_tests.locked.Servers``."""

    settings: Settings
    digests: Asker
    statuses: Asker
    registry: Registry
    store: SignatureStore
    trust_servers: RecordingTrustServers

    def digest(self, question: ManifestDigest, deadline_s: float) -> Lookup[str]:
        """See ``Servers``."""
        return self.digests(question, deadline_s=deadline_s)

    def status(self, question: AdvisorStatus, deadline_s: float) -> Lookup[str]:
        """See ``Servers``."""
        return self.statuses(question, deadline_s=deadline_s)

    def signatures(self, question: ImageSignatures, deadline_s: float) -> Lookup[tuple[bytes, ...]]:
        """See ``Servers``: those of the registry's extension, else all of the store."""
        until = time.monotonic() + deadline_s
        own = self.registry.signatures(
            image_reference(question),
            question.digest,
            access=RegistryAccess(question.secrets, anonymous_first=True),
            deadline_s=deadline_s,
        )
        if not isinstance(own, Absent) or question.store is None:
            return Found((), "") if isinstance(own, Absent) else own
        found: list[bytes] = []
        for number in range(1, SIGNATURES_MAX + 1):
            left_s = until - time.monotonic()
            if left_s <= 0:
                return DeadlineExceeded(NOT_IN_TIME)
            blob = self.store.signature(question.store, question.image.path, question.digest, number, deadline_s=left_s)
            if isinstance(blob, Absent):
                return Found(tuple(found), question.store.url)
            if isinstance(blob, (Impossible, Unknown)):
                return blob
            found.append(blob.value)
        return Unknown(TOO_MANY_SIGNATURES, retryable=False)

    def trust(self, question: TrustedImage, deadline_s: float) -> Lookup[Mapping[str, bytes]]:
        """See ``Servers``: every file that verifying the question fetches, also where it is refused."""
        reader = trust_reader(self.settings, self.trust_servers)
        answer = reader.ask(question, deadline_s=deadline_s)
        if isinstance(answer, Unknown) and not isinstance(answer, TrustRefused):
            return answer
        return Found(self.trust_servers.fetched.get((question.server, question.gun), {}), question.server)


def lock_servers(settings: Settings) -> LockServers:
    """The servers of the settings.

    Raises:
        InvalidSettings: certificates, addresses or mirrors cannot be used.
    """
    http = http_client(settings)
    answerers = evidence_answerers(settings, http)
    return LockServers(
        settings,
        answerers[ManifestDigest].ask,
        answerers[AdvisorStatus].ask,
        registry(settings, http),
        LookasideHttp(http),
        RecordingTrustServers(notary_servers(settings, http)),
    )
