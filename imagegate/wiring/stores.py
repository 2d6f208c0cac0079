"""The store of the image API, and what decisions look up in it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from imagegate.core.image_streams.stream import RegistryHosts
from imagegate.errors import InvalidSettings
from imagegate.ports.image_store import ImageStore, StoreError
from imagegate.settings.load import Settings
from imagegate.settings.sections import KUBERNETES

if TYPE_CHECKING:
    from imagegate.adapters.kubernetes_api.store.objects import KubernetesStore
    from imagegate.ports.content_trust import ListedTrustStates
    from imagegate.ports.turns import Turn
    from imagegate.service.evidence.layered_image_streams import Layer
    from imagegate.wiring.cluster import Cluster

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OpenedStore:
    """A store, for those who write objects and for those who decide."""

    objects: ImageStore
    image_streams: Callable[[RegistryHosts], Layer]
    """Look-ups of image streams and images in it; given names of the integrated registry."""
    trust_states: Callable[[], ListedTrustStates]
    """Makes what remembers trust data in it."""
    own_turn: Turn | None
    """Of background work, among those that have it open; None: replicas share it, and agree by a Lease."""


def open_store(
    settings: Settings, environ: Mapping[str, str], cluster: Cluster | None, *, now: Callable[[], datetime]
) -> OpenedStore | None:
    """The store that the settings name, or that of this user.

    Args:
        cluster: has the store in the Kubernetes API, if it is that.

    Returns:
        None where none is named and this user's state directory cannot be written: then there is no image API.

    Raises:
        InvalidSettings: the store that is named cannot be used.
    """
    if settings.store.kind == KUBERNETES:
        if cluster is None or cluster.store is None:
            raise InvalidSettings("store.kind: kubernetes needs a cluster block: it says where the API server is")
        return _shared(cluster.store)
    try:
        return open_file(store_path(settings, environ), now)
    except StoreError as error:
        if settings.store.path:
            raise InvalidSettings(f"store.path: {error}") from error
        _log.warning("no image API: %s; name a file with store.path", error)
        return None


def open_file(path: Path, now: Callable[[], datetime]) -> OpenedStore:
    """The embedded store in a file, which is made if it is not there.

    Raises:
        StoreError: it cannot be opened.
    """
    from imagegate.adapters.store_sqlite.database import Database  # what takes time to import is imported when used
    from imagegate.adapters.store_sqlite.image_streams import StoredImageStreams
    from imagegate.adapters.store_sqlite.objects import SqliteStore
    from imagegate.adapters.store_sqlite.trust_states import SqliteTrustStates
    from imagegate.adapters.store_sqlite.turn import StoreTurn
    from imagegate.core.image_streams.terms import terms_of

    store = SqliteStore(Database(path), terms_of=terms_of, now=now)
    return OpenedStore(
        store,
        image_streams=lambda hosts: StoredImageStreams(store, hosts),
        trust_states=lambda: SqliteTrustStates(store.database),
        own_turn=StoreTurn(path),
    )


def _shared(store: KubernetesStore) -> OpenedStore:
    from imagegate.adapters.kubernetes_api.store.image_streams import StoredImageStreams  # takes time: when used
    from imagegate.adapters.kubernetes_api.store.trust_states import StoredTrustStates

    return OpenedStore(
        store,
        image_streams=lambda hosts: StoredImageStreams(store, hosts),
        trust_states=lambda: StoredTrustStates(store),
        own_turn=None,
    )


def store_path(settings: Settings | None, environ: Mapping[str, str]) -> Path:
    """The store's file; with no settings, the one that the environment names or that of this user."""
    named = environ.get("IMAGEGATE_STORE_PATH", "") if settings is None else settings.store.path
    return Path(named) if named else default_store_path(environ)


def default_store_path(environ: Mapping[str, str]) -> Path:
    """``imagegate/images.db`` in the user's state directory (XDG Base Directory Specification)."""
    state = environ.get("XDG_STATE_HOME") or ""
    base = Path(state) if state.startswith("/") else Path(environ.get("HOME") or "/") / ".local" / "state"
    return base / "imagegate" / "images.db"
