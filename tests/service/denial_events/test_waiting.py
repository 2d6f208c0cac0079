"""Repetitions are added up; whoever makes many denials fills only a share."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from imagegate.core.admission.denied_object import DeniedObject, OwnerReference
from imagegate.service.denial_events.waiting import (
    KNOWN_MAX,
    REPEATED_S,
    TOLD_IN_WINDOW,
    TOLD_IN_WINDOW_PER_NAMESPACE,
    WAITING_PER_NAMESPACE,
    WINDOW_S,
    Waiting,
)

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def denied(namespace: str = "a", owner: str = "web", image: str = "x", note: str = "no") -> DeniedObject:
    reference = OwnerReference("apps/v1", "ReplicaSet", owner, f"u-{owner}")
    return DeniedObject(namespace, reference, "ImageDenied", note, (("imagegate.dev/image", image),))


def test_repetitions_are_one_with_the_last_note_of_a_round() -> None:
    waiting = Waiting()
    assert not waiting
    for second in range(3):
        assert waiting.add(denied(note=f"no {second}"), AT + timedelta(seconds=second))
    (due,) = waiting.take(0.0)
    assert (due.denied.note, due.again) == ("no 0", False)
    assert (due.occurrences.count, due.occurrences.first, due.occurrences.last) == (3, AT, AT + timedelta(seconds=2))
    assert not waiting


def test_repetitions_are_told_once_a_minute() -> None:
    waiting = Waiting()
    waiting.add(denied(), AT)
    assert len(waiting.take(0.0)) == 1
    waiting.add(denied(), AT)
    assert waiting.take(REPEATED_S - 1) == []
    assert waiting
    (due,) = waiting.take(REPEATED_S)
    assert (due.again, due.occurrences.count) == (True, 1)


def test_what_was_not_told_is_told_later_with_what_came_meanwhile() -> None:
    waiting = Waiting()
    waiting.add(denied(), AT)
    waiting.add(denied(), AT)
    (due,) = waiting.take(0.0)
    waiting.add(denied(), AT + timedelta(seconds=9))
    waiting.put_back(due)
    (again,) = waiting.take(1.0)
    assert (again.again, again.occurrences.count) == (False, 3)
    assert (again.occurrences.first, again.occurrences.last) == (AT, AT + timedelta(seconds=9))
    waiting.put_back(again)
    assert waiting
    assert len(waiting.take(2.0)) == 1
    assert not waiting


def test_a_namespace_has_a_share_of_what_waits_and_of_what_is_told() -> None:
    waiting = Waiting()
    taken = [waiting.add(denied("loud", image=str(number)), AT) for number in range(5000)]
    assert sum(taken) == WAITING_PER_NAMESPACE
    assert waiting.add(denied("quiet"), AT)
    first = waiting.take(0.0)
    assert [each.denied.namespace for each in first[:2]] == ["loud", "quiet"]
    assert len(first) == TOLD_IN_WINDOW_PER_NAMESPACE + 1
    assert waiting.take(1.0) == []
    assert len(waiting.take(WINDOW_S)) == TOLD_IN_WINDOW_PER_NAMESPACE


def test_many_namespaces_together_have_a_limit_too() -> None:
    waiting = Waiting()
    taken = [waiting.add(denied(f"n{number}"), AT) for number in range(5000)]
    assert sum(taken) == KNOWN_MAX
    assert len(waiting.take(0.0)) == TOLD_IN_WINDOW
    assert waiting.add(denied("new"), AT)  # one that was told makes room
    assert waiting.take(1.0) == []


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 40), st.integers(0, 3)), max_size=300))
def test_no_occurrence_is_lost_or_invented(steps: list[tuple[int, int, int]]) -> None:
    waiting, added, told, now = Waiting(), 0, 0, 0.0
    for namespace, image, what in steps:
        if what < 2:
            added += waiting.add(denied(f"n{namespace}", image=str(image)), AT)
        else:
            now += REPEATED_S
            for due in waiting.take(now):
                if what == 2:
                    told += due.occurrences.count
                else:
                    waiting.put_back(due)
    while waiting:
        now += REPEATED_S
        told += sum(due.occurrences.count for due in waiting.take(now))
    assert told == added
