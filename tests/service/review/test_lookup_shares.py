"""A slow registry takes its own share of the threads, and nobody waits beyond it."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagegate.core.admission.lookup import Found, Lookup, Unknown
from imagegate.service.review.lookup_shares import HostShares, Place, Shares
from imagegate.service.review.lookups import Answerer, Deadline, LookUp, Wait
from tests.service.plugins import Digest
from tests.service.plugins import Remembered as Other
from tests.support.processes import wait_until

SHARES = Shares(threads=6, known_threads=2, per_kind=1, per_host=2, reserved=2, waiting_per_host=3)


class Slow:
    """Answers for ``host/name`` once the host's gate is open; counts what is under way."""

    def __init__(self) -> None:
        self.gates: dict[str, threading.Event] = {}
        self.lock = threading.Lock()
        self.now: Counter[str] = Counter()
        self.most: Counter[str] = Counter()

    def gate(self, host: str) -> threading.Event:
        with self.lock:
            return self.gates.setdefault(host, threading.Event())

    def ask(self, question: Any, /, *, deadline_s: float) -> Lookup[Any]:
        host = host_of(question)
        with self.lock:
            self.now[host] += 1
            self.now[""] += 1
            for key in (host, ""):
                self.most[key] = max(self.most[key], self.now[key])
        answered = self.gate(host).wait(deadline_s)
        with self.lock:
            self.now[host] -= 1
            self.now[""] -= 1
        return Found(question.name) if answered else Unknown("no answer in time")


def host_of(question: Any) -> str:
    host: str = question.name.partition("/")[0]
    return host


@pytest.fixture
def slow() -> Iterator[Slow]:
    made = Slow()
    yield made
    for host in list(made.gates):
        made.gate(host).set()


def looking_up(slow: Slow) -> LookUp:
    return LookUp({Digest: Answerer(slow.ask, host=host_of)}, shares=SHARES)


def started(look_up: LookUp, name: str, deadline: Deadline) -> Wait | Lookup[Any]:
    """A look-up begun: what it waits for, or its answer if there is one at once."""
    steps = look_up.look_up_in_steps(Digest(name), deadline)
    try:
        return next(steps)
    except StopIteration as ended:
        answer: Lookup[Any] = ended.value
        return answer


def test_beyond_a_hosts_share_a_look_up_is_refused_at_once_and_says_so(slow: Slow) -> None:
    look_up = looking_up(slow)
    begun = [started(look_up, f"slow/{n}", Deadline.after(20)) for n in range(2 + 3 + 4)]
    assert [isinstance(each, Wait) for each in begun] == [True] * 5 + [False] * 4
    for refused in begun[5:]:
        assert isinstance(refused, Unknown)
        assert "too many look-ups at slow (2 under way, 3 waiting)" in refused.why


def test_one_that_is_within_the_share_is_answered(slow: Slow) -> None:
    look_up = looking_up(slow)
    begun = [started(look_up, f"slow/{n}", Deadline.after(20)) for n in range(5)]
    slow.gate("slow").set()
    for wait in begun:
        assert isinstance(wait, Wait)
        wait.block()
        assert isinstance(wait.futures[0].result(), Found)
    assert slow.most["slow"] == 2


def test_hanging_hosts_leave_the_others_theirs(slow: Slow) -> None:
    look_up = looking_up(slow)
    for host in ("slow-a", "slow-b", "slow-c"):
        for n in range(5):
            started(look_up, f"{host}/{n}", Deadline.after(20))
    slow.gate("quick").set()
    begun = time.monotonic()
    assert look_up.look_up(Digest("quick/1"), Deadline.after(20)) == Found("quick/1")
    assert time.monotonic() - begun < 5
    assert slow.most[""] <= SHARES.threads + SHARES.known_threads


def test_what_waits_for_its_turn_until_its_deadline_is_answered_by_then(slow: Slow) -> None:
    look_up = looking_up(slow)
    begun = time.monotonic()
    steps = [look_up.look_up_in_steps(Digest(f"slow/{n}"), Deadline.after(0.5)) for n in range(5)]
    waits = [next(each) for each in steps]
    for each, wait in zip(steps, waits, strict=True):
        wait.block()
        with pytest.raises(StopIteration) as ended:
            next(each)
        assert isinstance(ended.value.value, Unknown)
    assert time.monotonic() - begun < 2


def test_identical_questions_take_one_place_and_no_thread_each(slow: Slow) -> None:
    look_up = looking_up(slow)
    before = threading.active_count()
    begun = [started(look_up, "slow/same", Deadline.after(20)) for _ in range(500)]
    assert all(isinstance(each, Wait) for each in begun)
    assert threading.active_count() <= before + 1
    slow.gate("slow").set()
    for wait in begun:
        assert isinstance(wait, Wait)
        wait.block()
    assert slow.most["slow"] == 1


