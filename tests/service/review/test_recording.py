"""Recording never delays a review, loses nothing while sinks are quick, and counts what it drops."""

from __future__ import annotations

import gc
import logging
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from imagegate.core.admission.decision import Decision
from imagegate.core.admission.request import Phase
from imagegate.service.policies.policy_set import Mode
from imagegate.service.review import recording as module
from imagegate.service.review.decided import CACHED_MAX, FIELD_MAX, Decided, Kinds
from imagegate.service.review.recording import Recording
from imagegate.service.review.response import Outcome, Verdict
from tests.service.plugins import allowing, denial, invalid, request, review, reviewer
from tests.support.processes import wait_until


class Sink:
    """Keeps what it is given; waits, or fails, on request."""

    def __init__(self) -> None:
        self.taken: list[Decided] = []
        self.batches = 0
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.error: Exception | None = None

    def take(self, batch: Sequence[Decided]) -> None:
        self.may_go_on.wait(20)
        if self.error is not None:
            raise self.error
        self.taken += batch
        self.batches += 1


@pytest.fixture
def sink() -> Iterator[Sink]:
    made = Sink()
    yield made
    made.may_go_on.set()


def outcome(uid: str = "u", *, plugin: str = "image-policy", decision: Decision | None = None, **more: str) -> Outcome:
    asked = request()
    asked.uid = uid
    for field, value in more.items():
        setattr(asked, field, value)
    made = decision or Decision(plugin=plugin, rules=("r",))
    return Outcome(request=asked, verdicts=(Verdict(made, Mode.ENFORCE),), policy_version="1", allowed=True)


def test_before_the_start_a_review_is_recorded_at_once(sink: Sink) -> None:
    reviewer(allowing("image-policy"), recorders=(Recording(time.time, sink),)).review(review(), Phase.MUTATE)
    assert [each.uid for each in sink.taken] == ["u-1"]


