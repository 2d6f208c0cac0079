"""Streams of namespaces that are gone are removed; those of others never are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from imagegate.core.admission.lookup import Absent, Found, Lookup, Unknown
from imagegate.ports.image_store import Collection, ObjectKey
from imagegate.service.image_api.orphans import AT_ONCE, EVERY_S, Orphans
from tests.support.image_api import Api, make_api

GROUP = "image.openshift.io"


class Cluster:
    """Namespaces as told."""

    def __init__(self, *names: str) -> None:
        self.answers: dict[str, Lookup[dict[str, Any]]] = {name: Found({}) for name in names}

    def namespace(self, name: str, *, deadline_s: float) -> Lookup[dict[str, Any]]:
        return self.answers.get(name, Absent("not found", "namespaces"))

    def secrets(
        self,
        namespace: str,
        types: tuple[str, ...],
        *,
        deadline_s: float,
    ) -> Lookup[tuple[dict[str, Any], ...]]:
        return Found(())

    def limit_ranges(self, namespace: str, *, deadline_s: float) -> Lookup[tuple[dict[str, Any], ...]]:
        return Found(())


@pytest.fixture
def api(tmp_path: Path) -> Api:
    found = make_api(tmp_path / "images.db")
    for namespace in ("left", "kept", "z"):
        for name in ("a", "b"):
            put(found, namespace, name)
    return found


def put(api: Api, namespace: str, name: str) -> None:
    body = {"kind": "ImageStream", "apiVersion": f"{GROUP}/v1", "metadata": {"name": name, "namespace": namespace}}
    api.store.create(ObjectKey(GROUP, "imagestreams", namespace, name), body)


def namespaces(api: Api) -> set[str]:
    items = api.store.list_objects(Collection(GROUP, "imagestreams")).items
    return {each["metadata"]["namespace"] for each in items}


class Rounds:
    """Rounds, each as long after the other as they are apart."""

    def __init__(self, api: Api, cluster: Cluster) -> None:
        self.time = 0.0
        self.orphans = Orphans(api.store, api.api.streams, cluster, clock=lambda: self.time)

    def run(self, times: int = 1, *, apart_s: float = EVERY_S) -> None:
        for _ in range(times):
            self.orphans.run_round()
            self.time += apart_s


def test_a_namespace_that_is_absent_twice(api: Api) -> None:
    for number in range(AT_ONCE + 5):
        put(api, "left", f"more-{number}")
    cluster = Cluster("kube-system", "kept", "z", "left")
    rounds = Rounds(api, cluster)
    rounds.run()
    del cluster.answers["left"]
    rounds.run()
    assert namespaces(api) == {"left", "kept", "z"}
    rounds.run()
    assert namespaces(api) == {"kept", "z"}


def test_rounds_in_quick_succession_are_one(api: Api) -> None:
    cluster = Cluster("kube-system", "kept", "z", "left")
    rounds = Rounds(api, cluster)
    rounds.run()
    del cluster.answers["left"]
    rounds.run(5, apart_s=1)
    assert namespaces(api) == {"left", "kept", "z"}


def test_one_that_was_never_seen_may_still_come(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    Rounds(api, Cluster("kube-system", "kept", "z")).run(4)
    assert namespaces(api) == {"left", "kept", "z"}
    assert caplog.messages == ["the store has image streams of namespace left, which does not exist"]


def test_one_that_is_absent_only_once(api: Api) -> None:
    cluster = Cluster("kube-system", "kept", "z", "left")
    rounds = Rounds(api, cluster)
    for _ in range(3):
        cluster.answers["left"] = Found({})
        rounds.run()
        del cluster.answers["left"]
        rounds.run()
    assert namespaces(api) == {"left", "kept", "z"}


def test_an_api_server_that_cannot_say(api: Api) -> None:
    cluster = Cluster("kube-system", "kept", "z", "left")
    rounds = Rounds(api, cluster)
    rounds.run()
    cluster.answers["left"] = Unknown("away")
    rounds.run(3)
    assert namespaces(api) == {"left", "kept", "z"}


def test_an_api_server_without_any_namespace_is_not_believed(api: Api) -> None:
    cluster = Cluster("kube-system", "kept", "z", "left")
    rounds = Rounds(api, cluster)
    rounds.run()
    cluster.answers.clear()
    rounds.run(3)
    assert namespaces(api) == {"left", "kept", "z"}
