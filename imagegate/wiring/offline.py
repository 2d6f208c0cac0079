"""Answers where nobody may be asked: registries, signature stores, trust servers and scanners."""

from __future__ import annotations

from imagegate.core.admission.lookup import Lookup, Unknown
from imagegate.core.admission.plugin import Question
from imagegate.core.content_trust.question import TrustedImage
from imagegate.core.enforcement.questions import ManifestDigest
from imagegate.core.signing.requirements import ImageSignatures
from imagegate.core.vulnerabilities.advisor import AdvisorStatus
from imagegate.core.vulnerabilities.rules import ImageScan
from imagegate.service.review.lookups import Answerer

EVIDENCE = (ManifestDigest, ImageSignatures, TrustedImage, AdvisorStatus, ImageScan)
"""Everything that servers outside the cluster are asked."""


def offline_answerers(why: str) -> dict[type[Question], Answerer]:
    """Answer every question about an image's evidence with ``Unknown``.

    Args:
        why: the reason, for messages.
    """

    def ask(question: Question, /, *, deadline_s: float) -> Lookup[object]:  # noqa: ARG001 - the port's signature
        return Unknown(why, retryable=False)

    return {question: Answerer(ask, immediate=True) for question in EVIDENCE}
