"""Work in several processes, forked from this one, with results in the order of the work."""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from concurrent.futures import Future

T = TypeVar("T")
R = TypeVar("R")

_JOBS_AHEAD = 8
"""Jobs of a process that wait for it: what is read ahead of the results takes memory."""
_shared: Callable[[Any], Any] | None = None
"""Inherited by forked processes: documents are compiled once, in the parent."""


def in_processes(work: Callable[[T], R], jobs: Iterable[T], processes: int) -> Iterator[R]:
    """The results of ``work`` for each job; few jobs are in memory at a time."""
    import multiprocessing  # imported when used: a check of a few files starts no process
    from concurrent.futures import ProcessPoolExecutor

    global _shared
    _shared = work
    gc.collect()
    gc.freeze()
    try:
        context = multiprocessing.get_context("fork")
        with ProcessPoolExecutor(processes, mp_context=context, initializer=gc.disable) as pool:
            waiting: deque[Future[R]] = deque()
            for job in jobs:
                waiting.append(pool.submit(cast("Callable[[T], R]", _work), job))
                if len(waiting) > processes * _JOBS_AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
    finally:
        gc.unfreeze()
        _shared = None


def _work(job: Any) -> Any:
    if _shared is None:
        raise RuntimeError("not a process of in_processes")
    return _shared(job)
