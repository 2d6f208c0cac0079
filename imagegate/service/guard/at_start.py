"""Policies that would lock out guarded images are not put in force from files."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from imagegate.core.admission.answer_reader import AnswerReader
from imagegate.core.admission.lookup import Lookup
from imagegate.core.admission.plugin import KnownAnswers, Question
from imagegate.errors import InvalidPolicy
from imagegate.service.guard.lockout import Lockout, Protected, lockouts
from imagegate.service.guard.policy_guard import OVERRIDE, TOLD_MAX, PolicyGuard
from imagegate.service.policies.policy_set import PolicySet

LOOK_UPS_S = 5.0
"""Seconds for all look-ups: a start must not wait long for an API server that is silent."""
REPAIR = {
    "image-policy": "add an accept rule for it, or the namespace to imagePolicy.exemptNamespaces",
    "cise": "add an ImagePolicy that allows it in its namespace, or the namespace to cise.reservedNamespaces",
    "always-pull": "name the namespace in alwaysPull.namespaces with mode warn",
}

_log = logging.getLogger(__name__)


class LockoutCheck:
    """Judges policies before they are in force.

    Args:
        look_up: answers ``RunningImages`` and ``Namespace`` within a number of seconds; never raises.
        clock: gives the time.
    """

    def __init__(self, look_up: Callable[[Question, float], Lookup[Any]], *, clock: Callable[[], datetime]) -> None:
        self._look_up = look_up
        self._clock = clock
        self._protected: tuple[Protected, ...] = ()
        self._judged: tuple[PolicySet, str] | None = None

    def __call__(self, policies: PolicySet) -> None:
        """Accept the policies.

        Raises:
            InvalidPolicy: they deny guarded images, and the settings do not allow that.
        """
        guard = guard_of(policies)
        if guard is None:
            return
        names = guard.guarded.namespaces
        until = time.monotonic() + LOOK_UPS_S
        answers = KnownAnswers(
            (question, self._look_up(question, max(0.0, until - time.monotonic())))
            for question in guard.guarded.questions(names)
        )
        known = guard.guarded.known(names, AnswerReader(answers, final=True))
        self._protected, self._judged = known.protected, None
        for why in known.unknown:
            _log.warning("not every guarded image is known, so policies may deny one: %s", why)
        found = lockouts(policies.every, known.protected, now=self._clock())
        unsure = [each for each in found if not each.certain]
        for each in unsure[:TOLD_MAX]:
            _log.info("%s", each.doubt)
        certain = [each for each in found if each.certain]
        if not certain:
            return
        if guard.refuses:
            raise InvalidPolicy(*_refusal(certain))
        for each in certain[:TOLD_MAX]:
            _log.warning("policies lock out: %s", each)

    def problem(self, policies: PolicySet) -> str:
        """Guarded images that the policies in force deny, as far as the images were known when files were last read.

        Objects of a cluster can change while no guard is asked: no replica runs, or two changes cross.
        """
        if self._judged is None or self._judged[0] is not policies:
            found = lockouts(policies.every, self._protected, now=self._clock())
            told = [str(each) for each in found if each.certain]
            self._judged = policies, "; ".join(told[:TOLD_MAX])
        return self._judged[1]


def guard_of(policies: PolicySet) -> PolicyGuard | None:
    """The guard that was made with the policies; None if nothing is guarded."""
    return next((each.plugin for each in policies.plugins if isinstance(each.plugin, PolicyGuard)), None)


def _refusal(found: list[Lockout]) -> list[str]:
    lines = [f"guard: {each}: {REPAIR.get(each.plugin, 'change its policy')}; {OVERRIDE}" for each in found[:TOLD_MAX]]
    more = len(found) - TOLD_MAX
    return [*lines, *([f"guard: and {more} more images that may not start again"] if more > 0 else [])]
