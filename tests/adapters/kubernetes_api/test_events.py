"""Events against an API server that misbehaves; the real one is in tests/cluster/test_denial_events.py."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from imagegate.adapters.kubernetes_api.events import ATTEMPTS, CONTROLLER, ClusterEvents
from imagegate.ports.events import Event, ObjectReference, Occurrences, Writing
from tests.adapters.kubernetes_api.api import MisbehavingApi, status
from tests.support.simulator import Request, Response

OWNER = ObjectReference("apps/v1", "ReplicaSet", "shop", "web-6d", "u-rs")
TOP = ObjectReference("apps/v1", "Deployment", "shop", "web", "u-d")
TOP_JSON = {"apiVersion": "apps/v1", "kind": "Deployment", "namespace": "shop", "name": "web", "uid": "u-d"}
AT = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
LATER = datetime(2026, 1, 2, 3, 5, 0, tzinfo=UTC)
ONCE = Occurrences(1, AT, AT)
THREE = Occurrences(3, AT, LATER)
ROOT = "/apis/events.k8s.io/v1/namespaces/shop/events"


def event(regarding: ObjectReference = OWNER, key: str = "k") -> Event:
    return Event(regarding=regarding, related=TOP, key=key, reason="ImageDenied", note="no", annotations={"a": "b"})


class EventsApi(MisbehavingApi):
    """Stores Events, unless it is told to answer something else."""

    def __init__(self) -> None:
        super().__init__()
        self.stored: dict[str, dict[str, Any]] = {}
        self.told: list[Response | None] = []
        """Answers to the next requests; None: the usual one."""
        self.conflicts = 0

    def answer(self, request: Request) -> Response:
        told = self.told.pop(0) if self.told else None
        if told is not None:
            return told
        body = json.loads(request.body or b"null")
        if request.method == "POST":
            name = body["metadata"]["name"]
            if name in self.stored:
                return status(409, "AlreadyExists")
            self.stored[name] = body
            body["metadata"]["resourceVersion"] = "1"
            return Response(201, json.dumps(body).encode())
        name = request.path.removeprefix(f"{ROOT}/")
        found = self.stored.get(name)
        if found is None:
            return status(404, "NotFound")
        if request.method == "PATCH":
            if self.conflicts or body["metadata"]["resourceVersion"] != found["metadata"]["resourceVersion"]:
                self.conflicts -= 1
                return status(409, "Conflict")
            found["series"] = body["series"]
            found["metadata"]["resourceVersion"] = str(int(found["metadata"]["resourceVersion"]) + 1)
        return Response(200, json.dumps(found).encode())


@pytest.fixture
def api() -> Iterator[EventsApi]:
    with EventsApi() as found:
        yield found


@pytest.fixture
def events(api: EventsApi, tmp_path: Path) -> ClusterEvents:
    connection = api.connection(tmp_path)
    return ClusterEvents(lambda: connection)


def tell(events: ClusterEvents, occurrences: Occurrences = ONCE, *, again: bool = False, **of: Any) -> Any:
    return events.tell(event(**of), occurrences, again=again, deadline_s=5)


def test_the_first_one_is_a_whole_event(api: EventsApi, events: ClusterEvents) -> None:
    assert tell(events) == (Writing.WRITTEN, "")
    ((name, found),) = api.stored.items()
    assert name.startswith("web-6d.")
    assert len(found.pop("reportingInstance")) <= 128
    assert found == {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": "shop", "annotations": {"a": "b"}, "resourceVersion": "1"},
        "eventTime": "2026-01-02T03:04:05.000678Z",
        "reportingController": CONTROLLER,
        "action": "Deny",
        "reason": "ImageDenied",
        "type": "Warning",
        "note": "no",
        "regarding": {**TOP_JSON, "kind": "ReplicaSet", "name": "web-6d", "uid": "u-rs"},
        "related": TOP_JSON,
    }


def test_repetitions_raise_the_count_whoever_told_it_first(api: EventsApi, events: ClusterEvents) -> None:
    assert tell(events, THREE)[0] == Writing.WRITTEN
    (found,) = api.stored.values()
    assert found["series"] == {"count": 3, "lastObservedTime": "2026-01-02T03:05:00.000000Z"}
    assert tell(events, THREE, again=True)[0] == Writing.WRITTEN
    assert found["series"]["count"] == 6
    assert tell(events)[0] == Writing.WRITTEN  # another process, which does not know of it
    assert found["series"]["count"] == 7
    assert tell(events, key="other")[0] == Writing.WRITTEN
    assert len(api.stored) == 2


def test_one_that_was_forgotten_is_told_anew(api: EventsApi, events: ClusterEvents) -> None:
    tell(events)
    api.stored.clear()
    assert tell(events, THREE, again=True)[0] == Writing.WRITTEN
    (found,) = api.stored.values()
    assert found["series"]["count"] == 3


def test_other_replicas_that_count_at_the_same_time_lose_nothing(api: EventsApi, events: ClusterEvents) -> None:
    tell(events)
    api.conflicts = ATTEMPTS - 1
    assert tell(events, again=True)[0] == Writing.WRITTEN
    api.conflicts = ATTEMPTS + 1
    result, why = tell(events, again=True)
    assert (result, why) == (Writing.REFUSED, "other replicas write the same Event all the time")


@pytest.mark.parametrize("name", ["Web_1", "x" * 253, "a..b/../c", "-web"])
def test_a_name_that_no_event_can_have_is_left_out(api: EventsApi, events: ClusterEvents, name: str) -> None:
    assert tell(events, regarding=OWNER._replace(name=name))[0] == Writing.WRITTEN
    (stored,) = api.stored
    assert stored.startswith("imagegate.") or name == "a..b/../c"
    assert "/" not in stored


@pytest.mark.parametrize(
    "code, result",
    [
        (400, Writing.REFUSED),
        (403, Writing.REFUSED),
        (404, Writing.REFUSED),
        (422, Writing.REFUSED),
        (401, Writing.UNANSWERED),
        (429, Writing.UNANSWERED),
        (500, Writing.UNANSWERED),
        (503, Writing.UNANSWERED),
    ],
)
def test_which_answers_are_final(api: EventsApi, events: ClusterEvents, code: int, result: Writing) -> None:
    api.told = [status(code, "no")]
    assert tell(events) == (result, "no")


@pytest.mark.parametrize(
    "found",
    [
        {},
        {"metadata": {"resourceVersion": "1"}, "reportingController": "other", "regarding": {"uid": "u-rs"}},
        {"metadata": {"resourceVersion": "1"}, "reportingController": CONTROLLER, "regarding": {"uid": "another"}},
        {"metadata": {"resourceVersion": 1}, "reportingController": CONTROLLER, "regarding": {"uid": "u-rs"}},
        {"metadata": [], "reportingController": CONTROLLER, "regarding": []},
    ],
    ids=str,
)
def test_an_event_that_is_not_ours_is_left_alone(api: EventsApi, events: ClusterEvents, found: Any) -> None:
    api.told = [status(409, "AlreadyExists"), Response(200, json.dumps(found).encode())]
    assert tell(events) == (Writing.REFUSED, "the Event of this name is not imagegate's")
    assert "PATCH" not in [each.method for each in api.requests]


@pytest.mark.parametrize(
    "series, count",
    [
        ({"count": 2**31 - 1}, 2**31 - 1),
        ({"count": -5}, 4),
        ({"count": "9"}, 4),
        ({"count": 2**40}, 4),
        ([], 4),
        (None, 4),
    ],
)
def test_a_hostile_count(api: EventsApi, events: ClusterEvents, series: Any, count: int) -> None:
    tell(events)
    (found,) = api.stored.values()
    found["series"] = series
    tell(events, THREE, again=True)
    assert found["series"]["count"] == count


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"x" * 5_000_000])
def test_answers_that_are_no_object(api: EventsApi, events: ClusterEvents, content: bytes) -> None:
    api.told = [Response(201, content)]
    assert tell(events)[0] == Writing.UNANSWERED


def test_a_silent_server_and_none_at_all_end_at_the_deadline(api: EventsApi, events: ClusterEvents) -> None:
    def silent() -> Iterator[bytes]:
        api.stopping.wait(10)
        yield b""

    api.told = [Response(201, silent())]
    began = time.monotonic()
    result, why = events.tell(event(), ONCE, again=False, deadline_s=0.5)
    assert (result, time.monotonic() - began < 3) == (Writing.UNANSWERED, True)
    assert "API server" in why
    api.stopping.set()
    api.__exit__(None, None, None)
    assert tell(events)[0] == Writing.UNANSWERED
