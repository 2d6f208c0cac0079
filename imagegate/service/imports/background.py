"""Work beside the requests: scheduled imports, and deletions that wait for other objects."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from imagegate.ports.image_store import ImageStore, StoreError
from imagegate.ports.turns import Turn

LOOK_FOR_CHANGES_EVERY_S = 1.0
LOOK_ANYWAY_EVERY_S = 30.0

Round = Callable[[Callable[[], bool]], object]
"""One round; its argument says before each object whether to stop."""

_log = logging.getLogger(__name__)


class BackgroundWork:
    """Rounds of imports and of deletions, in one process of all that share the store.

    A round that has begun stops at its next object once the turn is lost or the process is stopping. The object that is
    under way is finished: it is written with the version that was read, so that nothing another process has written
    meanwhile is lost.

    Args:
        store: its version says whether anything has changed.
        turn: whether this process is the one that works in the background.
        import_round: imports what is due; see ``ScheduledImports.run_round``.
        delete_round: goes on with deletions; see ``Collector.run_round``.
        ends: True once the process is stopping.
        every_s: how often the version is looked at.
    """

    def __init__(
        self,
        store: ImageStore,
        *,
        turn: Turn,
        import_round: Round,
        delete_round: Round,
        ends: Callable[[], bool],
        every_s: float = LOOK_FOR_CHANGES_EVERY_S,
    ) -> None:
        self._store = store
        self._turn = turn
        self._import_round = import_round
        self._delete_round = delete_round
        self._ends = ends
        self._every_s = every_s
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="scheduled-imports", daemon=True)

    def start(self) -> None:
        """Start the threads. They are daemons: a process that ends does not wait for a slow import."""
        self._thread.start()

    def stop(self, *, within_s: float) -> None:
        """Begin nothing more, and give the turn up once what is under way has ended, if it does ``within_s``."""
        self._stopped.set()
        self._thread.join(within_s)

    def _run(self) -> None:
        deletions = threading.Thread(
            target=self.run_rounds, args=(self._delete_round, "deletions"), name="collector", daemon=True
        )
        deletions.start()  # a thread of its own: a deletion never waits for a slow import
        self.run_rounds(self._import_round, "imports")
        deletions.join()
        self._turn.release()

    def run_rounds(self, run_round: Round, what: str) -> None:
        """Do a round soon after the store has changed, and now and then for what is due by time, until the end."""
        seen, looked_at = "", 0.0
        while not self._is_ending():
            self._stopped.wait(self._every_s)
            if self._is_over():
                seen = ""  # what the turn's next holder does is not known here
                continue
            try:
                version = self._store.version()
                if version == seen and time.monotonic() - looked_at < LOOK_ANYWAY_EVERY_S:
                    continue
                looked_at = time.monotonic()
                run_round(self._is_over)
                seen = version  # of before the round: what the round itself or anybody meanwhile wrote is looked at
            except StoreError as error:
                _log.warning("the store cannot be used for %s in the background: %s", what, error)
            except Exception:  # noqa: BLE001 - logged with its traceback; the thread must survive until the repair
                _log.exception("%s in the background failed unexpectedly", what)

    def _is_ending(self) -> bool:
        return self._stopped.is_set() or self._ends()

    def _is_over(self) -> bool:
        return self._is_ending() or not self._turn.is_mine()
