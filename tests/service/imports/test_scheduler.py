"""Imports without anybody asking, from a real docker-registry, with a clock that is turned by hand."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from imagegate.adapters.http.client import HttpClient
from imagegate.adapters.registry.client import HttpRegistry
from imagegate.adapters.store_sqlite.database import Database
from imagegate.adapters.store_sqlite.objects import SqliteStore
from imagegate.core.admission.lookup import Found
from imagegate.core.image_streams.stream import status_tag
from imagegate.core.registry.egress import AddressPolicy
from imagegate.core.registry.pull_secrets import PullSecret
from imagegate.ports.image_store import ObjectKey
from imagegate.service.imports.importer import Importer, StoredTarget
from imagegate.service.imports.scheduler import ScheduledImports, ScheduleSettings
from tests.support.certificates import Authority
from tests.support.registry import Registry

JsonObject = dict[str, Any]


class NoSecrets:
    """The ``NamespacePullSecrets`` of a namespace without any."""

    def pull_secrets(self, namespace: str, *, deadline_s: float) -> Found[tuple[PullSecret, ...]]:
        return Found(())


@dataclass
class Setup:
    """Scheduled imports and their clock."""

    store: SqliteStore
    importer: Importer
    now: float = 0.0
    settings: ScheduleSettings = field(default_factory=ScheduleSettings)

    def __post_init__(self) -> None:
        self.imports = self.made()

    def made(self, settings: ScheduleSettings | None = None) -> ScheduledImports:
        return ScheduledImports(
            self.store, self.importer, self.target, settings=settings or self.settings, monotonic=lambda: self.now
        )

    def target(self, namespace: str, name: str) -> StoredTarget:
        return StoredTarget(self.store, namespace, name)

    def create(self, name: str, source: str, *, scheduled: bool = False, reference: bool = False) -> None:
        tag = {
            "name": "v1",
            "from": {"kind": "DockerImage", "name": source},
            "importPolicy": {"scheduled": scheduled},
            "reference": reference,
        }
        body = {"metadata": {"name": name, "namespace": "test"}, "spec": {"tags": [tag]}, "status": {}}
        self.target("test", name).create_stream(body)

    def stream(self, name: str) -> JsonObject:
        found = self.store.get(ObjectKey("image.openshift.io", "imagestreams", "test", name))
        assert found is not None
        return found

    def images(self, name: str) -> list[str]:
        return [item["image"] for item in (status_tag(self.stream(name), "v1") or {}).get("items") or ()]


@pytest.fixture
def world(tmp_path: Path, ca: Authority) -> Setup:
    http = HttpClient(
        addresses=AddressPolicy.of(networks=("127.0.0.0/8",)), ca_files=(str(ca.bundle),), sleep=lambda _seconds: None
    )
    importer = Importer(
        HttpRegistry(http), NoSecrets(), now=lambda: datetime(2018, 6, 1, tzinfo=UTC), sleep=lambda _seconds: None
    )
    return Setup(SqliteStore(Database(tmp_path / "images.db")), importer)


def test_a_new_tag_is_imported_at_once_and_only_once(world: Setup, registry_tls: Registry) -> None:
    digest = registry_tls.push_sample("tiny-oci", "schedule/new:v1")
    world.create("app", f"{registry_tls.host}/schedule/new:v1")
    world.create("reference", f"{registry_tls.host}/schedule/new:v1", reference=True)
    assert world.imports.run_round() == ["test/app"]
    assert world.images("app") == [digest]
    world.now += 100_000
    assert world.imports.run_round() == []


def test_a_scheduled_tag_is_imported_when_its_time_has_come(world: Setup, registry_tls: Registry) -> None:
    one = registry_tls.push_sample("tiny-oci", "schedule/again:v1")
    world.create("app", f"{registry_tls.host}/schedule/again:v1", scheduled=True)
    assert world.imports.run_round() == ["test/app"]
    version = world.stream("app")["metadata"]["resourceVersion"]
    world.now = 899
    assert world.imports.run_round() == []
    world.now = 901
    assert world.imports.run_round() == ["test/app"]
    assert world.stream("app")["metadata"]["resourceVersion"] == version  # nothing new, nothing written
    two = registry_tls.push_sample("tiny-docker", "schedule/again:v1")
    assert world.imports.run_round() == []
    world.now = 1802
    assert world.imports.run_round() == ["test/app"]
    assert world.images("app") == [two, one]


@pytest.mark.parametrize("at_once", [1, 2, 5, 6])
def test_streams_are_read_a_few_at_a_time(
    world: Setup, registry_tls: Registry, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr("imagegate.service.imports.scheduler._STREAMS_AT_ONCE", at_once)
    registry_tls.push_sample("tiny-oci", "schedule/pages:v1")
    for number in range(5):
        world.create(f"app-{number}", f"{registry_tls.host}/schedule/pages:v1", scheduled=True)
    assert world.imports.run_round() == [f"test/app-{number}" for number in range(5)]
    assert world.imports.run_round() == []
    world.now = 901
    assert world.imports.run_round() == [f"test/app-{number}" for number in range(5)]


def test_scheduling_can_be_turned_off(world: Setup, registry_tls: Registry) -> None:
    registry_tls.push_sample("tiny-oci", "schedule/off:v1")
    world.create("app", f"{registry_tls.host}/schedule/off:v1", scheduled=True)
    imports = world.made(ScheduleSettings(disabled=True))
    assert imports.run_round() == ["test/app"]  # what is new is imported all the same
    world.now = 100_000
    assert imports.run_round() == []


@pytest.mark.parametrize("per_minute, counts", [(2, [2, 2, 1]), (-1, [5, 0, 0])])
def test_the_rate_of_all_streams_together(
    world: Setup, registry_tls: Registry, per_minute: int, counts: list[int]
) -> None:
    registry_tls.push_sample("tiny-oci", "schedule/rate:v1")
    for number in range(5):
        world.create(f"app-{number}", f"{registry_tls.host}/schedule/rate:v1", scheduled=True)
    imports = world.made(ScheduleSettings(per_minute=per_minute, interval_s=900))
    assert len(imports.run_round()) == 5  # new ones are not counted
    world.now = 901
    tried = []
    for _ in counts:
        tried.append(imports.run_round())
        assert imports.run_round() == []  # the minute's share is used up, or all are done
        world.now += 60
    assert [len(names) for names in tried] == counts
    assert sorted(name for names in tried for name in names) == [f"test/app-{number}" for number in range(5)]


def test_a_failure_is_tried_again_later_and_at_once_when_the_stream_changes(
    world: Setup, registry_tls: Registry
) -> None:
    world.create("app", f"{registry_tls.host}/schedule/late:v1", scheduled=True)
    assert world.imports.run_round() == ["test/app"]
    condition = (status_tag(world.stream("app"), "v1") or {})["conditions"][0]
    assert condition["reason"] == "NotFound"
    assert world.imports.run_round() == []
    digest = registry_tls.push_sample("tiny-oci", "schedule/late:v1")
    world.now = 901
    assert world.imports.run_round() == ["test/app"]
    assert world.images("app") == [digest]


def test_a_stream_that_was_changed_meanwhile_waits_for_its_turn(world: Setup, registry_tls: Registry) -> None:
    """The request names the version that was looked at; a conflict is no loss, only a later try."""
    registry_tls.push_sample("tiny-oci", "schedule/race:v1")
    world.create("app", f"{registry_tls.host}/schedule/race:v1")
    key = ObjectKey("image.openshift.io", "imagestreams", "test", "app")

    class Racing(StoredTarget):
        """Changes the stream before it is read."""

        def stream(self) -> JsonObject | None:
            found = world.stream("app")
            labels = {**(found["metadata"].get("labels") or {}), f"l{len(found['metadata'].get('labels') or {})}": "x"}
            body = {**found, "metadata": {**found["metadata"], "labels": labels}}
            return world.store.update(key, body, version=found["metadata"]["resourceVersion"])

    imports = ScheduledImports(
        world.store,
        world.importer,
        lambda namespace, name: Racing(world.store, namespace, name),
        monotonic=lambda: world.now,
    )
    assert imports.run_round() == ["test/app"]
    assert world.images("app") == []
    assert world.made().run_round() == ["test/app"]
    assert len(world.images("app")) == 1


def test_a_round_ends_with_its_process(world: Setup, registry_tls: Registry) -> None:
    registry_tls.push_sample("tiny-oci", "schedule/run:v1")
    for name in ("one", "two"):
        world.create(name, f"{registry_tls.host}/schedule/run:v1")
    answers = iter([False, True])
    assert world.imports.run_round(lambda: next(answers)) == ["test/one"]
    assert world.made().run_round() == ["test/two"]
