"""Reads of a disk that may stop answering: the caller waits for a limited time, and not again while one hangs."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from imagegate.ports.image_store import StoreTimeout

T = TypeVar("T")
THREADS = 2
"""Reads at a time. SQLite's reads are short, and Python runs one thread at a time anyway."""


class BoundedReads:
    """Runs reads in a few threads of its own: a hanging one takes a thread, but not its caller, such as an event loop.

    While a read is late, further ones fail at once: they would hang too. Threads start with the first read, so an
    object may be made before a fork; they are daemons: a process must be able to end while a disk does not answer.

    Args:
        name: of what is read, for messages.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._pid = 0
        self._reset()

    def _reset(self) -> None:
        self._queue: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = queue.SimpleQueue()
        self._late: list[Future[Any]] = []

    def run(self, read: Callable[[], T], *, within_s: float) -> T:
        """The result of ``read``, or its exception.

        Raises:
            StoreTimeout: it took longer, or another read hangs.
        """
        with self._lock:
            if self._pid != os.getpid():
                self._reset()
                self._pid = os.getpid()
                for _ in range(THREADS):
                    threading.Thread(target=self._keep_reading, args=(self._queue,), name="store", daemon=True).start()
            self._late = [future for future in self._late if not future.done()]
            if self._late:
                raise StoreTimeout(f"{self._name}: does not answer: a read has been waiting for the disk")
        future: Future[T] = Future()
        self._queue.put((future, read))
        try:
            return future.result(max(within_s, 0))
        except TimeoutError as error:
            with self._lock:
                self._late.append(future)
            raise StoreTimeout(f"{self._name}: did not answer within {within_s:.3g} s") from error

    @staticmethod
    def _keep_reading(waiting: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]]]) -> None:
        while True:
            future, read = waiting.get()
            try:
                future.set_result(read())
            except BaseException as error:  # noqa: BLE001 - it is the caller's
                future.set_exception(error)
            del future, read  # a result must not stay in memory until the next read
