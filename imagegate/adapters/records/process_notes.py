"""Notes that the processes of one service share through files in a folder in memory."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imagegate.ports.documents import Processes

_LEADER = "leader.lock"
_PROCESS = "process-"


class ProcessNotes:
    """``ports.documents.Processes``.

    Args:
        folder: shared by the processes of one service, and gone with it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock: tuple[int, int] | None = None
        """The process that took the lock, and its descriptor: a fork does not hold it."""

    def lead(self) -> bool:
        """See ``ports.documents.Processes``. The system frees the lock when the process ends, however it ends."""
        own = os.getpid()
        if self._lock is not None and self._lock[0] == own:
            return True
        descriptor = os.open(self._folder / _LEADER, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        except OSError:
            os.close(descriptor)
            raise
        self._lock = (own, descriptor)
        return True

    def put_note(self, name: str, note: Mapping[str, Any]) -> None:
        """See ``ports.documents.Processes``."""
        fresh = self._folder / f".{name}.{os.getpid()}"
        fresh.write_text(json.dumps(note))
        fresh.replace(self._folder / f"{name}.json")

    def note(self, name: str) -> Mapping[str, Any]:
        """See ``ports.documents.Processes``."""
        try:
            found = json.loads((self._folder / f"{name}.json").read_text())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def report(self, note: Mapping[str, Any]) -> None:
        """See ``ports.documents.Processes``."""
        own = os.getpid()
        self.put_note(f"{_PROCESS}{own}", {**note, "pid": own, "began": _began(own)})

    def reports(self) -> list[Mapping[str, Any]]:
        """See ``ports.documents.Processes``. Notes of those that have ended are removed."""
        found = []
        for path in self._folder.glob(f"{_PROCESS}*.json"):
            note = self.note(path.stem)
            pid = note.get("pid")
            if isinstance(pid, int) and note.get("began") == _began(pid):
                found.append(note)
            else:
                with contextlib.suppress(OSError):
                    path.unlink()
        return sorted(found, key=lambda note: int(note["pid"]))


def _began(pid: int) -> str:
    """When a process began, in ticks since the machine did: another one may get its number. Empty: it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return "" if fields[0] in "ZX" else fields[19]


if TYPE_CHECKING:  # mypy checks each adapter against its port
    _: type[Processes] = ProcessNotes
