"""The turn of background work: among the processes of one store, or among the replicas of an installation."""

from __future__ import annotations

import secrets
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from imagegate.adapters.records.process_notes import ProcessNotes
from imagegate.errors import InvalidSettings
from imagegate.ports.turns import Turn, TurnState
from imagegate.service.health import Check
from imagegate.settings.load import Settings
from imagegate.settings.sections import BY_STORE, LEASE, STORE_LOCK
from imagegate.wiring.certificate_names import namespace_of

if TYPE_CHECKING:
    from imagegate.wiring.cluster import Cluster

IMPORTS = "imagegate-imports"
"""The Lease of scheduled imports and deletions."""


class NoTurn:
    """The turn of a command: it does no work in the background."""

    def is_mine(self) -> bool:
        """See ``Turn``."""
        return False

    def release(self) -> None:
        """See ``Turn``."""

    def state(self) -> TurnState | None:
        """See ``Turn``."""
        return None


def imports_turn(settings: Settings, cluster: Cluster | None, of_store: Turn | None, shared: Path | None) -> Turn:
    """The turn of scheduled imports and deletions, as the settings say.

    Args:
        of_store: see ``OpenedStore.own_turn``.
        shared: a folder of the processes of this replica.

    Raises:
        InvalidSettings: replicas are to agree, and cannot.
        OSError: there is no room in the folder.
    """
    how = BY_STORE if settings.cluster is None else settings.cluster.leader_election
    if of_store is not None and how != LEASE:
        return of_store
    if cluster is None or settings.cluster is None:
        raise InvalidSettings("cluster: required: the store is shared by replicas, and a Lease says which one imports")
    if how == STORE_LOCK:
        raise InvalidSettings(
            "cluster.leaderElection: the store is shared by replicas and has no lock: use auto or lease"
        )
    if shared is None:
        raise InvalidSettings(
            "cluster.leaderElection: the processes of this server share no folder; name an empty one in"
            " PROMETHEUS_MULTIPROC_DIR"
        )
    return _lease_turn(settings, cluster, IMPORTS, shared, settings.cluster.lease_s)


def turn_checks(turn: Turn) -> list[Check]:
    """For ``/readyz``: the Lease, if there is one. A replica that cannot use it reviews and serves all the same."""
    if turn.state() is None:
        return []

    def problem() -> str:
        state = turn.state()
        return "" if state is None else state.problem

    return [Check("lease", problem)]


def _lease_turn(settings: Settings, cluster: Cluster, name: str, shared: Path, duration_s: float) -> Turn:
    from imagegate.adapters.kubernetes_api.lease import Lease  # imports the Kubernetes client: takes time and memory
    from imagegate.adapters.kubernetes_api.lease_turn import LeaseTurn

    folder = shared / name
    folder.mkdir(exist_ok=True)
    namespace = namespace_of(settings)

    def lease() -> Lease:
        identity = f"{socket.gethostname()}-{secrets.token_hex(4)}"  # a process that begins again holds nothing
        return Lease(cluster.connection, namespace, name, identity, duration_s=duration_s)

    return LeaseTurn(lease, name, ProcessNotes(folder), duration_s=duration_s)
