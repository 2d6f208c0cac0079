"""The last few records of decisions, of all processes that serve together, through files in a shared folder."""

from __future__ import annotations

import contextlib
import os
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from imagegate.ports.audit import Audit

KEPT = 200
EVERY_S = 1.0
_PATTERN = "recent-*.jsonl"


class RecentRecords:
    """``Audit`` that keeps the last ``KEPT`` records of each process, encoded: they are rarely looked at.

    Args:
        folder: shared by the processes; None: only this process's records are known.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._own: deque[bytes] = deque(maxlen=KEPT)
        self._appended = 0
        self._written = 0
        self._sharing = threading.Lock()

    def append(self, lines: Sequence[bytes]) -> None:
        """Keep records."""
        self._own.extend(lines)
        self._appended += len(lines)

    def start(self) -> None:
        """Share this process's records from now on. To be called after a fork."""
        self._own.clear()
        if self._folder is not None:
            threading.Thread(target=self._keep_sharing, name="recent-records", daemon=True).start()

    def share(self) -> None:
        """Write this process's records where the others find them, if there are new ones.

        Raises:
            OSError: they cannot be written.
        """
        if self._folder is None:
            return
        with self._sharing:
            appended = self._appended
            if self._written == appended:
                return
            fresh = self._folder / f"new-{os.getpid()}"
            fresh.write_bytes(b"".join(list(self._own)))
            fresh.replace(self._folder / _PATTERN.replace("*", str(os.getpid())))
            self._written = appended

    def latest(self, most: int = KEPT) -> list[Mapping[str, Any]]:
        """The last records of all processes, newest first; those of others up to a second late.

        This process's own are shared before they are returned: a page that shows one leads to a page that another
        process may answer.
        """
        with contextlib.suppress(OSError):  # the folder goes when the service ends
            self.share()
        mine = _PATTERN.replace("*", str(os.getpid()))
        found = list(self._own)
        for path in self._folder.glob(_PATTERN) if self._folder is not None else ():
            if path.name != mine:
                with contextlib.suppress(OSError):  # its process has ended, and the folder was tidied
                    found += path.read_bytes().splitlines()
        records: list[Mapping[str, Any]] = [orjson.loads(line) for line in found]
        return sorted(records, key=lambda record: str(record.get("time")), reverse=True)[:most]

    def news(self) -> object:
        """Differs from the result before whenever ``latest`` may have new records. Costs microseconds."""
        try:
            shared = self._folder.stat().st_mtime_ns if self._folder is not None else 0
        except OSError:  # the folder goes when the service ends
            shared = 0
        return self._appended, shared

    def _keep_sharing(self) -> None:
        wait = threading.Event()
        while not wait.wait(EVERY_S):
            with contextlib.suppress(OSError):  # the folder goes when the service ends
                self.share()


if TYPE_CHECKING:  # mypy checks each adapter against its port
    _: type[Audit] = RecentRecords
