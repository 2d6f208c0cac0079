"""The log never delays who logs, and loses nothing while somebody reads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from imagegate.adapters.records.json_lines import JsonLines, Lines
from tests.support.processes import wait_until

PIPE_BYTES = 64 * 1024


class Pipe:
    """A pipe, and what was read from it."""

    def __init__(self) -> None:
        self.read_end, self.write_end = os.pipe()
        self.content = b""
        self._reader: threading.Thread | None = None

    def read(self) -> None:
        """Begin to read."""
        self._reader = threading.Thread(target=self._keep_reading, daemon=True)
        self._reader.start()

    def _keep_reading(self) -> None:
        while piece := os.read(self.read_end, 65536):
            self.content += piece

    def lines(self) -> list[Any]:
        """Those that are complete."""
        return [json.loads(line) for line in self.content.rpartition(b"\n")[0].splitlines()]

    def close(self) -> None:
        os.close(self.write_end)
        if self._reader is not None:
            self._reader.join(10)
        os.close(self.read_end)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    made.close()


def line(number: int, length: int = 100) -> bytes:
    return json.dumps({"n": number, "pad": "x" * length}).encode() + b"\n"


def test_a_pipe_that_nobody_reads_delays_nothing_and_the_loss_is_told(pipe: Pipe) -> None:
    told: list[int] = []
    lines = Lines(pipe.write_end, queued_max_bytes=50_000)
    lines.start(told.append)
    slowest = 0.0
    for number in range(3000):
        begun = time.perf_counter()
        lines.put(line(number))
        slowest = max(slowest, time.perf_counter() - begun)
    assert slowest < 5  # a machine may be busy; a write that waits for the reader waits for ever
    assert sum(told) > 500
    pipe.read()
    wait_until(lambda: sum(each.get("dropped", 1) for each in pipe.lines()) == 3000, "the rest, and what tells of it")
    lines.put(line(-1))
    wait_until(lambda: any(each.get("n") == -1 for each in pipe.lines()), "the next line")
    lines.close()
    read = pipe.lines()
    assert sum(each.get("dropped", 0) for each in read) == sum(told)
    numbers = [each["n"] for each in read if "n" in each]
    assert numbers == [*sorted(numbers[:-1]), -1]
    assert len(numbers) + sum(told) == 3001


def test_nothing_is_lost_while_somebody_reads_and_each_threads_order_is_kept(pipe: Pipe) -> None:
    told: list[int] = []
    lines = Lines(pipe.write_end)
    lines.start(told.append)
    pipe.read()
    records = JsonLines(lines)

    def log(thread: int) -> None:
        for number in range(1000):
            records.append([b'{"thread":%d,"n":%d}\n' % (thread, number)])

    threads = [threading.Thread(target=log, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines.close()
    wait_until(lambda: len(pipe.lines()) >= 8000, "all lines")
    for number in range(8):
        assert [each["n"] for each in pipe.lines() if each["thread"] == number] == list(range(1000))
    assert told == []


@pytest.mark.parametrize("started", [False, True])
def test_a_reader_that_has_gone_breaks_nothing(started: bool) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    told: list[int] = []
    lines = Lines(write_end)
    if started:
        lines.start(told.append)
    for number in range(10):
        lines.put(line(number))
    if started:
        wait_until(lambda: sum(told) >= 1, "the count")
    lines.close()
    os.close(write_end)


def test_a_full_disk_is_counted_and_told_of_once_there_is_room() -> None:
    told: list[int] = []
    full = os.open("/dev/full", os.O_WRONLY)
    read_end, write_end = os.pipe()
    lines = Lines(full)
    lines.start(told.append)
    lines.put(line(1))
    wait_until(lambda: told == [1], "the count")
    os.dup2(write_end, full)  # there is room again
    lines.put(line(2))
    lines.close()
    os.close(full)
    os.close(write_end)
    with os.fdopen(read_end, "rb") as reader:
        first, second = map(json.loads, reader.read().splitlines())
    assert {first.get("n"), second.get("n")} == {2, None}
    assert {first.get("dropped"), second.get("dropped")} == {1, None}


def test_before_the_start_a_blocked_pipe_is_waited_for_once_only(pipe: Pipe) -> None:
    lines = Lines(pipe.write_end)
    begun = time.monotonic()
    for number in range(1000):
        lines.put(line(number, 1000))
    assert time.monotonic() - begun < 5
    pipe.read()
    wait_until(lambda: len(pipe.content) >= PIPE_BYTES - 8192, "what fitted into the pipe")
    lines.put(line(-1))
    wait_until(lambda: len(pipe.content) > 0 and pipe.lines()[-1]["n"] == -1, "a line written at once")


_PROGRAM = """
import json, sys
from imagegate.adapters.records.json_lines import lines_on
lines = lines_on(1)
lines.start()
for number in range(5000):
    lines.put(json.dumps({"process": sys.argv[1], "n": number, "pad": "x" * (number % 300)}).encode() + b"\\n")
"""


def test_processes_share_a_pipe_and_flush_at_their_end() -> None:
    read_end, write_end = os.pipe()
    processes = [subprocess.Popen([sys.executable, "-c", _PROGRAM, name], stdout=write_end) for name in ("a", "b")]
    os.close(write_end)
    with os.fdopen(read_end, "rb") as reader:
        found = [json.loads(each) for each in reader.read().splitlines()]
    assert [process.wait(20) for process in processes] == [0, 0]
    for name in ("a", "b"):
        assert [each["n"] for each in found if each["process"] == name] == list(range(5000))
