"""The last few records of decisions, of all processes that serve together, through files in a shared folder."""

from __future__ import annotations

import contextlib
import os
import threading
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from imagegate.ports.audit import Audit

KEPT = 200
EVERY_S = 1.0
_PATTERN = "recent-*.jsonl"


class RecentRecords:
    """``Audit`` that keeps the last ``KEPT`` records of each process. Appending costs next to nothing.

    Args:
        folder: shared by the processes; None: only this process's records are known.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._own: deque[Mapping[str, Any]] = deque(maxlen=KEPT)
        self._appended = 0
        self._written = 0

    def append(self, record: Mapping[str, Any]) -> None:
        """Keep one record; it is not looked at."""
        self._own.append(record)
        self._appended += 1

    def start(self) -> None:
        """Share this process's records from now on. To be called after a fork."""
        self._own.clear()
        if self._folder is not None:
            threading.Thread(target=self._keep_sharing, name="recent-records", daemon=True).start()

    def share(self) -> None:
        """Write this process's records where the others find them, if there are new ones."""
        if self._folder is None or self._written == self._appended:
            return
        self._written = self._appended
        content = b"\n".join(orjson.dumps(record) for record in list(self._own))
        fresh = self._folder / f"new-{os.getpid()}"
        fresh.write_bytes(content)
        fresh.replace(self._folder / _PATTERN.replace("*", str(os.getpid())))

    def latest(self, most: int = KEPT) -> list[Mapping[str, Any]]:
        """The last records of all processes, newest first; those of others up to a second late."""
        mine = _PATTERN.replace("*", str(os.getpid()))
        found = list(self._own)
        for path in self._folder.glob(_PATTERN) if self._folder is not None else ():
            if path.name != mine:
                with contextlib.suppress(OSError):  # its process has ended, and the folder was tidied
                    found += [orjson.loads(line) for line in path.read_bytes().splitlines()]
        return sorted(found, key=lambda record: str(record.get("time")), reverse=True)[:most]

    def _keep_sharing(self) -> None:
        wait = threading.Event()
        while not wait.wait(EVERY_S):
            with contextlib.suppress(OSError):  # the folder goes when the service ends
                self.share()


if TYPE_CHECKING:  # mypy checks each adapter against its port
    _: type[Audit] = RecentRecords
