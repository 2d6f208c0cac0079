"""Imports without a user's request: new tags, and tags that are imported on a schedule.

docs/spec/import-gate.md 6.5, docs/spec/image-policy.md 1.6. One process runs this for a store; two do no harm, since an
import that finds nothing new writes nothing, and one that was overtaken is a conflict and is left for the next round.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from imagegate.core.imports.image_object import JsonObject
from imagegate.core.imports.schedule import due_import, is_scheduled, pending_import
from imagegate.core.kube.status import IMAGE_GROUP, StatusError
from imagegate.ports.image_store import Collection, ImageStore, StoreError
from imagegate.service.imports.importer import Importer, ImportTarget

_log = logging.getLogger(__name__)
_STREAMS = Collection(IMAGE_GROUP, "imagestreams")
_STREAMS_AT_ONCE = 20
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 5.0, 1000.0

TargetOf = Callable[[str, str], ImportTarget]
"""(namespace, stream) -> target of its imports, with the controller's rights."""


@dataclass(frozen=True, slots=True)
class ScheduleSettings:
    """Settings of scheduled imports.

    Attributes:
        interval_s: least time between two scheduled imports of a stream (scheduledImageImportMinimumIntervalSeconds).
        per_minute: scheduled imports of all streams together (maxScheduledImageImportsPerMinute); -1: no limit.
        disabled: no scheduled imports (disableScheduledImport); new tags are imported all the same.
    """

    interval_s: float = 900.0
    per_minute: int = 60
    disabled: bool = False


@dataclass(slots=True)
class _Known:
    """State of one stream, by its uid."""

    next_scheduled: float
    failures: int = 0
    not_before: float = 0.0
    failed_version: str = ""


class ScheduledImports:
    """Checks all streams every round and imports those that are due.

    Args:
        store: of the streams.
        importer: does the imports.
        target_of: see ``TargetOf``.
        settings: see ``ScheduleSettings``.
        monotonic: seconds.
    """

    def __init__(
        self,
        store: ImageStore,
        importer: Importer,
        target_of: TargetOf,
        *,
        settings: ScheduleSettings | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._importer = importer
        self._target_of = target_of
        self._settings = settings or ScheduleSettings()
        self._monotonic = monotonic
        self._known: dict[str, _Known] = {}
        self._tokens = float(self._settings.per_minute)
        self._refilled = monotonic()

    def run_round(self, ends: Callable[[], bool] = lambda: False) -> list[str]:
        """Import every stream that is due.

        Args:
            ends: True once the round should stop; the streams that are left wait for the next process.

        Returns:
            ``NAMESPACE/NAME`` of those that were tried.

        Raises:
            StoreError: the streams cannot be read.
        """
        tried: list[str] = []
        present: set[str] = set()
        for stream in self._streams():
            if ends():
                return tried
            present.add(_stream_id(stream))
            if self._run_stream(stream):
                tried.append(f"{stream['metadata']['namespace']}/{stream['metadata']['name']}")
        self._forget_others(present)
        return tried

    def _streams(self) -> Iterator[JsonObject]:
        """All streams, a page at a time: in a large store they are more than a worker should hold at once."""
        after: tuple[str, str] | None = None
        while True:
            page = self._store.list_objects(_STREAMS, limit=_STREAMS_AT_ONCE, after=after)
            yield from page.items
            after = page.after
            if after is None:
                return

    def _run_stream(self, stream: JsonObject) -> bool:
        now = self._monotonic()
        known = self._known.get(_stream_id(stream))
        if known is None:
            known = self._known[_stream_id(stream)] = _Known(next_scheduled=now + self._settings.interval_s)
        version = stream["metadata"].get("resourceVersion", "")
        waits = now < known.not_before and version == known.failed_version
        document = None if waits else pending_import(stream)
        if document is None and self._is_due(stream, known, now):
            document = due_import(stream)
        if document is None:
            return False
        known.next_scheduled = now + self._settings.interval_s
        self._import(document, stream, known)
        return True

    def _is_due(self, stream: JsonObject, known: _Known, now: float) -> bool:
        if self._settings.disabled or now < known.next_scheduled or not is_scheduled(stream):
            return False
        return self._take_token(now)

    def _take_token(self, now: float) -> bool:
        if self._settings.per_minute == -1:
            return True
        most = float(self._settings.per_minute)
        self._tokens = min(most, self._tokens + (now - self._refilled) * most / 60)
        self._refilled = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def _import(self, document: JsonObject, stream: JsonObject, known: _Known) -> None:
        namespace, name = stream["metadata"]["namespace"], stream["metadata"]["name"]
        version = stream["metadata"].get("resourceVersion", "")
        try:
            answer = self._importer.run(document, namespace, self._target_of(namespace, name))
        except (StatusError, StoreError) as error:
            pause = self._wait_longer(known, version)
            _log.info("import of image stream %s/%s failed, next try in %.0f s: %s", namespace, name, pause, error)
            return
        if answer["status"]["import"]["metadata"].get("resourceVersion", "") == version:
            self._wait_longer(known, version)  # it failed again in the same way
        else:
            known.failures = 0

    def _wait_longer(self, known: _Known, version: str) -> float:
        """Leave the stream alone for a while unless it is changed; how long, in seconds."""
        pause = min(_FIRST_PAUSE_S * (1 << min(known.failures, 10)), _LONGEST_PAUSE_S)
        known.failures += 1
        known.not_before = self._monotonic() + pause
        known.failed_version = version
        return pause

    def _forget_others(self, present: set[str]) -> None:
        for gone in self._known.keys() - present:
            del self._known[gone]


def _stream_id(stream: JsonObject) -> str:
    metadata = stream["metadata"]
    return str(metadata.get("uid") or f"{metadata.get('namespace')}/{metadata.get('name')}")
