"""Answers ``AdvisorStatus``; statuses are cached for a short time, failures never."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from imagegate.caching import TimedCache
from imagegate.core.admission.lookup import Found, Lookup
from imagegate.core.vulnerabilities.advisor import ALLOWING, AdvisorStatus
from imagegate.ports.vulnerabilities import VulnerabilityAdvisor


@dataclass(frozen=True, slots=True)
class AdvisorLimits:
    """Limits of the statuses that one process caches (docs/spec/enforcement.md 17).

    Attributes:
        allowed_s: seconds for a status that allows.
        denied_s: seconds for one that denies: a scan or an exemption may have been added since.
        statuses_max: entries; the oldest goes first.
    """

    allowed_s: float = 60.0
    denied_s: float = 30.0
    statuses_max: int = 4096


class AdvisorStatuses:
    """Statuses of images, cached by image, account and pull secrets. Safe for threads."""

    def __init__(
        self,
        advisor: VulnerabilityAdvisor,
        *,
        limits: AdvisorLimits | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._advisor = advisor
        self._limits = limits or AdvisorLimits()
        self._cached: TimedCache[AdvisorStatus, Found[str]] = TimedCache(self._limits.statuses_max, clock=clock)

    def cached(self, question: AdvisorStatus) -> Found[str] | None:
        """The cached answer, or None. Never waits."""
        return self._cached.get(question)

    def ask(self, question: AdvisorStatus, *, deadline_s: float) -> Lookup[str]:
        """The image's status."""
        answer = self._advisor.status(question, deadline_s=deadline_s)
        if isinstance(answer, Found):
            ttl_s = self._limits.allowed_s if answer.value in ALLOWING else self._limits.denied_s
            self._cached.put(question, answer, ttl_s=ttl_s)
        return answer
