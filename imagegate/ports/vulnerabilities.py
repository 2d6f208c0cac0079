"""Sources of verdicts about vulnerabilities."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from imagegate.core.admission.lookup import Lookup
from imagegate.core.references.openshift import ImageReference
from imagegate.core.vulnerabilities.advisor import AdvisorStatus
from imagegate.ports.registry import RegistryAccess


class VulnerabilityAdvisor(Protocol):
    """IBM Vulnerability Advisor. Safe for threads; nothing raises for errors outside."""

    def status(self, question: AdvisorStatus, *, deadline_s: float) -> Lookup[str]:
        """The image's status, within ``deadline_s`` seconds, retries included. Failures as ``AdvisorStatus`` says."""


@dataclass(frozen=True, slots=True)
class FoundDocument:
    """A report or VEX document as it was found.

    Attributes:
        place: file or URL, for messages.
        content: its bytes, unread.
        names_image: True if the place names the digest it was looked up for.
        modified: when the place says that it was written.
        is_attached: True if whoever may push the image may have written it.
    """

    place: str
    content: bytes
    names_image: bool = False
    modified: datetime | None = None
    is_attached: bool = False


class ReportDocuments(Protocol):
    """A place with reports or VEX documents. Safe for threads; nothing raises for errors outside."""

    def documents(
        self, image: ImageReference, *, access: RegistryAccess, max_bytes: int, deadline_s: float
    ) -> Lookup[tuple[FoundDocument, ...]]:
        """The documents for ``image``, which is named by digest; perhaps others too, where the place does not sort
        them by image. None of them: ``Absent`` or an empty tuple.

        A document that is there and cannot be read, or has more than ``max_bytes``, makes the answer ``Unknown``.
        """
