from __future__ import annotations

import pytest

from imagegate.service.replay import tally
from imagegate.service.replay.comparison import Change, Difference
from imagegate.service.replay.recorded import Judged, Reason, Word
from imagegate.service.replay.tally import Tally, sums
from imagegate.service.review.both_passes import creation
from tests.support.audit_events import pod

DENIED = Judged(Word.DENIED)


def add(found: Tally, *images: str, place: str = "a:1", namespace: str = "shop") -> None:
    reasons = tuple(Reason("image-policy", "rejected-by-rule", "no-hub", image, "no") for image in images)
    request = creation(pod(*images, namespace=namespace), uid="1")
    found.add(place, request, DENIED, Difference(Change.NEWLY_DENIED, reasons))


def test_requests_are_grouped_and_the_first_is_the_example() -> None:
    first, second = Tally(), Tally()
    add(first, "nginx", place="a:1")
    add(second, "nginx", place="a:2")
    add(second, "redis", "redis", place="a:3")
    first.merge(second)
    (nginx, redis) = first.listed(Change.NEWLY_DENIED)
    assert (nginx[0].image, nginx[1], nginx[2].place) == ("nginx", 2, "a:1")
    assert (redis[0].image, redis[1], redis[2].place) == ("redis", 1, "a:3")
    assert first.changes[Change.NEWLY_DENIED] == first.replayed == 3
    assert sums(first.listed(Change.NEWLY_DENIED), lambda group: group.namespace) == {"shop": 3}


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    for limit in ("GROUPS_MAX", "TROUBLES_MAX"):
        monkeypatch.setattr(tally, limit, 2)
    found = Tally()
    for number in range(5):
        part = Tally()
        add(part, f"nginx:{number}")
        part.add_broken(f"a:{number}", "no")
        found.merge(part)
    assert (len(found.groups), found.beyond[Change.NEWLY_DENIED]) == (2, 3)
    assert (found.broken, len(found.troubles)) == (5, 2)
    for number in range(500):
        found.add_not_replayable(f"reason {number}")
    assert found.not_replayable["other reasons"] == 400


def test_long_names_are_cut() -> None:
    found = Tally()
    add(found, "a" * 5000)
    assert len(found.listed(Change.NEWLY_DENIED)[0][0].image) == 512
