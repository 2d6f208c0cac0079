"""Results of reading the documents, as processes tell them each other."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from imagegate.service.policies.change import Change
from imagegate.service.policies.policy_set import Held, PolicySet, ReloadState


def held(found: Change, fresh: PolicySet, since: datetime, weaker_after_s: float) -> Held:
    """Policies that wait for a second reason."""
    return Held(
        since=since,
        reasons=found.reasons,
        rules=tuple(map(str, found.rules)),
        counts={plugin.name: plugin.rules.total for plugin in fresh.every},
        until=None if found.cut_off else since + timedelta(seconds=weaker_after_s),
    )


def note_of(state: ReloadState) -> dict[str, Any]:
    """The result of an attempt to read the documents, for other processes."""
    return {
        "at": state.at.isoformat(),
        "problem": state.error,
        "restored": state.restored,
        "held": state.held and state.held.to_json(),
    }


def state_of(note: Mapping[str, Any]) -> ReloadState:
    """The source of ``note_of``."""
    waiting = note["held"]
    return ReloadState(
        datetime.fromisoformat(note["at"]),
        note["problem"],
        waiting
        and Held(
            since=datetime.fromisoformat(waiting["since"]),
            reasons=tuple(waiting["reasons"]),
            rules=tuple(waiting["rules"]),
            counts=waiting["counts"],
            until=waiting["until"] and datetime.fromisoformat(waiting["until"]),
        ),
        note["restored"],
    )