def test_reviews_of_many_threads_are_recorded_in_batches_and_none_is_lost(sink: Sink) -> None:
    recording = Recording(time.time, sink)
    recording.start()

    def decide(thread: int) -> None:
        for number in range(500):
            recording.decided(outcome(f"{thread}-{number}"), 0.001)

    threads = [threading.Thread(target=decide, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wait_until(lambda: len(sink.taken) == 2000, "all records")
    for number in range(4):
        uids = [each.uid for each in sink.taken if each.uid.startswith(f"{number}-")]
        assert uids == [f"{number}-{n}" for n in range(500)]
    assert sink.batches < 500
    recording.close()


def test_flush_shows_everything_at_once(sink: Sink) -> None:
    recording = Recording(time.time, sink)
    recording.start()
    recording.decided(outcome("now"), 0.001)
    assert recording.flush()
    assert [each.uid for each in sink.taken] == ["now"]
    recording.close()


def test_a_sink_that_hangs_delays_no_review_and_what_is_dropped_is_counted_and_told_once(
    sink: Sink, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[int] = []
    recording = Recording(time.time, sink, queued_max_bytes=100_000)
    recording.start(told.append)
    sink.may_go_on.clear()
    begun = time.monotonic()
    for number in range(2000):
        recording.decided(outcome(str(number)), 0.001)
        time.sleep(0.0001)  # the thread takes a batch, and hangs
    assert time.monotonic() - begun < 5
    assert not recording.flush()  # who asks for everything does not hang either
    sink.may_go_on.set()
    wait_until(lambda: sum(told) + len(sink.taken) == 2000, "all reviews, recorded or counted")
    assert sum(told) > 1000
    assert [record.message.split(" ", 1)[1] for record in caplog.records if record.name == module.__name__] == [
        "reviews were not recorded: the log and the metrics lack them"
    ]
    assert [int(each.uid) for each in sink.taken] == sorted(int(each.uid) for each in sink.taken)
    recording.decided(outcome("after"), 0.001)
    wait_until(lambda: sink.taken[-1].uid == "after", "a review after it")
    recording.close()


def test_a_sink_that_fails_is_told_of_once_and_the_others_still_get_everything(
    sink: Sink, caplog: pytest.LogCaptureFixture
) -> None:
    broken = Sink()
    broken.error = OSError(28, "No space left on device")
    recording = Recording(time.time, broken, sink)
    for number in range(10):
        recording.decided(outcome(str(number)), 0.001)
    assert len(sink.taken) == 10
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.exc_info
    assert record.exc_info[1] is broken.error


_PROGRAM = """
import sys, time
from imagegate.service.review.recording import Recording
from tests.service.review.test_recording import outcome
class Printing:
    def take(self, batch): print(*(each.uid for each in batch), sep="\\n", flush=True)
recording = Recording(time.time, Printing())
recording.start()
for number in range(300): recording.decided(outcome(str(number)), 0.001)
"""


def test_the_end_of_the_process_loses_nothing() -> None:
    done = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == [str(number) for number in range(300)]


def test_after_the_end_reviews_are_recorded_at_once(sink: Sink) -> None:
    recording = Recording(time.time, sink)
    recording.start()
    recording.close()
    recording.decided(outcome("late"), 0.001)
    assert [each.uid for each in sink.taken] == ["late"]


def test_reviews_that_differ_only_in_their_object_share_their_kind() -> None:
    kinds, decision = Kinds(), Decision(plugin="image-policy", rules=("r",))
    first = kinds.decided(outcome("1", decision=decision), 0.0, 0.0)
    assert kinds.decided(outcome("2", decision=decision, name="web"), 0.0, 0.0).kind is first.kind
    others = [
        outcome(decision=Decision(plugin="image-policy", rules=("r",))),
        outcome(decision=decision, operation="UPDATE"),
        outcome(decision=decision, sub_resource="ephemeralcontainers"),
    ]
    assert all(kinds.decided(each, 0.0, 0.0).kind is not first.kind for each in others)


def test_the_mode_of_a_verdict_is_part_of_the_kind() -> None:
    kinds, decision = Kinds(), Decision(plugin="image-policy", rules=("r",))
    enforced, warned = outcome(decision=decision), outcome(decision=decision)
    warned.verdicts = (Verdict(decision, Mode.WARN),)
    assert kinds.decided(enforced, 0.0, 0.0).kind is not kinds.decided(warned, 0.0, 0.0).kind


def test_neither_requests_nor_decisions_are_kept_in_memory() -> None:
    kinds = Kinds()
    decision = Decision(plugin="image-policy", rules=("r",))
    gone = weakref.ref(decision)
    kept = kinds.decided(outcome("u", decision=decision), 0.0, 0.0)
    del decision
    gc.collect()
    assert gone() is None
    assert kept.kind.results[0].plugin == "image-policy"


def test_a_decision_at_the_address_of_one_that_is_gone_is_not_taken_for_it() -> None:
    kinds = Kinds()
    for number in range(3000):  # CPython uses the memory of the last one again
        name = f"plugin-{number}"
        decided = kinds.decided(outcome(plugin=name), 0.0, 0.0)
        assert decided.kind.results[0].plugin == name


def test_what_is_kept_is_bounded() -> None:
    kinds = Kinds()
    long = "x" * 1_000_000
    decided = kinds.decided(outcome(long, name=long, namespace=long, sub_resource=long), 0.0, 0.0)
    assert len(decided.uid) == len(decided.name) == len(decided.namespace) == FIELD_MAX
    assert decided.size < 10 * FIELD_MAX
    assert not kinds._kinds  # its key would be as long
    many = tuple(replace(denial("no"), image=f"{number}{long}") for number in range(50))
    denied = outcome(decision=Decision(plugin="image-policy", denials=many, status=invalid("no")))
    assert kinds.decided(denied, 0.0, 0.0).size < 64 * 1024
    decisions = [Decision(plugin="image-policy", rules=(str(number),)) for number in range(2 * CACHED_MAX + 1)]
    for decision in decisions:
        kinds.decided(outcome(decision=decision), 0.0, 0.0)
    assert len(kinds._kinds) <= CACHED_MAX
