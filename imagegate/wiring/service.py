"""The whole, built and loaded."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imagegate.adapters.file_watch import FileWatch
from imagegate.adapters.json_lines import JsonLines, lines_on
from imagegate.adapters.recent_records import RecentRecords
from imagegate.core.access import Access
from imagegate.core.evidence import Lookup
from imagegate.service.audit import DecisionLog
from imagegate.service.look_up import Count, Deadline, LookUp
from imagegate.service.policy_set import PolicyHolder
from imagegate.service.review import Recorder, Reviewer
from imagegate.settings import Settings
from imagegate.wiring.chosen import Chosen
from imagegate.wiring.inputs import Inputs
from imagegate.wiring.plugins import enforces_images

if TYPE_CHECKING:
    from imagegate.adapters.http_client import HttpClient
    from imagegate.adapters.store_sqlite.objects import SqliteStore
    from imagegate.wiring.image_api import ImageService

WATCH_EVERY_S = 1.0
ACCESS_WITHIN_S = 5.0


def now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


@dataclass(slots=True)
class Service:
    """What entry points need of the whole."""

    settings: Settings
    """As they were at the start; those that decide are read again with the documents."""
    policies: PolicyHolder
    look_up: LookUp
    reviewer: Reviewer
    watch: FileWatch
    recent: RecentRecords
    """The last decisions, if they are logged."""
    images: ImageService | None = None
    """The image API, where there is a store for it."""

    def store_trouble(self) -> str:
        """Why the store cannot be read; empty if it can, and where there is none."""
        return "" if self.images is None else self.images.store.database.trouble()

    def not_ready(self) -> list[str]:
        """What the service still waits for; empty once it can answer."""
        return []


def build(
    chosen: Chosen,
    *,
    recorders: Sequence[Recorder] = (),
    count: Count | None = None,
    log_decisions: bool = False,
    keeps_images: bool = False,
    shared: Path | None = None,
) -> Service:
    """Everything that reviews need. No thread is started.

    Args:
        recorders: are told of every decision.
        count: is told of every look-up.
        log_decisions: write a line for every decision to standard error.
        keeps_images: open the store, and serve the image API from it.
        shared: a folder through which processes of one service tell each other their last decisions.

    Raises:
        ConfigError: the settings or a document is wrong.
    """
    settings = chosen.settings()
    store = _store(chosen, settings) if keeps_images else None
    inputs = Inputs(chosen, store, whole=keeps_images)
    policies = PolicyHolder(inputs.load, now)
    answerers = inputs.answerers()
    http = None
    if keeps_images or enforces_images(settings):
        from imagegate.wiring.evidence import evidence_answerers, http_client  # imported when used: takes time

        http = http_client(settings)
        answerers |= evidence_answerers(settings, http)
    look_up = LookUp(answerers, count=count, stamp=inputs.stamp)
    recent = RecentRecords(shared)
    if log_decisions:
        recorders = (DecisionLog(now, JsonLines(lines_on(sys.stderr.fileno())), recent), *recorders)
    reviewer = Reviewer(
        policies, look_up, clock=now, recorders=recorders, default_timeout_s=settings.server.default_timeout_s
    )
    watch = FileWatch(inputs.files, policies.reload, every_s=WATCH_EVERY_S)
    service = Service(settings, policies, look_up, reviewer, watch, recent)
    if store is not None and http is not None:
        service.images = _images(service, inputs, store, http)
    return service


def _store(chosen: Chosen, settings: Settings) -> SqliteStore | None:
    from imagegate.wiring.image_api import open_store

    return open_store(settings, chosen.environ, now=now)


def _images(service: Service, inputs: Inputs, store: SqliteStore, http: HttpClient) -> ImageService:
    from imagegate.wiring.image_api import image_service
    from imagegate.wiring.import_registry import import_registry

    settings = service.settings
    return image_service(
        store,
        block=inputs.imports,
        hosts=lambda: inputs.hosts,
        policies=service.policies,
        reviewer=service.reviewer,
        registry=import_registry(settings, http, lambda: inputs.imports.additional_trusted_ca),
        access=_access(service.look_up) if settings.access_rules else None,
        now=now,
    )


def _access(look_up: LookUp) -> Callable[[Access], Lookup[Any]]:
    return lambda question: look_up.one(question, Deadline.after(ACCESS_WITHIN_S))
