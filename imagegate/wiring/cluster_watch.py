"""One watch of the cluster, as operators see it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from imagegate.adapters.kubernetes_api.watched import NOT_ASKED, Watched

STALE_S = 180.0
"""A watch that the API server has said nothing in for so long is reported; with bookmarks it speaks every minute."""


class Watch(NamedTuple):
    """How current the objects of one kind are."""

    kind: str
    """``RESOURCE`` or ``RESOURCE.GROUP``."""
    age_s: float
    """Seconds since the API server was last heard from about it."""
    objects: int
    synced: bool
    """False until all objects were listed."""
    asked: bool
    """False until the API server was asked."""
    failure: str
    """Why the last attempt failed; empty while the watch is open."""

    def never_synced(self) -> str:
        """Why nothing is known yet; empty if something is."""
        return "" if self.synced else f"{self.kind} not listed yet: {self.failure or 'the API server is answering'}"

    def trouble(self) -> str:
        """Why the objects may be old; empty if they are not."""
        if not self.synced or (not self.failure and self.age_s < STALE_S):
            return ""
        return (
            f"{self.kind} are as they were {self.age_s:.0f} s ago, when the API server was last heard from: "
            f"{self.failure or 'no word'}"
        )


def watch_of(watched: Watched[Any]) -> Watch:
    """The watch now."""
    state = watched.state
    asked = state.synced or state.failure != NOT_ASKED
    return Watch(_kind(watched.path), state.silent_s, len(watched), state.synced, asked, state.failure)


def never_synced(watches: Sequence[Watched[Any]]) -> str:
    """Why some were never listed; empty if all were."""
    return "; ".join(filter(None, (watch_of(each).never_synced() for each in watches)))


def troubles(watches: Sequence[Watched[Any]]) -> str:
    """Why some may be old; empty if none is."""
    return "; ".join(filter(None, (watch_of(each).trouble() for each in watches)))


def _kind(path: str) -> str:
    """``RESOURCE.GROUP`` of an API path; for the core group ``RESOURCE``."""
    _, root, *groups, _, resource = path.split("/")
    return f"{resource}.{groups[0]}" if root == "apis" else resource
