"""Files of counters that cannot end a process: their memory is reserved before anything is written to it.

``prometheus_client`` maps sparse files into memory. When the file system is full (``/dev/shm`` of a container has
64 MiB), the kernel has no page for what is written there and ends the process with SIGBUS: each worker in turn.
"""

from __future__ import annotations

import contextlib
import logging
import os
from pathlib import Path
from typing import Any

from prometheus_client import mmap_dict, values

_FIRST_BYTES = 64 * 1024

_log = logging.getLogger(__name__)


class AllocatedDict(mmap_dict.MmapedDict):
    """The library's file of values, with reserved memory.

    Where none can be reserved for a new file, the values are in anonymous memory: the process counts, but others do not
    see its counts. Where a file cannot grow, a new series is refused with ``OSError``, and those there still count.
    """

    def __init__(self, filename: str, read_mode: bool = False) -> None:
        try:
            _reserve(Path(filename))
        except OSError as error:
            _log.error(
                "the metrics of this process are not seen: %s: %s", filename, error.strerror, extra={"pid": os.getpid()}
            )
            descriptor = os.memfd_create("metrics")
            try:
                super().__init__(f"/proc/self/fd/{descriptor}", read_mode)  # type: ignore[no-untyped-call]
            finally:
                os.close(descriptor)  # it has opened its own
        else:
            super().__init__(filename, read_mode)  # type: ignore[no-untyped-call]

    def _init_value(self, key: str) -> None:
        used, capacity = self._used, self._capacity
        while used + len(key.encode()) + 64 > capacity:  # more than the length, padding and numbers of an entry
            capacity *= 2
        if capacity > self._capacity:
            os.posix_fallocate(self._f.fileno(), 0, capacity)
        super()._init_value(key)  # type: ignore[no-untyped-call]


def _reserve(path: Path) -> None:
    """Make the file in one step: somebody who reads all files must not see it empty.

    Raises:
        OSError: there is no room, or no file may be made there.
    """
    if path.exists():  # of a process with the same number before this one
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, max(os.fstat(file.fileno()).st_size, _FIRST_BYTES))
        return
    fresh = path.with_name(f".{path.name}.new")
    try:
        with fresh.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, _FIRST_BYTES)
        fresh.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            fresh.unlink()
        raise


def use_allocated_values() -> None:
    """Have ``prometheus_client`` keep shared values in ``AllocatedDict``; it has no option for it."""
    shared: Any = values
    shared.MmapedDict = AllocatedDict
