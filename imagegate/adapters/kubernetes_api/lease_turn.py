"""The turn among replicas: one process of each asks for a Lease, and a thread renews it."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from imagegate.adapters.kubernetes_api.connection import ApiError, InvalidAccess
from imagegate.adapters.kubernetes_api.lease import Lease, awake_s
from imagegate.ports.documents import Processes
from imagegate.ports.turns import Turn, TurnState

RELEASE_WITHIN_S = 3.0
LOOKS_IN_A_DURATION = 10
_NEVER = float("-inf")
_log = logging.getLogger(__name__)


class LeaseTurn:
    """``ports.turns.Turn``.

    The turn ends when two thirds of the Lease's duration are over without it being renewed, whatever the thread that
    renews it is doing: the last third is for work that is under way, and for clocks that do not run alike.

    Args:
        lease: makes the Lease for a process, with an identity that no other process has.
        name: of the Lease, for messages and the note.
        processes: of this replica: one of them asks for the Lease, and leaves a note of its state for the others.
        duration_s: of the Lease.
    """

    def __init__(
        self,
        lease: Callable[[], Lease],
        name: str,
        processes: Processes,
        *,
        duration_s: float,
        clock: Callable[[], float] = awake_s,
    ) -> None:
        self._make_lease = lease
        self._name = name
        self._processes = processes
        self._duration_s = duration_s
        self._clock = clock
        self._starting = threading.Lock()
        self._started: tuple[int, threading.Thread] | None = None
        """The process that asks for the Lease, and its thread: a fork has neither."""
        self._ends = threading.Event()
        self._until = _NEVER
        self._holder = self._problem = ""
        self._taken = self._lost = 0
        self._was_held = False
        self._noted: Mapping[str, Any] = {}

    def is_mine(self) -> bool:
        """See ``ports.turns.Turn``."""
        if not self._is_asking() and not self._ends.is_set():
            with self._starting:
                self._start()
        return self._is_held()

    def release(self) -> None:
        """See ``ports.turns.Turn``. Waits for the API server for ``RELEASE_WITHIN_S`` at most."""
        self._ends.set()
        if self._started is not None and self._started[0] == os.getpid():
            self._started[1].join(RELEASE_WITHIN_S)

    def state(self) -> TurnState:
        """See ``ports.turns.Turn``: of the process of this replica that asks for the Lease."""
        note = self._own_note() if self._is_asking() else next(iter(self._processes.reports()), {})
        return TurnState(
            self._name,
            is_held=note.get("held") is True,
            holder=str(note.get("holder", "")),
            problem=str(note.get("problem", "")),
            taken=self._taken,
            lost=self._lost,
        )

    def _is_asking(self) -> bool:
        return self._started is not None and self._started[0] == os.getpid()

    def _is_held(self) -> bool:
        return self._is_asking() and not self._ends.is_set() and self._clock() < self._until

    def _start(self) -> None:
        """Ask for the Lease from now on, if no other process of this replica does."""
        if self._is_asking():
            return
        try:
            if not self._processes.lead():
                return
        except OSError as error:
            self._say(f"the processes of this replica cannot agree which one asks for it: {error.strerror}")
            return
        thread = threading.Thread(target=self._keep_renewing, name=f"lease {self._name}", daemon=True)
        self._started = (os.getpid(), thread)
        thread.start()

    def _keep_renewing(self) -> None:
        lease = self._make_lease()
        self._renew(lease)
        while not self._ends.wait(self._duration_s / LOOKS_IN_A_DURATION):
            self._renew(lease)
        self._until = _NEVER
        self._tell(given_up=True)  # before another replica can say that it has it
        try:
            lease.release()
        except (ApiError, InvalidAccess) as error:
            _log.info("Lease %s was not given up and ends by itself: %s", self._name, error)
        self._holder = lease.holder
        self._tell()

    def _renew(self, lease: Lease) -> None:
        self._tell()  # the turn may have ended while the last request waited
        problem = ""
        try:
            lease.renew()
        except (ApiError, InvalidAccess) as error:
            problem = str(error)
        self._until = lease.held_until - self._duration_s / 3
        self._holder = lease.holder
        self._say(problem)
        self._tell()

    def _say(self, problem: str) -> None:
        """Log a problem when it is new."""
        if problem and not self._problem:
            _log.warning("Lease %s cannot be taken or renewed: %s", self._name, problem)
        self._problem = problem

    def _tell(self, *, given_up: bool = False) -> None:
        """Count and log a change of the turn, and leave a note of the state if it is another one."""
        is_held = self._is_held()
        if is_held and not self._was_held:
            self._taken += 1
            _log.info("Lease %s taken: this replica does its work", self._name)
        elif self._was_held and given_up:
            _log.info("Lease %s given up", self._name)
        elif self._was_held and not is_held:
            self._lost += 1
            reason = self._problem or f"its holder is {self._holder or 'nobody'}"
            _log.warning("Lease %s lost: this replica stops its work: %s", self._name, reason)
        self._was_held = is_held
        note = self._own_note()
        if note != self._noted:
            with contextlib.suppress(OSError):  # no room: the other processes go on to show the note of before
                self._processes.report(note)
                self._noted = note

    def _own_note(self) -> Mapping[str, Any]:
        return {"held": self._is_held(), "holder": self._holder, "problem": self._problem}


if TYPE_CHECKING:  # mypy checks each adapter against its port
    _: type[Turn] = LeaseTurn
