"""One owner of the policies in force, for all processes of a service and for as long as it lives.

The last good documents are stored where all processes see them, with a number that only grows. A process starts with
the newest and loads every newer one; only one process, the leader, watches the files. When they have changed and no
longer change, it reads them, and stores them if they are good. SIGHUP makes the master do the same at once. When the
leader ends, however it ends, another process takes its place.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from imagegate.errors import ConfigError
from imagegate.ports.documents import Documents, Index, Recorded
from imagegate.service.policies.change import change
from imagegate.service.policies.policy_set import PolicyHolder, PolicySet, unavailable
from imagegate.service.policies.sources import Beginning, ReadDocuments, Sources
from imagegate.service.policies.state_notes import held, note_of, state_of

LOOK_EVERY_S = 0.5
LOOK_COSTS_AT_MOST = 0.05
"""Share of its time that the leader may spend on watching: many files are checked less often."""
RETRY_AFTER_S = 5.0
"""Seconds until unreadable files are tried again, although they have not changed."""
STALE_AFTER_S = 15.0
"""Seconds after which a process that has not looked is reported as stuck."""
REPORT_EVERY_S = 1.0
_FILES = "files"

_log = logging.getLogger(__name__)


class PolicyOwner:
    """The policies of this process. Made before any fork; call ``start`` after it."""

    def __init__(
        self, holder: PolicyHolder, beginning: Beginning, sources: Sources, *, clock: Callable[[], datetime]
    ) -> None:
        """Store the policies at the start of the service.

        Raises:
            OSError: they cannot be shared with other processes.
        """
        self._holder = holder
        self._from = sources
        self._clock = clock
        self._stop = threading.Event()
        self._waiting: tuple[Index, float, datetime] | None = None
        """Documents that wait to be put in force, and since when."""
        self._retry_at: float | None = None
        self._leads = False
        self._error = ""
        """Reason why this process cannot load the newest policies."""
        self._looked: dict[str, Any] = {}
        self._rested_at = time.monotonic()
        """Time at which the files were last found unchanged."""
        self._look_error = ""
        self._every_s = LOOK_EVERY_S
        self._state_error = ""
        self._following = threading.Lock()
        self._putting = threading.Lock()
        """Held while policies are put in force, so that none of two threads puts older ones over newer ones."""
        self._renewal_error = ""
        self._reported: Callable[[int, str], None] = lambda _generation, _problem: None
        with sources.shared.locked():
            self._kept = sources.shared.keep(beginning.documents, version=beginning.policies.version, at=clock())
            self._stamp = sources.shared.stamp()
        if not beginning.restored and beginning.held is None:
            self._keep_for_the_next_start(beginning.documents, beginning.policies.version)
        if beginning.held is not None:
            holder.hold(beginning.held)
        elif beginning.error:
            holder.keep(beginning.error)
        if beginning.restored:
            holder.restored(beginning.restored)

    # -- every process

    def catch_up(self) -> bool:
        """Load the newest policies; True if this process has them. Never raises."""
        try:
            self._follow()
        except Exception as error:  # noqa: BLE001 - a bug in a reader must not end the process
            why = _why(error)
            if why != self._error:
                _log.error("the newest policies cannot be taken: %s", why, exc_info=_traceback(error))
            self._error = why
            return False
        self._error = ""
        return True

    def renew(self) -> None:
        """Put the policy objects of a cluster in force as they are now. Never raises."""
        try:
            if self._holder.current.outdated():
                with self._following:
                    self._put(self._from.load(self._kept.documents))
            with self._putting:
                self._holder.renew()
            self._renewal_error = ""
        except Exception as error:  # noqa: BLE001 - a bug in a reader must not end the thread of a watch
            why = f"the policies of the cluster cannot be put in force: {_why(error)}"
            if why != self._renewal_error:
                _log.error("%s", why, exc_info=_traceback(error))
            self._renewal_error = why

    def _put(self, fresh: PolicySet) -> None:
        """Put documents in force, with the policy objects of now: they may have changed since the documents were
        read.
        """
        with self._putting:
            self._holder.put(fresh.renewed())

    def start(self, reported: Callable[[int, str], None] = lambda _generation, _problem: None) -> None:
        """Start in a serving process, after the fork. Without the newest policies it denies everything.

        Args:
            reported: called regularly with the number of the policies in force and the reason why newer ones are not.
        """
        self._reported = reported
        if not self.catch_up():
            self._holder.current = unavailable(self._error)
        self._take_over_state()  # until it has looked for itself, if it ever leads
        self._report()
        threading.Thread(target=self._keep_looking, name="policies", daemon=True).start()

    def stop(self) -> None:
        """Let the thread end."""
        self._stop.set()

    def look(self) -> None:
        """Take the newest policies; in the leader look at the files. Never raises."""
        self.catch_up()
        self.renew()
        try:
            led, self._leads = self._leads, self._from.processes.lead()
            if not (led and self._leads):  # a new leader goes on where the one before ended
                self._take_over_state()
            if self._leads:
                self._lead()
            self._look_error = ""
        except Exception as error:  # noqa: BLE001 - the thread must live to see the repair
            self._cannot_look(error)

    def reload(self) -> bool:
        """Read the files now, on request, whatever they hold; True if they are good. Never raises."""
        self.catch_up()
        try:
            for _ in range(20):
                if self._consider(asked=True):
                    break
                time.sleep(0.05)  # they are being written
            else:
                self._holder.keep("the files do not stop changing while they are read")
            self._tell()
        except Exception as error:  # noqa: BLE001 - the master must live
            _log.error("the files cannot be read on request: %s", error, exc_info=_traceback(error))
            self._holder.keep(_why(error))
        return not self._holder.state.error

    def _keep_looking(self) -> None:
        reported = 0.0
        while not self._stop.wait(self._every_s):
            self.look()
            if time.monotonic() - reported >= REPORT_EVERY_S:
                reported = time.monotonic()
                self._report()

    def _follow(self) -> None:
        """Take the newest policies.

        Raises:
            ConfigError: they are damaged, or this version cannot read them.
            OSError: they cannot be read.
        """
        with self._following:
            stamp = self._from.shared.stamp()
            if stamp == self._stamp:
                return
            kept = self._from.shared.newest()
            if kept is None or kept.generation < self._kept.generation:
                raise OSError("the newest policies are no longer where the processes share them")
            if kept.generation > self._kept.generation:
                self._put(self._from.load(kept.documents))
            self._kept, self._stamp = kept, stamp

    def _take_over_state(self) -> None:
        """Report the leader's findings about the files as this process's own."""
        note = self._from.processes.note(_FILES)
        if note:
            state = state_of(note)
            if state != self._holder.state:
                self._holder.state = state

    # -- the leader, and the master on SIGHUP

    def _lead(self) -> None:
        began = time.monotonic()
        changed = self._from.watch.look(self._from.files())
        cost_s = time.monotonic() - began
        self._every_s = min(max(LOOK_EVERY_S, cost_s / LOOK_COSTS_AT_MOST), STALE_AFTER_S / 3)
        self._looked = {"look": self._clock().isoformat(timespec="seconds"), "monotonic": began, "error": ""}
        if changed or (self._from.watch.rests() and self._is_due()):
            self._consider(asked=False)
        if self._from.watch.rests():
            self._rested_at = began
        elif began - self._rested_at > STALE_AFTER_S:
            self._looked["error"] = f"the files have kept changing for {began - self._rested_at:.0f} s"
        self._tell()

    def _is_due(self) -> bool:
        now = time.monotonic()
        if self._retry_at is not None and now >= self._retry_at:
            return True
        waiting = self._waiting
        has_rested = waiting is not None and now - waiting[1] >= self._holder.current.weaker_after_s
        return has_rested and (self._holder.state.held is None or self._holder.state.held.until is not None)

    def _cannot_look(self, error: Exception) -> None:
        why = _why(error)
        if why != self._look_error:
            _log.error("the policy files cannot be looked at: %s", why, exc_info=_traceback(error))
        self._look_error = why
        self._looked = {**self._looked, "error": why}
        try:
            self._tell()
        except OSError as second:
            self._error = f"processes cannot tell each other: {second}"

    def _consider(self, *, asked: bool) -> bool:
        """Read the files, and put them in force if that is right; whether they were read in one state."""
        with self._from.shared.locked():
            self._follow()
            if self._files_are_those_in_force():
                return True
            documents = self._from.disk()
            fresh = self._holder.read(lambda: self._checked(documents))
            mark = self._from.watch.mark(self._from.files())
            if not documents.unchanged():
                return False
            self._from.watch.acted(mark)
            self._retry_at = time.monotonic() + RETRY_AFTER_S if documents.trouble else None
            if isinstance(fresh, str):
                self._waiting = None
                self._holder.keep(fresh)
            else:
                self._decide(fresh, documents, asked=asked)
        return True

    def _checked(self, documents: Documents) -> PolicySet:
        fresh = self._from.load(documents)
        self._from.check(fresh)
        return fresh

    def _files_are_those_in_force(self) -> bool:
        """True if every file has the content that is in force already, so that nothing needs to be read."""
        probe, index = self._from.disk(), self._kept.documents.index()
        try:
            for path, entry in index.documents.items():
                probe.read(Path(path), at_most=entry.size)
            for folder in index.folders:
                probe.below(Path(folder))
            for path in index.kinds:
                probe.is_file(Path(path))
            for path in index.identities:
                probe.identity(Path(path))
            mark = self._from.watch.mark(self._from.files())
            if probe.index() != index or not probe.unchanged():
                return False
        except (ConfigError, OSError):  # reading them says what it is
            return False
        self._from.watch.acted(mark)
        self._retry_at = self._waiting = None
        self._holder.good()
        return True

    def _decide(self, fresh: PolicySet, documents: ReadDocuments, *, asked: bool) -> None:
        before = self._holder.current
        found = change(before, fresh, self._from.texts(self._kept, documents))
        if found.reasons and not asked:
            waiting = self._waiting
            if waiting is None or waiting[0] != documents.index():
                waiting = self._waiting = (documents.index(), time.monotonic(), self._clock())
            if found.cut_off or time.monotonic() - waiting[1] < before.weaker_after_s:
                self._holder.hold(held(found, fresh, waiting[2], before.weaker_after_s))
                return
        self._waiting = None
        try:
            kept = self._from.shared.keep(documents, version=fresh.version, at=self._clock())
            stamp = self._from.shared.stamp()
        except OSError as error:
            self._retry_at = time.monotonic() + RETRY_AFTER_S
            self._holder.keep(f"the policies cannot be shared with other processes: {error}")
            return
        self._keep_for_the_next_start(documents, fresh.version)
        self._put(fresh)
        self._kept, self._stamp = kept, stamp
        if found.rules or found.reasons:
            rules = [str(rule) for rule in found.rules]
            why = "on request" if asked else "the files have not changed for a while" if found.reasons else ""
            _log.warning("rules changed: %s", "; ".join((*rules, *found.reasons)), extra={"rules": rules, "why": why})

    def _keep_for_the_next_start(self, documents: Recorded, version: str) -> None:
        state = self._from.state
        if state is None:
            return
        try:
            with state.locked():
                state.keep(documents, version=version, at=self._clock())
            self._state_error = ""
        except OSError as error:
            self._state_error = f"the last good policies cannot be kept for the next start: {error}"
            _log.error("%s", self._state_error)
            try:
                state.forget()  # no policies are better than older ones
            except OSError as second:
                _log.error("older policies stay kept for the next start: %s", second)

    # -- what operators see

    def _report(self) -> None:
        try:
            self._from.processes.report(
                {
                    "version": self._holder.current.version,
                    "generation": self._kept.generation,
                    "look": self._clock().isoformat(timespec="seconds"),
                    "monotonic": time.monotonic(),
                    "error": self._error or self._renewal_error,
                    "leads": self._leads,
                }
            )
        except OSError as error:
            self._error = f"processes cannot tell each other: {error}"
        self._reported(self.generation, self._error or self.watch_problem())

    def _tell(self) -> None:
        note = {**note_of(self._holder.state), "watch": self._looked, "stateError": self._state_error}
        self._from.processes.put_note(_FILES, note)

    @property
    def generation(self) -> int:
        """The number of the policies that this process has."""
        return self._kept.generation

    def processes(self) -> list[Mapping[str, Any]]:
        """Policies in force in every serving process, when each last looked, and which one follows the files."""
        return [
            {key: note[key] for key in ("pid", "version", "generation", "look", "error", "leads")}
            for note in self._from.processes.reports()
        ]

    def last_look(self) -> str:
        """When the files were last looked at (ISO 8601); empty: not yet."""
        return str((self._from.processes.note(_FILES).get("watch") or {}).get("look") or "")

    def watch_problem(self) -> str:
        """Why the files are not looked at; empty where they are."""
        note = self._from.processes.note(_FILES)
        watch = note.get("watch") or {}
        if watch.get("error"):
            return f"the policy files cannot be read: {watch['error']}"
        since = time.monotonic() - watch["monotonic"] if "monotonic" in watch else 0.0
        return f"the policy files have not been looked at for {since:.0f} s" if since > STALE_AFTER_S else ""

    def state_problem(self) -> str:
        """Why the next start could not fall back on the policies in force; empty where it could."""
        return str(self._from.processes.note(_FILES).get("stateError") or "")

    def divergence(self) -> str:
        """Processes without the newest policies, or that have not looked for a while; empty if there are none."""
        notes = self._from.processes.reports()
        newest = max((note["generation"] for note in notes), default=0)
        now = time.monotonic()
        problems = [
            f"process {note['pid']}: {note['error'] or 'has older policies in force'}"
            for note in notes
            if note["error"] or note["generation"] < newest
        ]
        problems += [
            f"process {note['pid']}: has not looked for newer policies for {now - note['monotonic']:.0f} s"
            for note in notes
            if now - note["monotonic"] > STALE_AFTER_S
        ]
        return "; ".join(problems)


def _why(error: Exception) -> str:
    known = isinstance(error, (ConfigError, OSError))
    return str(error) if known else f"internal error: {type(error).__name__}; see the log"


def _traceback(error: Exception) -> Exception | None:
    """The traceback to log for an unexpected error; None for an expected one."""
    return None if isinstance(error, (ConfigError, OSError)) else error
