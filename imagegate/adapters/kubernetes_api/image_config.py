"""``image.config.openshift.io/cluster``, watched."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from imagegate.adapters.kubernetes_api.connection import Connection, JsonObject
from imagegate.adapters.kubernetes_api.watched import Watched

PATH = "/apis/config.openshift.io/v1/images"
NAME = "cluster"
_PARTS = ("spec", "status")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class ImageConfigNow:
    """The object at one moment. Another value after every change."""

    found: JsonObject = field(default_factory=dict)
    """``spec`` and ``status``."""
    unavailable: str = ""
    """Why the object is not known."""


class ClusterImageConfig:
    """The object, as last seen. Safe for threads; never waits."""

    def __init__(self, connection: Callable[[], Connection]) -> None:
        self._changed: Callable[[], None] = lambda: None
        self._watched = Watched(
            connection, PATH, _slimmed, changed=self._note_change, field_selector=f"metadata.name={NAME}"
        )
        self.watches = (self._watched,)
        self._made: tuple[object, ImageConfigNow] = (None, ImageConfigNow())

    def listen(self, changed: Callable[[], None]) -> None:
        """Call ``changed`` after every change, in the thread of the watch. It must not wait."""
        self._changed = changed

    def now(self) -> ImageConfigNow:
        """The object; the same value as before if it has not changed."""
        stamp = (self._watched.snapshot, self._watched.state.synced)
        made = self._made
        if made[0] != stamp:
            made = self._made = (stamp, self._make())
        return made[1]

    def _note_change(self) -> None:
        self._changed()

    def _make(self) -> ImageConfigNow:
        if not self._watched.state.synced:
            return ImageConfigNow(unavailable=f"{PATH} of the cluster was not listed yet")
        found = self._watched.get("", NAME)
        if found is None:
            return ImageConfigNow(unavailable=f"there is no object {NAME} in {PATH} of the cluster")
        return ImageConfigNow(found)


def _slimmed(found: JsonObject) -> JsonObject:
    return {part: found[part] for part in _PARTS if part in found}
