"""Mirror objects of OpenShift, watched: ImageDigestMirrorSet, ImageTagMirrorSet, ImageContentSourcePolicy."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from functools import partial

from imagegate.adapters.kubernetes_api.connection import Connection, JsonObject
from imagegate.adapters.kubernetes_api.watched import Watched
from imagegate.core.registry.mirrors import MirrorRule
from imagegate.documents.mirror_sets import KINDS, MirrorKind, StoredMirrors, merged, read_stored_mirrors

_log = logging.getLogger(__name__)


class ClusterMirrors:
    """The mirror rules of a cluster. A kind that is not installed has no objects. Safe for threads; never waits."""

    def __init__(self, connection: Callable[[], Connection]) -> None:
        self.watches = tuple(Watched(connection, kind.path, partial(_read, kind), optional=True) for kind in KINDS)
        self._made: tuple[tuple[object, ...], tuple[MirrorRule, ...]] | None = None

    def rules(self) -> tuple[MirrorRule, ...] | None:
        """The rules as last seen; None until every kind was listed: one of its objects may close a source."""
        if not all(watch.state.synced for watch in self.watches):
            return None
        stamp = tuple(watch.snapshot for watch in self.watches)
        made = self._made
        if made is None or made[0] != stamp:  # threads may make it at the same time; any of the results is right
            made = self._made = stamp, tuple(merged(rule for each in self._objects() for rule in each.rules))
        return made[1]

    def broken(self) -> Iterator[str]:
        """Objects that cannot be read, a sentence for each."""
        return (each.broken for each in self._objects() if each.broken)

    def _objects(self) -> Iterator[StoredMirrors]:
        for watch in self.watches:
            yield from sorted(watch.all(), key=lambda each: each.name)


def _read(kind: MirrorKind, found: JsonObject) -> StoredMirrors:
    mirrors = read_stored_mirrors(found, kind)
    if mirrors.broken:
        _log.error("%s", mirrors.broken)
    return mirrors
