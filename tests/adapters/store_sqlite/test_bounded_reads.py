"""A read that hangs holds its caller for a limited time, and later callers not at all."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagegate.adapters.store_sqlite.bounded_reads import BoundedReads
from imagegate.ports.image_store import StoreTimeout
from tests.support.processes import wait_until


@pytest.fixture
def disk() -> Iterator[threading.Event]:
    """Answers when it is set."""
    made = threading.Event()
    yield made
    made.set()


def test_a_read_has_its_result_or_its_error() -> None:
    reads = BoundedReads("x")
    assert reads.run(lambda: 7, within_s=5) == 7
    with pytest.raises(ZeroDivisionError):
        reads.run(lambda: 1 // 0, within_s=5)
    assert reads.run(lambda: 8, within_s=5) == 8


def test_a_read_that_hangs_holds_one_caller_once(disk: threading.Event) -> None:
    reads = BoundedReads("images.db")
    with pytest.raises(StoreTimeout, match=r"images\.db: did not answer within 0\.1 s"):
        reads.run(disk.wait, within_s=0.1)
    begun = time.monotonic()
    for _ in range(1000):
        with pytest.raises(StoreTimeout, match="does not answer"):
            reads.run(lambda: 7, within_s=30)
    assert time.monotonic() - begun < 5
    disk.set()
    wait_until(lambda: _answers(reads), "the disk")


def _answers(reads: BoundedReads) -> bool:
    try:
        return reads.run(lambda: True, within_s=5)
    except StoreTimeout:
        return False


def test_many_callers_at_once_are_all_answered() -> None:
    reads = BoundedReads("x")
    found: list[int] = []
    threads = [
        threading.Thread(target=lambda n=number: found.append(reads.run(lambda: n, within_s=20)))
        for number in range(40)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == list(range(40))


def test_a_fork_has_threads_of_its_own() -> None:
    program = (
        "import os\nfrom imagegate.adapters.store_sqlite.bounded_reads import BoundedReads\n"
        "reads = BoundedReads('x')\nassert reads.run(os.getpid, within_s=10) == os.getpid()\nchild = os.fork()\n"
        "assert reads.run(os.getpid, within_s=10) == os.getpid()\n"
        "if child: assert os.waitpid(child, 0)[1] == 0\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_a_process_can_end_while_a_read_hangs(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    program = (
        "import sys\nfrom imagegate.adapters.store_sqlite.bounded_reads import BoundedReads, StoreTimeout\n"
        "try: BoundedReads('x').run(lambda: open(sys.argv[1]).read(), within_s=0.1)\n"
        "except StoreTimeout: print('late')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "fifo"], check=True, timeout=60, capture_output=True, text=True
    )
    assert done.stdout == "late\n"
