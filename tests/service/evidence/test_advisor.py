"""Statuses of Vulnerability Advisor are cached for a short time."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from imagegate.core.admission.lookup import Found, Lookup, Unknown
from imagegate.core.vulnerabilities.advisor import AdvisorStatus
from imagegate.service.evidence.advisor import AdvisorLimits, AdvisorStatuses

QUESTION = AdvisorStatus("icr.io", "a", "icr.io/a:1", "")


@dataclass
class Peer:
    """A service with one answer."""

    answer: Lookup[str]
    asked: list[AdvisorStatus] = field(default_factory=list)

    def status(self, question: AdvisorStatus, *, deadline_s: float) -> Lookup[str]:
        self.asked.append(question)
        return self.answer


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("status, kept_s", [("OK", 60), ("WARN", 60), ("UNSUPPORTED", 60), ("FAIL", 30), ("", 30)])
def test_a_status_is_kept_for_its_time(status: str, kept_s: int) -> None:
    clock, peer = Clock(), Peer(Found(status, "there"))
    statuses = AdvisorStatuses(peer, clock=clock)
    assert statuses.cached(QUESTION) is None
    answer = statuses.ask(QUESTION, deadline_s=1)
    clock.now += kept_s - 1
    assert statuses.cached(QUESTION) is answer
    clock.now += 1
    assert statuses.cached(QUESTION) is None


def test_failures_and_other_questions_are_not_kept() -> None:
    peer = Peer(Unknown("Not found"))
    statuses = AdvisorStatuses(peer)
    statuses.ask(QUESTION, deadline_s=1)
    assert statuses.cached(QUESTION) is None
    peer.answer = Found("OK")
    statuses.ask(QUESTION, deadline_s=1)
    assert statuses.cached(AdvisorStatus("icr.io", "a", "icr.io/a:1", "account")) is None


def test_caching_can_be_turned_off() -> None:
    statuses = AdvisorStatuses(Peer(Found("OK")), limits=AdvisorLimits(allowed_s=0, denied_s=0))
    statuses.ask(QUESTION, deadline_s=1)
    assert statuses.cached(QUESTION) is None
