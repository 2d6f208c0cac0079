"""Policies of files together with the policy objects of a cluster."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from imagegate.adapters.kubernetes_api.policies import ClusterPolicies
from imagegate.core.enforcement.plugin import CisePlugin
from imagegate.core.enforcement.policy import CLUSTER_IMAGE_POLICY, IMAGE_POLICY, PolicyGroup
from imagegate.documents.stored_policies import StoredPolicy, read_stored_policy
from imagegate.ports.policy_objects import PolicyObjectsNow
from imagegate.service.policies.policy_set import PolicyHolder, PolicySet
from imagegate.wiring.choices import StartupOptions
from imagegate.wiring.documents import PolicyDocuments
from imagegate.wiring.initial_policies import begin, owner
from imagegate.wiring.watched_policies import WARNINGS_MAX

GROUP = PolicyGroup.PORTIERIS


def now() -> datetime:
    return datetime.now(UTC)


def stored(name: str, *patterns: str, namespace: str = "", spec: Any = None) -> StoredPolicy:
    spec = {"repositories": [{"name": each} for each in patterns]} if spec is None else spec
    kind = IMAGE_POLICY if namespace else CLUSTER_IMAGE_POLICY
    return read_stored_policy({"metadata": {"name": name, "namespace": namespace}, "spec": spec}, GROUP, kind)


class Objects:
    """``PolicyObjects`` that tests change."""

    def __init__(self) -> None:
        self._now = PolicyObjectsNow(unavailable="not listed yet")

    def put(self, *objects: StoredPolicy) -> None:
        self._now = PolicyObjectsNow(tuple(sorted(objects, key=lambda each: each.key)))

    def now(self) -> PolicyObjectsNow:
        return self._now


class FakeCluster:
    """The part of ``wiring.cluster.Cluster`` that documents use."""

    mirrors = image_streams = image_config = None

    def __init__(self, objects: Objects) -> None:
        self.policies = objects
        self.snapshot = lambda: objects

    def answerers(self) -> dict[Any, Any]:
        return {}


class Process:
    def __init__(self, folder: Path, objects: Objects) -> None:
        options = StartupOptions(policies=(folder / "documents",), environ={})
        inputs = PolicyDocuments(options, cluster=FakeCluster(objects))  # type: ignore[arg-type]
        beginning = begin(inputs.load, None, clock=now)
        self.holder = PolicyHolder(lambda: beginning.policies, now)
        self.owner = owner(self.holder, beginning, inputs, folder / "shared", None, clock=now)

    @property
    def entries(self) -> list[str]:
        return patterns(self.holder.current)


def plugin_of(policies: PolicySet) -> CisePlugin:
    [plugin] = [each.plugin for each in policies.every if isinstance(each.plugin, CisePlugin)]
    return plugin


def patterns(policies: PolicySet) -> list[str]:
    return [entry.name for each in plugin_of(policies).policies.policies for entry in each.entries]


def document(name: str, *names: str) -> str:
    repositories = [{"name": each, "policy": None} for each in names]
    found = {"apiVersion": GROUP.value, "kind": CLUSTER_IMAGE_POLICY, "metadata": {"name": name}}
    return yaml.safe_dump({**found, "spec": {"repositories": repositories}})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("documents", "shared"):
        (tmp_path / name).mkdir()
    (tmp_path / "documents" / "p.yaml").write_text(document("file", "file.example/*"))
    return tmp_path


@pytest.fixture
def objects() -> Objects:
    return Objects()


@pytest.fixture
def process(folder: Path, objects: Objects) -> Process:
    return Process(folder, objects)


def test_nothing_is_decided_before_the_objects_are_known(process: Process, objects: Objects) -> None:
    assert plugin_of(process.holder.current).policies.unavailable == "not listed yet"
    objects.put(stored("a", "a.example/*"))
    process.owner.renew()
    assert plugin_of(process.holder.current).policies.unavailable == ""
    assert process.entries == ["a.example/*", "file.example/*"]


def test_weaker_objects_do_not_wait_and_files_still_do(process: Process, objects: Objects, folder: Path) -> None:
    objects.put(stored("a", "a.example/*"), stored("b", "b.example/*"), stored("c", "c.example/*", namespace="n"))
    process.owner.renew()
    before = process.holder.current
    objects.put(stored("z", "*"))
    process.owner.renew()
    assert process.entries == ["file.example/*", "*"]
    assert process.holder.current.version != before.version
    (folder / "documents" / "p.yaml").write_text("")
    for _ in range(3):
        process.owner.look()
    assert process.holder.state.held is not None
    assert process.entries == ["file.example/*", "*"]
    objects.put(stored("z", "z.example/*"))
    process.owner.renew()
    assert process.entries == ["file.example/*", "z.example/*"]
    assert process.holder.state.held is not None, "a change of objects says nothing about the files"


def test_files_that_change_are_put_in_force_with_the_objects_of_now(
    process: Process, objects: Objects, folder: Path
) -> None:
    objects.put(stored("a", "old.example/*"))
    process.owner.renew()
    fresh = process.holder.current
    objects.put(stored("a", "new.example/*"))
    process.owner._put(fresh)  # documents that were read before the objects changed
    assert process.entries == ["new.example/*", "file.example/*"]
    (folder / "documents" / "p.yaml").write_text(document("file", "file.example/*", "more.example/*"))
    for _ in range(3):
        process.owner.look()
    assert process.entries == ["new.example/*", "file.example/*", "more.example/*"]


def test_without_a_change_everything_stays_as_it_is(process: Process, objects: Objects) -> None:
    objects.put(stored("a", "a.example/*"))
    process.owner.renew()
    before = process.holder.current
    process.owner.renew()
    process.owner.look()
    assert process.holder.current is before


def test_the_version_is_the_same_for_the_same_content(folder: Path) -> None:
    versions = []
    for _ in range(2):
        objects = Objects()
        objects.put(stored("b", "b.example/*"), stored("a", "a.example/*"))
        versions.append(Process(folder, objects).holder.current.version)
    assert versions[0] == versions[1]


def test_an_object_in_a_file_has_precedence(process: Process, objects: Objects) -> None:
    objects.put(stored("file", "*"))
    process.owner.renew()
    assert process.entries == ["file.example/*"]
    [warning] = [each for each in process.holder.current.warnings if "cluster" in each]
    assert warning == f"ClusterImagePolicy file ({GROUP.value}) of the cluster is not in force: a file holds it, too"


def test_warnings_are_few_and_each_is_logged_once(
    process: Process, objects: Objects, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(numbers: Iterable[int]) -> list[StoredPolicy]:
        return [stored(f"p{number}", namespace="n", spec="x") for number in numbers]

    objects.put(*broken(range(50)))
    process.owner.renew()
    assert len(process.holder.current.warnings) == WARNINGS_MAX + 1
    assert process.holder.current.warnings[-1] == "30 more warnings about policies of the cluster"
    caplog.clear()
    objects.put(*broken(range(50)), stored("good", "*"))
    process.owner.renew()
    assert [each for each in caplog.records if each.levelname == "WARNING"] == []


def test_a_bug_leaves_what_is_in_force_and_is_reported(
    process: Process, objects: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects.put(stored("a", "a.example/*"))
    process.owner.renew()

    def raises() -> PolicyObjectsNow:
        raise KeyError("bug")

    monkeypatch.setattr(objects, "now", raises)
    process.owner.renew()
    assert process.entries == ["a.example/*", "file.example/*"]
    process.owner._report()
    assert "cannot be put in force: internal error: KeyError" in process.owner.divergence()


def test_watched_objects_are_of_the_groups_that_count() -> None:
    def never() -> Any:
        raise AssertionError

    found = ClusterPolicies(never, (PolicyGroup.CISE,))
    assert [watch.path for watch in found.watches] == [
        f"/apis/{PolicyGroup.CISE.value}/imagepolicies",
        f"/apis/{PolicyGroup.CISE.value}/clusterimagepolicies",
    ]
    assert "not known yet" in found.now().unavailable
    assert found.now() is found.now()