def test_a_refused_question_is_asked_again_by_the_next_review(slow: Slow) -> None:
    look_up = looking_up(slow)
    for n in range(5):
        started(look_up, f"slow/{n}", Deadline.after(20))
    assert isinstance(started(look_up, "slow/more", Deadline.after(20)), Unknown)
    slow.gate("slow").set()
    wait_until(lambda: look_up.waiting() == 0, "the look-ups under way")
    assert look_up.look_up(Digest("slow/more"), Deadline.after(20)) == Found("slow/more")


@given(st.lists(st.sampled_from("abcd"), max_size=60))
@settings(max_examples=30, deadline=None)
def test_everything_that_was_taken_is_run_and_never_too_much_at_once(hosts: list[str]) -> None:
    shares, lock = HostShares(SHARES), threading.Lock()
    now: Counter[str] = Counter()
    wrong: list[str] = []
    ran: list[int] = []

    def work(number: int, host: str) -> None:
        with lock:
            now[host] += 1
            if now[host] > SHARES.per_host or now.total() > SHARES.threads:
                wrong.append(host)
        time.sleep(0.0005)
        with lock:
            now[host] -= 1
            ran.append(number)

    taken = [
        number
        for number, host in enumerate(hosts)
        if not shares.submit(Place(host, "any"), lambda number=number, host=host: work(number, host))  # type: ignore[misc]
    ]
    wait_until(lambda: len(ran) == len(taken), "all that was taken", timeout_s=10)
    shares.close()
    assert sorted(ran) == taken
    assert wrong == []


GUARDED = Shares(
    threads=8, known_threads=4, per_kind=1, per_host=3, per_new_host=1, per_owner=2, reserved=2, waiting_per_host=4
)


def guarded(slow: Slow, shares: Shares = GUARDED) -> LookUp:
    return LookUp({Digest: Answerer(slow.ask, host=host_of)}, shares=shares)


def known(look_up: LookUp, slow: Slow, host: str) -> None:
    """Have a host answer once."""
    slow.gate(host).set()
    assert look_up.look_up(Digest(f"{host}/known"), Deadline.after(20)) == Found(f"{host}/known")


def fails(look_up: LookUp, slow: Slow, host: str) -> None:
    """Have a host fail as often as it may, and the look-ups know it: they end after those who wait for them."""
    slow.gates[host].clear()
    for number in range(GUARDED.failures):
        assert isinstance(look_up.look_up(Digest(f"{host}/{number}"), Deadline.after(0.05)), Unknown)
    wait_until(lambda: slow.now[host] == 0, "the last failure")
    time.sleep(0.3)


def stays_at(slow: Slow, host: str, count: int) -> None:
    wait_until(lambda: slow.now[host] == count, f"{count} look-ups")
    time.sleep(0.2)
    assert slow.now[host] == count


def test_a_host_that_has_answered_is_looked_up_beside_any_number_that_hang(slow: Slow) -> None:
    look_up = guarded(slow)
    known(look_up, slow, "good.example")
    begun = [started(look_up, f"r.hangs-{n}.example/app", Deadline.after(20)) for n in range(200)]
    assert isinstance(begun[-1], Wait)
    wait_until(lambda: slow.now[""] == GUARDED.threads, "all common threads to hang")
    before = time.monotonic()
    for number in range(20):
        answer = look_up.look_up(Digest(f"good.example/{number}"), Deadline.after(20))
        assert answer == Found(f"good.example/{number}")
    assert time.monotonic() - before < 5


def test_its_twin_that_has_not_must_wait(slow: Slow) -> None:
    look_up = guarded(slow)
    for number in range(200):
        started(look_up, f"r.hangs-{number}.example/app", Deadline.after(20))
    wait_until(lambda: slow.now[""] == GUARDED.threads, "all common threads to hang")
    slow.gate("good.example").set()
    assert isinstance(look_up.look_up(Digest("good.example/1"), Deadline.after(0.3)), Unknown)


def test_hosts_of_one_owner_share_until_they_answer(slow: Slow) -> None:
    look_up = guarded(slow)
    for number in range(50):
        started(look_up, f"{number}.evil.example/app", Deadline.after(20))
    slow.gate("new.example").set()
    assert look_up.look_up(Digest("new.example/1"), Deadline.after(20)) == Found("new.example/1")
    assert slow.most[""] <= GUARDED.per_owner + 1


def test_a_new_host_has_one_look_up_until_it_answers_and_then_its_whole_share(slow: Slow) -> None:
    look_up = guarded(slow)
    begun = [started(look_up, f"new/{number}", Deadline.after(20)) for number in range(5)]
    wait_until(lambda: slow.now["new"] == 1, "the first look-up")
    assert slow.most["new"] == 1
    slow.gate("new").set()
    for wait in begun:
        assert isinstance(wait, Wait)
        wait.block()
        assert isinstance(wait.futures[0].result(), Found)
    slow.gates["new"].clear()
    for number in range(10, 15):
        started(look_up, f"new/{number}", Deadline.after(20))
    wait_until(lambda: slow.now["new"] == GUARDED.per_host, "its share")


