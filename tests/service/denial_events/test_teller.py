"""Who is told of a denial, and that no review waits for it."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from imagegate.core.admission.lookup import Absent, Found, Lookup, Unknown
from imagegate.core.admission.owners import Owner
from imagegate.core.admission.request import Phase
from imagegate.ports.events import Event, Occurrences, Writing
from imagegate.service.denial_events import teller
from imagegate.service.denial_events.teller import DenialEvents
from imagegate.service.denial_events.waiting import WAITING_PER_NAMESPACE
from imagegate.service.policies.policy_set import Mode, Modes
from tests.service.plugins import allowing, denying, review, reviewer
from tests.support.processes import wait_until


def holder(kind: str, name: str, above: dict[str, Any] | None = None, namespace: str = "default") -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": name, "namespace": namespace, "uid": f"u-{name}"}
    if above is not None:
        metadata["ownerReferences"] = [reference(above)]
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": metadata}


def reference(owner: dict[str, Any]) -> dict[str, Any]:
    metadata = owner["metadata"]
    return {
        "apiVersion": "apps/v1",
        "kind": owner["kind"],
        "name": metadata["name"],
        "uid": metadata["uid"],
        "controller": True,
    }


DEPLOYMENT = holder("Deployment", "web")
REPLICA_SET = holder("ReplicaSet", "web-6d", DEPLOYMENT)


class Cluster:
    """Owners in memory, and what was told."""

    def __init__(self, *objects: dict[str, Any]) -> None:
        self.objects = {each["metadata"]["name"]: each for each in objects}
        self.other: Callable[[Owner], Lookup[dict[str, Any]]] = lambda question: Absent("not found")
        self.told: list[tuple[Event, Occurrences, bool]] = []
        self.results: list[tuple[Writing, str]] = []
        self.counted: Counter[str] = Counter()
        self.holding = threading.Event()
        self.holding.set()

    def owner(self, question: Owner, *, deadline_s: float) -> Lookup[dict[str, Any]]:
        found = self.objects.get(question.name)
        return self.other(question) if found is None else Found(found)

    def tell(self, event: Event, occurrences: Occurrences, *, again: bool, deadline_s: float) -> tuple[Writing, str]:
        self.holding.wait(20)
        self.told.append((event, occurrences, again))
        return self.results.pop(0) if self.results else (Writing.WRITTEN, "")

    def count(self, result: str) -> None:
        self.counted[result] += 1


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teller, "EVERY_S", 0.02)
    monkeypatch.setattr(teller, "PAUSE_S", 0.05)


def telling(cluster: Cluster) -> DenialEvents:
    found = DenialEvents(cluster, cluster, clock=lambda: datetime.now(UTC))
    found.start(cluster.count)
    return found


def asked(owner: dict[str, Any] = REPLICA_SET, image: str = "nginx", **more: Any) -> dict[str, Any]:
    document = review(image, **more)
    document["request"]["object"]["metadata"]["ownerReferences"] = [reference(owner)]
    return document


def deny(cluster: Cluster, *documents: dict[str, Any], modes: Modes | None = None) -> None:
    service = reviewer(denying("image-policy", "no"), recorders=(telling(cluster),), modes=modes)
    for each in documents or (asked(),):
        service.review(each, Phase.MUTATE)


def test_the_owner_and_the_topmost_workload_are_told_with_each_other() -> None:
    cluster = Cluster(REPLICA_SET, DEPLOYMENT)
    deny(cluster, asked(), asked(), asked())
    wait_until(lambda: cluster.counted["written"] == 1, "the events")
    (first, occurrences, again), (second, _, _) = cluster.told
    assert (first.regarding.kind, first.regarding.uid) == ("ReplicaSet", "u-web-6d")
    assert (second.regarding, second.related) == (first.related, first.regarding)
    assert second.regarding.kind == "Deployment"
    assert (occurrences.count, again, first.reason) == (3, False, "ImageDenied")
    assert (
        first.note
        == second.note
        == "Pod of ReplicaSet web-6d was denied by image-policy: spec.containers[0].image: nginx: no"
    )


def test_an_owner_without_a_controller_is_told_alone() -> None:
    cluster = Cluster(DEPLOYMENT)
    deny(cluster, asked(DEPLOYMENT))
    wait_until(lambda: cluster.counted["written"] == 1, "the event")
    assert [(each.regarding.kind, each.related) for each, _, _ in cluster.told] == [("Deployment", None)]


@pytest.mark.parametrize(
    "there",
    [
        [],
        [{**REPLICA_SET, "metadata": {**REPLICA_SET["metadata"], "uid": "another"}}],
        [holder("ReplicaSet", "web-6d", namespace="")],
    ],
    ids=["none", "another UID", "no namespace"],
)
def test_an_owner_that_the_object_only_claims_is_not_told(there: list[dict[str, Any]]) -> None:
    cluster = Cluster(*there)
    deny(cluster)
    wait_until(lambda: cluster.counted["no-owner"] == 1, "the result")
    assert cluster.told == []


def test_an_owner_that_is_no_object_is_not_told() -> None:
    cluster = Cluster()
    cluster.other = lambda question: Found({"kind": "ReplicaSet", "metadata": []})
    deny(cluster)
    wait_until(lambda: cluster.counted["no-owner"] == 1, "the result")


def test_an_owner_that_may_not_be_read_is_told_alone() -> None:
    cluster = Cluster()
    cluster.other = lambda question: Unknown("forbidden")
    deny(cluster)
    wait_until(lambda: cluster.counted["written"] == 1, "the event")
    assert [(each.regarding.name, each.related) for each, _, _ in cluster.told] == [("web-6d", None)]


def test_owners_that_go_round_in_a_circle_end() -> None:
    one = holder("ReplicaSet", "one", holder("ReplicaSet", "two"))
    two = holder("ReplicaSet", "two", one)
    cluster = Cluster(one, two)
    deny(cluster, asked(one))
    wait_until(lambda: cluster.counted["written"] == 1, "the events")


def test_what_nobody_is_told_of() -> None:
    cluster = Cluster(REPLICA_SET, DEPLOYMENT)
    recorder = telling(cluster)
    reviewer(allowing(), recorders=(recorder,)).review(asked(), Phase.MUTATE)
    dry = reviewer(denying("image-policy", "no"), recorders=(recorder,))
    dry.review(asked(dryRun=True), Phase.MUTATE)
    dry.review(review(), Phase.MUTATE)
    for mode in (Mode.WARN, Mode.AUDIT):
        service = reviewer(denying("image-policy", "no"), recorders=(recorder,), modes=Modes(mode))
        service.review(asked(), Phase.MUTATE)
    dry.review(asked(image="marker"), Phase.MUTATE)
    wait_until(lambda: cluster.counted["written"] == 1, "the event of the marker")
    assert [occurrences.count for _, occurrences, _ in cluster.told] == [1, 1]


def test_an_answer_that_does_not_come_is_waited_for_and_told_in_the_end(caplog: pytest.LogCaptureFixture) -> None:
    cluster = Cluster(DEPLOYMENT)
    cluster.results = [(Writing.UNANSWERED, "down")] * 2
    deny(cluster, asked(DEPLOYMENT), asked(DEPLOYMENT))
    wait_until(lambda: cluster.counted["written"] == 1, "the event")
    assert cluster.counted == {"unanswered": 2, "written": 1}
    assert [(occurrences.count, again) for _, occurrences, again in cluster.told] == [(2, False)] * 3
    (line,) = [each.getMessage() for each in caplog.records]
    assert line.startswith(
        "an Event about a denial could not be written: Deployment default/web: down; next attempt in "
    )


def test_a_refusal_is_final_and_others_are_told(caplog: pytest.LogCaptureFixture) -> None:
    cluster = Cluster(DEPLOYMENT)
    cluster.results = [(Writing.REFUSED, "events is forbidden")]
    deny(cluster, asked(DEPLOYMENT), asked(DEPLOYMENT, image="other"))
    wait_until(lambda: cluster.counted.total() == 1, "one of two equal denials")
    assert "events is forbidden" in caplog.text


def test_a_fault_does_not_end_the_thread(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(teller, "PAUSE_MAX_S", 0.05)
    cluster = Cluster(DEPLOYMENT)

    def fail(_question: Owner) -> Lookup[dict[str, Any]]:
        raise RuntimeError("surprise")

    cluster.other = fail
    service = reviewer(denying("image-policy", "no"), recorders=(telling(cluster),))
    service.review(asked(REPLICA_SET), Phase.MUTATE)
    wait_until(lambda: "surprise" in caplog.text, "the traceback")
    service.review(asked(DEPLOYMENT), Phase.MUTATE)
    wait_until(lambda: cluster.counted["written"] == 1, "the next event")


def test_no_review_waits_and_what_has_no_room_is_counted() -> None:
    cluster = Cluster(DEPLOYMENT)
    cluster.holding.clear()
    service = reviewer(denying("image-policy", "no"), recorders=(telling(cluster),))
    service.review(asked(DEPLOYMENT, image="first"), Phase.MUTATE)
    time.sleep(0.2)
    began = time.monotonic()
    for number in range(WAITING_PER_NAMESPACE + 50):
        document = asked(holder("ReplicaSet", f"web-{number}"))
        response = service.review(document, Phase.MUTATE)["response"]
        assert response["allowed"] is False
    assert time.monotonic() - began < 2
    assert cluster.counted == {"dropped": 50}
    cluster.holding.set()


class TestEnd:
    def test_what_waits_is_told_at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(teller, "EVERY_S", 600)
        cluster = Cluster(DEPLOYMENT)
        events = telling(cluster)
        service = reviewer(denying("image-policy", "no"), recorders=(events,))
        service.review(asked(DEPLOYMENT), Phase.MUTATE)
        events.stop(within_s=20)
        assert [each.regarding.kind for each, _, _ in cluster.told] == ["Deployment"]

    def test_a_repetition_does_not_wait_for_its_minute(self) -> None:
        cluster = Cluster(DEPLOYMENT)
        events = telling(cluster)
        service = reviewer(denying("image-policy", "no"), recorders=(events,))
        service.review(asked(DEPLOYMENT), Phase.MUTATE)
        wait_until(lambda: cluster.counted["written"] == 1, "the event")
        service.review(asked(DEPLOYMENT), Phase.MUTATE)
        events.stop(within_s=20)
        assert [(occurrences.count, again) for _, occurrences, again in cluster.told] == [(1, False), (1, True)]

    def test_an_api_server_that_does_not_answer_is_not_waited_for(self, caplog: pytest.LogCaptureFixture) -> None:
        cluster = Cluster(DEPLOYMENT)
        cluster.holding.clear()
        events = telling(cluster)
        reviewer(denying("image-policy", "no"), recorders=(events,)).review(asked(DEPLOYMENT), Phase.MUTATE)
        events.stop(within_s=0.2)
        assert cluster.told == []
        assert "Events about some denials were not written" in caplog.text
        cluster.holding.set()

    def test_without_a_denial_it_ends_at_once(self, caplog: pytest.LogCaptureFixture) -> None:
        events = telling(Cluster())
        events.stop(within_s=20)
        assert caplog.text == ""
        DenialEvents(Cluster(), Cluster(), clock=lambda: datetime.now(UTC)).stop(within_s=20)  # never started
