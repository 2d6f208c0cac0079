"""Sources of verdicts about vulnerabilities."""

from __future__ import annotations

from typing import Protocol

from imagegate.core.admission.lookup import Lookup
from imagegate.core.vulnerabilities.advisor import AdvisorStatus


class VulnerabilityAdvisor(Protocol):
    """IBM Vulnerability Advisor. Safe for threads; nothing raises for errors outside."""

    def status(self, question: AdvisorStatus, *, deadline_s: float) -> Lookup[str]:
        """The image's status, within ``deadline_s`` seconds, retries included. Failures as ``AdvisorStatus`` says."""