def test_a_known_host_that_hangs_is_not_known_for_long(slow: Slow) -> None:
    look_up = guarded(slow)
    known(look_up, slow, "evil.example")
    fails(look_up, slow, "evil.example")
    for number in range(10, 15):
        started(look_up, f"evil.example/{number}", Deadline.after(20))
    stays_at(slow, "evil.example", GUARDED.per_new_host)


def test_hosts_that_answer_once_in_a_while_do_not_take_the_threads_of_known_hosts(slow: Slow) -> None:
    """One owner gets half of them; a host that did not keep answering gets none for a while, answer or not."""
    look_up = guarded(slow)
    evil = [f"r{number}.evil.example" for number in range(6)]
    for host in ("good.example", *evil):
        known(look_up, slow, host)
    for host in evil:
        slow.gates[host].clear()
        for number in range(5):
            started(look_up, f"{host}/{number}", Deadline.after(20))
    time.sleep(0.2)
    assert look_up.look_up(Digest("good.example/1"), Deadline.after(20)) == Found("good.example/1")


def test_a_host_that_failed_has_common_threads_only_although_it_answers_again(slow: Slow) -> None:
    look_up = guarded(slow, GUARDED._replace(threads=2, reserved=0))
    known(look_up, slow, "good.example")
    known(look_up, slow, "evil.example")
    fails(look_up, slow, "evil.example")
    known(look_up, slow, "evil.example")
    slow.gates["evil.example"].clear()
    for number in range(10, 15):
        started(look_up, f"evil.example/{number}", Deadline.after(20))
    stays_at(slow, "evil.example", 2)  # only common threads, though its share would be 3
    assert look_up.look_up(Digest("good.example/1"), Deadline.after(20)) == Found("good.example/1")


def test_a_kind_that_hangs_leaves_threads_for_the_others(slow: Slow) -> None:
    shares = GUARDED._replace(per_kind=0.5)
    look_up = LookUp({Digest: Answerer(slow.ask, host=host_of), Other: Answerer(slow.ask, host=host_of)}, shares=shares)
    for number in range(50):
        started(look_up, f"r.hangs-{number}.example/app", Deadline.after(20))
    wait_until(lambda: slow.now[""] == shares.threads // 2, "the kind's share to hang")
    slow.gate("new.example").set()
    assert look_up.look_up(Other("new.example/1"), Deadline.after(20)) == Found("new.example/1")


def test_a_kind_of_look_up_that_hangs_at_a_host_leaves_the_others_there(slow: Slow) -> None:
    quick = Answerer(lambda question, *, deadline_s: Found(question.name), host=host_of)
    look_up = LookUp({Digest: Answerer(slow.ask, host=host_of), Other: quick}, shares=GUARDED)
    for number in range(5):
        started(look_up, f"host/{number}", Deadline.after(20))
    assert look_up.look_up(Other("host/1"), Deadline.after(20)) == Found("host/1")


def test_the_number_that_waits_is_bounded_altogether(slow: Slow) -> None:
    look_up = guarded(slow, GUARDED._replace(waiting=20))
    known(look_up, slow, "good.example")
    slow.gates["good.example"].clear()
    begun = [started(look_up, f"r.hangs-{n}.example/app", Deadline.after(20)) for n in range(100)]
    refused = [each for each in begun if isinstance(each, Unknown)]
    assert len(refused) == 100 - GUARDED.threads - 20
    assert refused[-1].why == ("not looked up: too many look-ups altogether (8 under way, 20 waiting); try again later")
    begun = [started(look_up, f"good.example/{n}", Deadline.after(20)) for n in range(GUARDED.per_host + 2)]
    assert all(isinstance(each, Wait) for each in begun), "a known host has room to wait"


def test_a_host_that_is_known_not_to_answer_is_refused_without_a_thread(slow: Slow) -> None:
    told: list[tuple[str, str]] = []
    why = {"dead/1": "dead is not asked"}
    answerer = Answerer(slow.ask, host=host_of, refusal=lambda question: why.get(question.name, ""))
    look_up = LookUp({Digest: answerer}, shares=GUARDED, refused=lambda kind, cause: told.append((kind, cause)))
    before = threading.active_count()
    assert look_up.look_up(Digest("dead/1"), Deadline.after(20)) == Unknown("dead is not asked")
    assert threading.active_count() == before
    assert told == [("Digest", "circuit")]
    slow.gate("dead").set()
    why.clear()
    assert look_up.look_up(Digest("dead/1"), Deadline.after(20)) == Found("dead/1")
