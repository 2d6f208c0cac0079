"""Recorded documents are untrusted: whatever is in them, a record is replayed, counted, or broken."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from imagegate.errors import InvalidInput
from imagegate.service.replay.comparison import compare, judge
from imagegate.service.replay.reading import read_recorded
from imagegate.service.replay.recorded import NoChange, NotReplayable, Recorded
from imagegate.service.replay.tally import Tally
from imagegate.wiring.choices import StartupOptions
from imagegate.wiring.offline import offline_answerers
from imagegate.wiring.runtime import build
from tests.service.plugins import review
from tests.support.audit_events import denied, event, pod
from tests.support.service import CONFIG

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.sampled_from(["Pod", "v1", "create", "apps"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
RECORD = {
    "logger": "imagegate.decision",
    "operation": "CREATE",
    "resource": "pods",
    "allowed": False,
    "uid": "1",
    "namespace": "shop",
    "user": "ann",
    "decisions": [
        {
            "plugin": "image-policy",
            "verdict": "denied",
            "mode": "enforce",
            "codes": ["no-rule-allows"],
            "images": ["quay.io/a/b:1"],
            "denials": [{"at": "spec", "image": "quay.io/a/b:1", "code": "no-rule-allows", "because": "no"}],
        }
    ],
}
WHOLE = (
    event(pod("nginx")),
    event(pod("nginx"), code=403, message=denied("image-policy.imagegate.dev")),
    event({}, verb="patch", level="RequestResponse", responseObject=pod("nginx"), code=200),
    {**review(), "response": {"uid": review()["request"]["uid"], "allowed": True}},
    RECORD,
)
REVIEWER = build(
    StartupOptions(settings_file=CONFIG / "imagegate.yaml", environ={}), evidence=offline_answerers("offline")
).reviewer


def places(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    entries = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    return [path, *(place for key, value in entries for place in places(value, (*path, key)))]


def changed(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    copy = document.copy()
    copy[path[0]] = changed(document[path[0]], path[1:], value)
    return copy


@given(st.data())
@settings(max_examples=400, deadline=None)
def test_any_value_anywhere_is_handled(data: st.DataObject) -> None:
    document: Any = data.draw(st.sampled_from(WHOLE))
    for _ in range(data.draw(st.integers(1, 2))):
        document = changed(document, data.draw(st.sampled_from(places(document))), data.draw(VALUES))
    try:
        entry = read_recorded(document)
    except InvalidInput:
        return
    assert isinstance(entry, Recorded | NotReplayable | NoChange)
    if isinstance(entry, Recorded):
        now = judge(REVIEWER, entry.request)
        tally = Tally()
        tally.add("a:1", entry.request, now, compare(entry.request, entry.then, now))
        assert tally.replayed == 1
