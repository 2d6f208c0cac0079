"""Work beside the requests: scheduled imports, and deletions that wait for other objects."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from imagegate.ports.image_store import ImageStore, StoreError

LOOK_FOR_CHANGES_EVERY_S = 1.0
LOOK_ANYWAY_EVERY_S = 30.0
_log = logging.getLogger(__name__)


class BackgroundWork:
    """Rounds of imports and of deletions, in one process of all that share the store.

    Args:
        store: its version says whether anything has changed.
        take_turn: returns once this process is the one that works in the background.
        import_round: imports what is due; see ``ScheduledImports.run_round``.
        delete_round: goes on with deletions; see ``Collector.run_round``.
        ends: True once the process is stopping.
        every_s: how often the version is looked at.
    """

    def __init__(
        self,
        store: ImageStore,
        *,
        take_turn: Callable[[], None],
        import_round: Callable[[], object],
        delete_round: Callable[[], object],
        ends: Callable[[], bool],
        every_s: float = LOOK_FOR_CHANGES_EVERY_S,
    ) -> None:
        self._store = store
        self._take_turn = take_turn
        self._import_round = import_round
        self._delete_round = delete_round
        self._ends = ends
        self._every_s = every_s

    def start(self) -> None:
        """Start the threads. They are daemons: a process that ends does not wait for a slow import."""
        threading.Thread(target=self._run, name="scheduled-imports", daemon=True).start()

    def _run(self) -> None:
        self._take_turn()
        deletions = threading.Thread(
            target=self.run_rounds, args=(self._delete_round, "deletions"), name="collector", daemon=True
        )
        deletions.start()  # a thread of its own: a deletion never waits for a slow import
        self.run_rounds(self._import_round, "imports")

    def run_rounds(self, run_round: Callable[[], object], what: str) -> None:
        """Do a round soon after the store has changed, and now and then for what is due by time, until the end."""
        seen, looked_at = "", 0.0
        while not self._ends():
            time.sleep(self._every_s)
            try:
                version = self._store.version()
                if version == seen and time.monotonic() - looked_at < LOOK_ANYWAY_EVERY_S:
                    continue
                looked_at = time.monotonic()
                run_round()
                seen = version  # of before the round: what the round itself or anybody meanwhile wrote is looked at
            except StoreError as error:
                _log.warning("the store cannot be used for %s in the background: %s", what, error)
            except Exception:  # noqa: BLE001 - logged with its traceback; the thread must survive until the repair
                _log.exception("%s in the background failed unexpectedly", what)
