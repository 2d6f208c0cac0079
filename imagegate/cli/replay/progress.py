"""The progress of a replay on a terminal: a bar, the number of records, the rate, the time left."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any, Self


class ReplayProgress:
    """A bar on a terminal, silent elsewhere.

    Args:
        size: bytes of the input; None if they are not known.
    """

    def __init__(self, size: int | None) -> None:
        self._size = size
        self._records = 0
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Self:
        if not sys.stderr.isatty():
            return self
        from rich.console import Console  # takes time to import: imported when used
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

        columns = (
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[records]:,} records", markup=False),
            TextColumn("{task.fields[rate]:,.0f}/s", markup=False),
            TimeRemainingColumn(),
        )
        self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
        self._bar.start()
        self._task = self._bar.add_task("", total=self._size, records=0, rate=0.0)
        return self

    def __call__(self, read_bytes: int, records: int) -> None:
        """Add what was read and decided."""
        if self._bar is None:
            return
        self._records += records
        elapsed = self._bar.tasks[0].elapsed or 0.0
        rate = self._records / elapsed if elapsed else 0.0
        self._bar.update(self._task, advance=read_bytes, records=self._records, rate=rate)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
