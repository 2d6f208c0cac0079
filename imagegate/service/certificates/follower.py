"""Brings the serving certificate from its Secret into the file that all processes of this replica serve from.

One process does so; if it ends, another goes on. What it found is a note that all processes show.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from imagegate.ports.certificates import CertificateObjects, ObjectsUnavailable, Overtaken, PairFile, StoredSecret
from imagegate.ports.documents import Processes
from imagegate.service.certificates.keeper import Keeper
from imagegate.service.certificates.plan import CERTIFICATE, KEY, REPORT_EVERY, USED_BY, report
from imagegate.service.certificates.served import InvalidCertificate, Served, read_served
from imagegate.service.health import Check

OVERTAKEN_S = 0.2
"""Pause after another replica was quicker."""
STALE_S = 180.0
"""Nobody has looked for so long: longer than a look takes while every request runs into its deadline."""
NOTE = "certificate"

_log = logging.getLogger(__name__)


class CertificateFollower:
    """See the module. To be started in each process that serves, after the fork.

    Args:
        secret: name of the Secret.
        place: the file to serve from.
        keeper: maintains the Secret; None: somebody else does.
        leads: True if this replica maintains it now; the others only read.
        replica: name of this replica, at most 63 letters, digits and hyphens.
        every_s: seconds between two looks.
    """

    def __init__(
        self,
        objects: CertificateObjects,
        secret: str,
        place: PairFile,
        processes: Processes,
        *,
        keeper: Keeper | None,
        replica: str,
        clock: Callable[[], datetime],
        leads: Callable[[], bool] = lambda: True,
        every_s: float = 5.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._monotonic = monotonic
        self._made_at = monotonic()
        self._objects = objects
        self._secret = secret
        self._place = place
        self._processes = processes
        self._keeper = keeper
        self._replica = replica
        self._clock = clock
        self._leads = leads
        self._every_s = every_s
        self._reported: tuple[str, datetime] | None = None
        self._ends = threading.Event()

    def start(self) -> None:
        """Follow in a thread of this process."""
        threading.Thread(target=self._keep_looking, name="certificates", daemon=True).start()

    def stop(self) -> None:
        """Let the thread end."""
        self._ends.set()

    def look(self) -> float:
        """Look once, if this process is the one that does; seconds until the next look."""
        try:
            if not self._processes.lead():
                return min(self._every_s, 1.0)
            problem = self._follow()
        except Overtaken:
            return OVERTAKEN_S
        except ObjectsUnavailable as error:
            problem = str(error)
        except OSError as error:
            problem = f"the certificate cannot be stored for this replica's processes: {error}"
        self._tell(problem)
        return self._every_s

    def checks(self) -> list[Check]:
        """For ``/readyz``: not ready before the Secret was read once; later the last certificate serves on."""
        return [
            Check("certificate Secret read", self._never_read, stops=True),
            Check("certificate Secret", self._problem),
        ]

    def _problem(self) -> str:
        note = self._note()
        silent_s = self._monotonic() - float(note.get("looked", self._made_at))
        if silent_s > STALE_S:
            return f"nobody has looked at Secret {self._secret} for {silent_s:.0f} s"
        return str(note.get("problem", ""))

    def _never_read(self) -> str:
        note = self._note()
        if note.get("read"):
            return ""
        return f"Secret {self._secret} was not read yet: {note.get('problem') or 'reading it'}"

    def _follow(self) -> str:
        problem = ""
        if self._keeper is not None and self._leads():
            stored: StoredSecret | None
            stored, problem = self._keeper.look()
        else:
            stored = self._objects.secret(self._secret)
        if stored is None:
            return f"there is no Secret {self._secret}"
        content = stored.data.get(CERTIFICATE, b"") + b"\n" + stored.data.get(KEY, b"")
        try:
            served = read_served(content)
        except InvalidCertificate as error:
            return f"Secret {self._secret}: {error}"
        if not stored.data.get(KEY):
            return f"Secret {self._secret} has no {KEY}"
        if self._place.content() != content:
            self._place.put(content)
            _log.info("serving certificate taken", extra={"notAfter": served.not_after.isoformat()})
        self._note_down(problem, read=True)
        if self._keeper is not None:
            self._report(served)
        return problem

    def _report(self, served: Served) -> None:
        """Say which certificate this replica uses: the CA of another one is trusted until nobody does."""
        now = self._clock()
        said = self._reported
        if said is None or said[0] != served.fingerprint or now - said[1] >= REPORT_EVERY:
            self._objects.annotate_secret(self._secret, {f"{USED_BY}{self._replica}": report(served.fingerprint, now)})
            self._reported = (served.fingerprint, now)

    def _tell(self, problem: str) -> None:
        """Leave the note of what was found; a problem is logged once."""
        before = self._note()
        if problem and problem != before.get("problem"):
            _log.error("serving certificate: %s", problem)
        try:
            self._note_down(problem, read=bool(before.get("read")))
        except OSError as error:
            _log.error("processes cannot tell each other: %s", error)

    def _note_down(self, problem: str, *, read: bool) -> None:
        self._processes.put_note(NOTE, {"read": read, "problem": problem, "looked": self._monotonic()})

    def _note(self) -> dict[str, Any]:
        return dict(self._processes.note(NOTE))

    def _keep_looking(self) -> None:
        pause_s = 0.0
        while not self._ends.wait(pause_s):
            pause_s = self.look()
