"""The store in the Kubernetes API: the contracts, over a real API server."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from imagegate.adapters.kubernetes_api.store.image_streams import StoredImageStreams
from imagegate.adapters.kubernetes_api.store.objects import KubernetesStore
from imagegate.core.image_streams.stream import RegistryHosts
from imagegate.ports.image_store import ImageStore
from tests.adapters.image_store_contract import STREAMS, ImageStoreContract, body, key
from tests.adapters.image_streams_contract import Both, ImageStreamsContract, Make
from tests.cluster.control_plane import ControlPlane
from tests.cluster.stores import connection_of, define, followed, new_namespace


@pytest.fixture(scope="module")
def defined(plane: ControlPlane) -> ControlPlane:
    define(plane)
    return plane


@pytest.fixture
def followed_store(defined: ControlPlane) -> Iterator[KubernetesStore]:
    with followed(defined, new_namespace(defined)) as store:
        yield store


class TestKubernetesStore(ImageStoreContract):
    @pytest.fixture
    def store(self, followed_store: KubernetesStore) -> ImageStore:
        return followed_store


class TestStoredImageStreams(ImageStreamsContract):
    @pytest.fixture
    def make(self, followed_store: KubernetesStore) -> Make:
        def made(
            streams: Sequence[dict[str, Any]],
            images: Sequence[dict[str, Any]],
            namespaces: Sequence[dict[str, Any]],
            hosts: RegistryHosts,
        ) -> Both:
            for found in streams:
                followed_store.create(key(found["metadata"]["name"], found["metadata"]["namespace"]), found)
            for found in images:
                followed_store.create(key(found["metadata"]["name"], "", "images"), found)
            for found in namespaces:
                followed_store.create(key(found["metadata"]["name"], "", "namespaces", ""), found)
            return StoredImageStreams(followed_store, hosts)

        return made


def test_a_command_lists_anew(defined: ControlPlane) -> None:
    """It follows nothing, and sees what others have written all the same."""
    connection = connection_of(defined)
    namespace = new_namespace(defined)
    one, other = (KubernetesStore(lambda: connection, namespace) for _ in range(2))
    first = one.create(key("a"), body("a"))
    assert list(other.list_objects(STREAMS).items) == [first]
    assert other.knows(first["metadata"]["resourceVersion"])
    since = other.version()
    second = one.update(key("a"), body("a", labels={"x": "y"}), version=first["metadata"]["resourceVersion"])
    assert [change.object for change in other.changes(since, STREAMS, limit=9).changes] == [second]
    gone = one.delete(key("a"))
    assert int(gone["metadata"]["resourceVersion"]) > int(second["metadata"]["resourceVersion"])
    assert other.list_objects(STREAMS).items == ()
