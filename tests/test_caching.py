"""Bounded and timed caches, and single flight, with threads that meet."""

from __future__ import annotations

import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from imagegate.caching import BoundedCache, SingleFlight, TimedCache
from imagegate.errors import Unreachable

THREADS = 8


@pytest.fixture
def switching() -> Iterator[None]:
    """Threads change places as often as Python can, so that a missing lock is noticed."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def in_threads(work: Callable[[int], None]) -> None:
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(work, range(THREADS)))


def later() -> float:
    return time.monotonic() + 30


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class TestBoundedCache:
    def test_the_oldest_entry_goes_first(self) -> None:
        cache: BoundedCache[int, str] = BoundedCache(3)
        for number in range(5):
            cache.put(number, str(number))
        assert [cache.get(number) for number in range(5)] == [None, None, "2", "3", "4"]
        assert len(cache) == 3

    def test_a_value_that_is_put_again_is_the_newest(self) -> None:
        cache: BoundedCache[int, str] = BoundedCache(2)
        cache.put(1, "a")
        cache.put(2, "b")
        cache.put(1, "c")
        cache.put(3, "d")
        assert [cache.get(number) for number in (1, 2, 3)] == ["c", None, "d"]

    def test_get_does_not_count_as_use(self) -> None:
        cache: BoundedCache[int, str] = BoundedCache(2)
        cache.put(1, "a")
        cache.put(2, "b")
        assert cache.get(1) == "a"
        cache.put(3, "c")
        assert cache.get(1) is None

    def test_use_and_get_or_put_do(self) -> None:
        cache: BoundedCache[int, str] = BoundedCache(2)
        cache.put(1, "a")
        cache.put(2, "b")
        assert cache.use(1) == "a"
        assert cache.use(9) is None
        cache.put(3, "c")
        assert cache.get(2) is None
        assert cache.get_or_put(1, lambda: "other") == "a"
        assert cache.get_or_put(4, lambda: "d") == "d"
        assert [cache.get(number) for number in (1, 3, 4)] == ["a", None, "d"]

    def test_weights_are_bounded(self) -> None:
        cache: BoundedCache[int, bytes] = BoundedCache(100, most_weight=10, weight=len)
        for number in range(5):
            cache.put(number, b"1234")
        assert [cache.get(number) for number in (2, 3, 4)] == [None, b"1234", b"1234"]
        cache.put(9, b"x" * 11)
        assert cache.get(9) is None  # too heavy alone; and the others stay
        assert cache.get(3) == b"1234"
        cache.put(4, b"12")
        cache.put(5, b"1234")
        assert cache.get(3) == b"1234"  # 4 + 2 + 4: replacing gave back the old weight
        cache.discard(3)
        assert cache.get(3) is None
        cache.put(6, b"1234")
        assert len(cache) == 3

    @pytest.mark.usefixtures("switching")
    def test_threads_leave_bounds_and_weights_right(self) -> None:
        cache: BoundedCache[int, bytes] = BoundedCache(40, most_weight=300, weight=len)

        def work(seed: int) -> None:
            chosen = random.Random(seed)
            for _ in range(4000):
                key = chosen.randrange(100)
                match chosen.randrange(4):
                    case 0:
                        cache.put(key, bytes(key % 20))
                    case 1:
                        cache.discard(key)
                    case 2:
                        assert len(cache.get_or_put(key, partial(bytes, key % 20))) == key % 20
                    case _:
                        value = cache.use(key) if key % 2 else cache.get(key)
                        assert value is None or len(value) == key % 20

        in_threads(work)
        assert len(cache) <= 40
        assert cache._total == sum(len(value) for value in cache._values.values()) <= 300

    @pytest.mark.usefixtures("switching")
    def test_threads_that_meet_make_one_value(self) -> None:
        for _ in range(50):
            cache: BoundedCache[str, object] = BoundedCache(4)
            barrier = threading.Barrier(THREADS)
            values: list[object] = []

            def work(_: int, cache: BoundedCache[str, object] = cache, barrier: threading.Barrier = barrier) -> None:
                barrier.wait()
                values.append(cache.get_or_put("k", object))  # noqa: B023 - the round's own list

            in_threads(work)
            assert len(set(map(id, values))) == 1

    def test_reading_waits_for_no_lock(self) -> None:
        cache: BoundedCache[str, int] = BoundedCache(4)
        cache.put("k", 1)
        timed: TimedCache[str, int] = TimedCache(4)
        timed.put("k", 2, ttl_s=60)
        with cache._lock, timed._entries._lock:
            assert (cache.get("k"), timed.get("k")) == (1, 2)


class TestTimedCache:
    def test_each_value_has_its_own_time(self) -> None:
        clock = Clock()
        cache: TimedCache[str, int] = TimedCache(4, clock=clock)
        cache.put("short", 1, ttl_s=5)
        cache.put("long", 2, ttl_s=50)
        cache.put("never", 3, ttl_s=0)
        assert [cache.get(key) for key in ("short", "long", "never")] == [1, 2, None]
        clock.now += 5
        assert [cache.get(key) for key in ("short", "long")] == [None, 2]

    def test_use_does_not_make_it_last_longer(self) -> None:
        clock = Clock()
        cache: TimedCache[int, int] = TimedCache(2, clock=clock)
        cache.put(1, 1, ttl_s=10)
        cache.put(2, 2, ttl_s=10)
        clock.now += 9
        assert cache.use(1) == 1
        cache.put(3, 3, ttl_s=10)
        assert (cache.get(1), cache.get(2)) == (1, None)
        clock.now += 1
        assert cache.use(1) is None

    def test_an_entry_can_be_removed(self) -> None:
        cache: TimedCache[int, int] = TimedCache(2)
        cache.put(1, 1, ttl_s=10)
        cache.discard(1)
        assert cache.get(1) is None
        assert len(cache) == 0


class TestSingleFlight:
    def test_callers_that_meet_share_one_call(self) -> None:
        flights: SingleFlight[str, object] = SingleFlight()
        entered, release = threading.Event(), threading.Event()
        made: list[object] = []

        def work() -> object:
            entered.set()
            assert release.wait(30)
            made.append(object())
            return made[-1]

        with ThreadPoolExecutor(THREADS) as pool:
            results = [pool.submit(flights.do, "k", work, until=later()) for _ in range(THREADS)]
            assert entered.wait(30)
            while flights.callers() < THREADS:
                time.sleep(0.001)
            release.set()
            assert {id(result.result()) for result in results} == {id(made[0])}
        assert len(made) == 1
        assert flights.callers() == 0

    @pytest.mark.usefixtures("switching")
    def test_nothing_stays_after_a_call(self) -> None:
        flights: SingleFlight[int, int] = SingleFlight()

        def work(seed: int) -> None:
            chosen = random.Random(seed)
            for _ in range(500):
                key = chosen.randrange(3)
                assert flights.do(key, partial(int, key), until=later()) == key

        in_threads(work)
        assert flights._flights == {}

    def test_an_error_reaches_all_callers_and_is_forgotten(self) -> None:
        flights: SingleFlight[str, int] = SingleFlight()
        entered, release = threading.Event(), threading.Event()

        def broken() -> int:
            entered.set()
            assert release.wait(30)
            raise ZeroDivisionError

        with ThreadPoolExecutor(2) as pool:
            first = pool.submit(flights.do, "k", broken, until=later())
            assert entered.wait(30)
            second = pool.submit(flights.do, "k", lambda: 7, until=later())
            while flights.callers() < 2:
                time.sleep(0.001)
            release.set()
            for result in (first, second):
                with pytest.raises(ZeroDivisionError):
                    result.result()
        assert flights.do("k", lambda: 7, until=later()) == 7

    def test_a_caller_waits_no_longer_than_its_own_deadline(self) -> None:
        flights: SingleFlight[str, int] = SingleFlight()
        flight, is_own = flights.join("k", until=later())
        assert is_own
        with pytest.raises(TimeoutError, match="has no answer yet"):
            flights.do("k", lambda: 7, until=time.monotonic() + 0.01)
        flights.finish("k", flight, 1)

    @pytest.mark.parametrize("by_value", [False, True])
    def test_a_caller_with_time_left_calls_again_after_a_shared_failure(self, *, by_value: bool) -> None:
        flights: SingleFlight[str, int] = SingleFlight()
        entered, release = threading.Event(), threading.Event()

        def out_of_time() -> int:
            entered.set()
            assert release.wait(30)
            if by_value:
                return -1
            raise Unreachable("no answer in time")

        def call(work: Callable[[], int]) -> int:
            return flights.do("k", work, until=later(), failures=(Unreachable,), failed=lambda value: value < 0)

        with ThreadPoolExecutor(2) as pool:
            first = pool.submit(call, out_of_time)
            assert entered.wait(30)
            second = pool.submit(call, lambda: 7)
            while flights.callers() < 2:
                time.sleep(0.001)
            release.set()
            assert second.result() == 7
            if by_value:
                assert first.result() == -1
            else:
                with pytest.raises(Unreachable):
                    first.result()

    def test_a_flight_knows_the_latest_deadline_of_its_callers(self) -> None:
        flights: SingleFlight[str, int] = SingleFlight()
        flight, _ = flights.join("k", until=5.0)
        assert flights.join("k", until=9.0) == (flight, False)
        assert flights.join("k", until=7.0) == (flight, False)
        assert (flight.until, flight.callers, flights.callers()) == (9.0, 3, 3)
        flights.finish("k", flight, 1)
        assert flights.join("k", until=1.0)[0] is not flight
