"""``imagegate store migrate``: the two stores."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from imagegate.adapters.kubernetes_api.connection import Connection, Credentials
from imagegate.adapters.kubernetes_api.store.objects import KubernetesStore
from imagegate.adapters.kubernetes_api.store.trust_states import StoredTrustStates
from imagegate.errors import InvalidInput
from imagegate.ports.content_trust import ListedTrustStates
from imagegate.ports.image_store import ImageStore, StoreError
from imagegate.service.image_api.migration import Migration
from imagegate.settings.load import load_settings
from imagegate.settings.sections import EMBEDDED, KUBERNETES
from imagegate.wiring.guard import own_namespace
from imagegate.wiring.stores import open_file, store_path

LISTED_WITHIN_S = 300.0
WRITERS = 8
"""Objects that are written to the Kubernetes API at a time."""


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a store: ``kubernetes``, ``embedded``, or the path of a file."""

    name: str
    settings: Path | None = None
    kubeconfig: str = ""
    context: str = ""
    namespace: str = ""


@dataclass(frozen=True, slots=True)
class _Store:
    objects: ImageStore
    trust: ListedTrustStates
    writers: int


@contextmanager
def migration(source: Place, target: Place, *, dry_run: bool) -> Iterator[Migration]:
    """A migration between two stores, for one block.

    Raises:
        InvalidInput: both are the same, or the source is not there.
        InvalidSettings: the settings are wrong.
        InvalidAccess: the cluster cannot be reached with these credentials.
        StoreError: a store cannot be used.
    """
    if source.name == target.name:
        raise InvalidInput(f"--from and --to are the same store: {source.name}")
    with ExitStack() as stack:
        one = stack.enter_context(_opened(source))
        if dry_run and not _is_there(target):
            yield Migration(one.objects, one.trust, None, None)
            return
        other = stack.enter_context(_opened(target, new=True))
        yield Migration(one.objects, one.trust, other.objects, other.trust, writers=other.writers)


def _is_there(place: Place) -> bool:
    return place.name == KUBERNETES or _file(place).exists()


@contextmanager
def _opened(place: Place, *, new: bool = False) -> Iterator[_Store]:
    if place.name == KUBERNETES:
        with _in_cluster(place) as store:
            yield _Store(store, StoredTrustStates(store), WRITERS)
        return
    file = _file(place)
    if not new and not file.exists():
        raise InvalidInput(f"{file}: there is no such store")
    opened = open_file(file, lambda: datetime.now(UTC))
    try:
        yield _Store(opened.objects, opened.trust_states(), 1)
    finally:
        opened.objects.release()


def _file(place: Place) -> Path:
    if place.name != EMBEDDED:
        return Path(place.name)
    return store_path(load_settings(place.settings, environ=os.environ), os.environ)


@contextmanager
def _in_cluster(place: Place) -> Iterator[KubernetesStore]:
    settings = load_settings(place.settings, environ=os.environ)
    chosen = settings.cluster
    kubeconfig = place.kubeconfig or (chosen.kubeconfig if chosen is not None else "")
    if not kubeconfig and not os.environ.get("KUBERNETES_SERVICE_HOST"):
        kubeconfig = str(Path.home() / ".kube/config")
    context = place.context or (chosen.context if chosen is not None else "")
    namespace = place.namespace or settings.store.namespace or own_namespace(settings.guard)
    connection = Connection(Credentials(kubeconfig, context))
    store = KubernetesStore(lambda: connection, namespace)
    store.watch.list_once()  # says at once what is wrong
    if not store.watch.state.synced:
        raise StoreError(store.missing())
    store.watch.start()
    try:
        if not store.watch.wait(LISTED_WITHIN_S):
            raise StoreError(store.missing())
        yield store
    finally:
        store.watch.stop()
