"""The feed: one reader for all streams, what stays in memory, and how it ends."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from imagegate.errors import ImagegateError
from imagegate.web.feed import Entry, Feed, Item
from tests.support.processes import wait_until


class Numbers:
    """A source whose items are numbers."""

    def __init__(self, last: int = 0) -> None:
        self.last = last
        self.readers: set[int] = set()
        self.looks = 0
        self.problem = ""

    def position(self) -> int:
        if self.problem:
            raise ImagegateError(self.problem)
        return self.last

    @contextlib.contextmanager
    def news(self) -> Iterator[Callable[[], object]]:
        def look() -> object:
            self.readers.add(threading.get_ident())
            self.looks += 1
            return self.last

        yield look

    def read(self, after: int) -> tuple[list[Item[int]], int]:
        if self.problem:
            raise ImagegateError(self.problem)
        to = min(self.last, after + 3)
        return [Item(number, 10, number) for number in range(after + 1, to + 1)], to


def values(feed: Feed[int], after: int) -> list[int]:
    return [entry.item.value for entry in feed.after(after)[0]]


def feeds() -> set[threading.Thread]:
    """The readers that run in this process; some may be those of other tests."""
    return {thread for thread in threading.enumerate() if thread.name == "feed"}


def test_one_thread_reads_for_all_and_ends_with_the_last() -> None:
    before = feeds()
    source = Numbers(7)
    feed = Feed(source)
    for _ in range(50):
        feed.open()
    assert (feed.first, feed.last, values(feed, 0)) == (7, 7, [])
    source.last = 15
    feed.wait(14, 10)
    assert values(feed, 7) == list(range(8, 16))
    assert values(feed, 12) == [13, 14, 15]
    assert len(source.readers) == 1
    for _ in range(50):
        feed.close()
    wait_until(lambda: feeds() <= before, "the reader's end")
    looks = source.looks
    source.last = 20
    time.sleep(0.2)
    assert source.looks == looks
    feed.open()  # begins anew
    assert (feed.first, feed.last, values(feed, 0)) == (20, 20, [])
    feed.close()


@pytest.mark.parametrize("limits", [{"items_max": 4}, {"bytes_max": 45}])
def test_only_the_newest_stay(limits: dict[str, int]) -> None:
    source = Numbers()
    feed = Feed(source, **limits)
    feed.open()
    source.last = 100
    feed.wait(99, 10)
    assert (feed.first, values(feed, 0)) == (96, [97, 98, 99, 100])
    feed.close()


def test_one_item_stays_whatever_its_size() -> None:
    source = Numbers()
    feed = Feed(source, bytes_max=1)
    feed.open()
    source.last = 3
    feed.wait(2, 10)
    assert (feed.first, values(feed, 0)) == (2, [3])
    feed.close()


def test_streams_share_what_was_encoded() -> None:
    source = Numbers()
    feed = Feed(source)
    feed.open()
    source.last = 1
    feed.wait(0, 10)

    def entry() -> Entry[int]:
        return feed.after(0)[0][0]

    entry().encoded["a"] = b"x"
    assert entry().encoded == {"a": b"x"}
    feed.close()


def test_a_source_that_fails_ends_the_streams_and_the_next_one_begins_anew() -> None:
    source = Numbers()
    feed = Feed(source)
    told: list[str] = []
    feed.listen(lambda: told.append(feed.problem))
    feed.open()
    source.problem = "no disk"
    source.last = 1
    feed.wait(0, 10)
    assert feed.problem == "no disk"
    wait_until(lambda: told == ["no disk"], "the listener")
    with pytest.raises(ImagegateError, match="no disk"):
        feed.open()
    source.problem = ""
    feed.open()
    assert (feed.problem, feed.last) == ("", 1)
    feed.close()
    feed.close()


def test_waiting_ends_in_time() -> None:
    feed = Feed(Numbers())
    feed.open()
    began = time.monotonic()
    feed.wait(0, 0.1)
    assert 0.1 <= time.monotonic() - began < 5
    feed.close()
