"""The store in the Kubernetes API: the contracts, over a real API server."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from imagegate.adapters.kubernetes_api.store.image_streams import StoredImageStreams
from imagegate.adapters.kubernetes_api.store.objects import KubernetesStore
from imagegate.adapters.kubernetes_api.store.trust_states import StoredTrustStates
from imagegate.core.image_streams.stream import RegistryHosts
from imagegate.ports.content_trust import TrustStoreError
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


class TestTrustStates:
    """What was trusted, shared by replicas: compared and swapped."""

    PLACE = ("https://trust", "registry.example.com/team/app")

    def test_only_what_was_read_is_replaced(self, followed_store: KubernetesStore) -> None:
        states = StoredTrustStates(followed_store)
        assert states.get(*self.PLACE) is None
        assert not states.replace(*self.PLACE, before=b"zero", after=b"two")
        assert states.replace(*self.PLACE, before=None, after=b"one\xff")
        assert states.get(*self.PLACE) == b"one\xff"
        assert states.get("https://other", self.PLACE[1]) is None
        assert not states.replace(*self.PLACE, before=None, after=b"two")
        assert not states.replace(*self.PLACE, before=b"zero", after=b"two")
        assert states.replace(*self.PLACE, before=b"one\xff", after=b"two")
        assert states.get(*self.PLACE) == b"two"

    def test_what_cannot_be_read_does_not_count_as_nothing(
        self, followed_store: KubernetesStore, defined: ControlPlane
    ) -> None:
        states = StoredTrustStates(followed_store)
        states.replace(*self.PLACE, before=None, after=b"one")
        namespace = followed_store.watch.path.split("/")[5]
        [name] = defined.kubectl("-n", namespace, "get", "storedobjects", "-o", "name").stdout.split()
        defined.kubectl("-n", namespace, "patch", name, "--type=merge", "-p", '{"spec": {"body": "{}"}}')
        with pytest.raises(TrustStoreError, match="cannot be read"):
            states.get(*self.PLACE)
