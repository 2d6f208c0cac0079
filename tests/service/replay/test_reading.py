from __future__ import annotations

from typing import Any

import pytest

from imagegate.errors import InvalidInput
from imagegate.service.replay.reading import documents_in, read_recorded
from imagegate.service.replay.recorded import Judged, NoChange, Reason, Recorded, Word
from tests.service.plugins import review
from tests.support.audit_events import event, pod


def then(document: dict[str, Any]) -> Judged:
    found = read_recorded(document)
    assert isinstance(found, Recorded)
    return found.then


def test_a_review_alone_has_no_verdict() -> None:
    assert then(review()).word is Word.NOT_RECORDED


def test_a_response_beside_the_request_is_the_verdict() -> None:
    uid = review()["request"]["uid"]
    assert then({**review(), "response": {"uid": uid, "allowed": True}}).word is Word.ALLOWED
    denied = {"uid": uid, "allowed": False, "status": {"message": "not this one"}}
    assert then({**review(), "response": denied}) == Judged(Word.DENIED, (Reason(because="not this one"),))


@pytest.mark.parametrize("response", [{"allowed": "yes"}, {"uid": "another", "allowed": True}, ["x"], {"uid": 1}])
def test_a_response_that_says_nothing_certain_is_broken(response: Any) -> None:
    with pytest.raises(InvalidInput):
        read_recorded({**review(), "response": response})


def test_lists_are_read_item_by_item() -> None:
    events = [event(pod("nginx")), event(pod("nginx"))]
    assert list(documents_in({"kind": "EventList", "apiVersion": "audit.k8s.io/v1", "items": events})) == events
    assert list(documents_in(events[0])) == events[:1]


def test_other_log_lines_are_no_change() -> None:
    assert isinstance(read_recorded({"logger": "imagegate.log", "level": "info", "message": "ready"}), NoChange)


@pytest.mark.parametrize(
    "document",
    [
        pod("nginx"),
        {"kind": "Event", "apiVersion": "v1"},
        {"kind": "Event", "apiVersion": "audit.k8s.io/v2"},
        [],
        1,
        {},
    ],
)
def test_anything_else_is_broken(document: Any) -> None:
    with pytest.raises(InvalidInput):
        read_recorded(document)


def test_a_manifest_is_told_apart() -> None:
    with pytest.raises(InvalidInput, match="imagegate check judges manifests"):
        read_recorded(pod("nginx"))
