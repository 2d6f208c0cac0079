"""The store over an API server that loses answers, refuses, or answers with something else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from imagegate.adapters.kubernetes_api import watched as watching
from imagegate.adapters.kubernetes_api.store import objects as stores
from imagegate.adapters.kubernetes_api.store import requests as asking
from imagegate.adapters.kubernetes_api.store.image_streams import StoredImageStreams
from imagegate.adapters.kubernetes_api.store.objects import KubernetesStore
from imagegate.adapters.kubernetes_api.store.requests import CLOCK
from imagegate.adapters.kubernetes_api.store.stored_form import document_of, name_of
from imagegate.core.admission.lookup import Absent, Found, Unknown
from imagegate.core.image_streams.questions import Image, Namespace, PullSpecHolders, StreamTag
from imagegate.core.image_streams.stream import RegistryHosts
from imagegate.ports.image_store import (
    ChangesExpired,
    ObjectChanged,
    ObjectExists,
    ObjectKey,
    ObjectMissing,
    ObjectTooLarge,
    StoreError,
    StoreTimeout,
)
from tests.adapters.image_store_contract import STREAMS, body, key
from tests.adapters.kubernetes_api.api import MisbehavingApi, event, page, status
from tests.support.image_objects import DIGEST_1, image
from tests.support.image_objects import event as tag_event
from tests.support.image_objects import stream as image_stream
from tests.support.processes import wait_until
from tests.support.simulator import Request, Response

LOST = Response(drop=True)
PATH = "/apis/imagegate.dev/v1alpha1/namespaces/imagegate/storedobjects"


class Api(MisbehavingApi):
    """Custom resources in memory. ``faults`` are given instead of the answers to writes, which happen all the same."""

    def __init__(self) -> None:
        super().__init__()
        self.there: dict[str, dict[str, Any]] = {}
        self.version = 10
        self.faults: list[Response] = []
        self.refusals: list[Response] = []
        """Given instead of answers to anything; nothing happens."""

    def answer(self, request: Request) -> Response:
        if self.refusals:
            return self.refusals.pop(0)
        if request.path == PATH and request.method == "GET":
            return super().answer(request)
        given = json.loads(request.body) if request.body else {}
        name = given["metadata"]["name"] if request.path == PATH else request.path.rpartition("/")[2]
        made = getattr(self, f"_{request.method.lower()}")(name, given)
        assert isinstance(made, Response)
        return self.faults.pop(0) if self.faults and request.method != "GET" else made

    def _get(self, name: str, _: Any) -> Response:
        if name not in self.there:
            return status(404, f'storedobjects.imagegate.dev "{name}" not found')
        return Response(200, json.dumps(self.there[name]).encode())

    def _post(self, name: str, given: dict[str, Any]) -> Response:
        if name in self.there:
            return status(409, "exists")
        return self._store(name, given)

    def _put(self, name: str, given: dict[str, Any]) -> Response:
        if name not in self.there:
            return self._get(name, None)
        if self.there[name]["metadata"]["resourceVersion"] != given["metadata"]["resourceVersion"]:
            return status(409, "changed")
        return self._store(name, given)

    def _patch(self, name: str, given: dict[str, Any]) -> Response:
        if name not in self.there:
            return self._get(name, None)
        merged = {**self.there[name], "metadata": {**self.there[name]["metadata"], **given["metadata"]}}
        return self._store(name, merged)

    def _delete(self, name: str, given: dict[str, Any]) -> Response:
        if name not in self.there:
            return self._get(name, None)
        if self.there[name]["metadata"]["resourceVersion"] != given["preconditions"]["resourceVersion"]:
            return status(409, "changed")
        del self.there[name]
        return status(200, "deleted")

    def _store(self, name: str, given: dict[str, Any]) -> Response:
        self.version += 1
        metadata = {**given["metadata"], "resourceVersion": str(self.version), "uid": f"uid {name}"}
        self.there[name] = {**given, "metadata": metadata}
        return Response(200, json.dumps(self.there[name]).encode())


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "WITHIN_S", 0.5)
    monkeypatch.setattr(asking, "PAUSES_S", (0.01, 0.05))
    monkeypatch.setattr(stores, "SHOWN_S", 0.2)
    monkeypatch.setattr(stores, "OWN_SHOWN_S", 0.05)
    monkeypatch.setattr(watching, "PAUSES_S", (0.01, 0.05))


@pytest.fixture
def api() -> Iterator[Api]:
    with Api() as found:
        found.lists = [page(version=10)]
        yield found


@pytest.fixture
def store(api: Api, tmp_path: Path) -> KubernetesStore:
    connection = api.connection(tmp_path)
    return KubernetesStore(lambda: connection, "imagegate")


def stored(found_key: ObjectKey, found: dict[str, Any], version: int) -> dict[str, Any]:
    made = document_of(found_key, found, "imagegate")
    made["metadata"] |= {"resourceVersion": str(version), "uid": f"uid of {found_key.name}"}
    return made


class TestAnswersThatAreLost:
    def test_of_a_creation(self, api: Api, store: KubernetesStore) -> None:
        api.faults = [LOST]
        created = store.create(key(), body())
        assert store.get(key()) == created
        assert api.count("POST") == 2

    def test_of_a_creation_where_there_is_another_one(self, api: Api, store: KubernetesStore) -> None:
        store.create(key(), body(uid="another"))
        api.faults = [LOST]
        with pytest.raises(ObjectExists):
            store.create(key(), body())

    def test_of_an_update(self, api: Api, store: KubernetesStore) -> None:
        first = store.create(key(), body())
        api.faults = [LOST, status(500, "etcdserver: leader changed")]
        second = store.update(key(), body(labels={"a": "b"}), version=first["metadata"]["resourceVersion"])
        assert store.get(key()) == second
        assert api.count("PUT") == 3

    def test_of_an_update_that_another_writer_has_overtaken(self, api: Api, store: KubernetesStore) -> None:
        first = store.create(key(), body())
        store.update(key(), body(labels={"by": "another"}), version=first["metadata"]["resourceVersion"])
        api.faults = [LOST]
        with pytest.raises(ObjectChanged):
            store.update(key(), body(labels={"a": "b"}), version=first["metadata"]["resourceVersion"])

    def test_of_a_deletion(self, api: Api, store: KubernetesStore) -> None:
        store.create(key(), body())
        api.faults = [LOST]
        store.delete(key())
        assert store.get(key()) is None
        with pytest.raises(ObjectMissing):
            store.delete(key())

    def test_for_ever(self, api: Api, store: KubernetesStore) -> None:
        api.refusals = [status(503, "away")] * 100
        with pytest.raises(StoreTimeout, match="may have been made or not: away"):
            store.create(key(), body())
        with pytest.raises(StoreTimeout) as failure:
            store.get(key())
        assert "may have been made" not in str(failure.value)


class TestRefusals:
    @pytest.mark.parametrize(
        "refusal",
        [
            Response(404, b"404 page not found\n"),
            status(404, "the server could not find the requested resource"),
            status(404, 'namespaces "imagegate" not found'),
            status(403, "storedobjects.imagegate.dev is forbidden"),
            status(401, "Unauthorized"),
            Response(200, b"[]"),
            Response(200, b"{"),
            Response(200, b"{}"),
        ],
    )
    def test_no_refusal_counts_as_absence(self, api: Api, store: KubernetesStore, refusal: Response) -> None:
        api.refusals = [refusal] * 20
        with pytest.raises(StoreError) as failure:
            store.get(key())
        assert not isinstance(failure.value, ObjectMissing)
        api.refusals = [refusal] * 20
        with pytest.raises(StoreError) as failure:
            store.update(key(), body(), version="1")
        assert not isinstance(failure.value, ObjectMissing)
        api.refusals = [refusal] * 20
        with pytest.raises(StoreError) as failure:
            store.delete(key())
        assert not isinstance(failure.value, ObjectMissing)

    def test_a_missing_definition_is_named(self, api: Api, store: KubernetesStore) -> None:
        api.refusals = [Response(404, b"404 page not found\n")]
        with pytest.raises(StoreError, match="is its CustomResourceDefinition installed"):
            store.get(key())

    @pytest.mark.parametrize("refusal", [status(413, "big"), status(500, "etcdserver: request is too large")])
    def test_a_limit_that_is_lower_than_ours(self, api: Api, store: KubernetesStore, refusal: Response) -> None:
        api.refusals = [refusal]
        with pytest.raises(ObjectTooLarge):
            store.create(key(), body())
        assert api.count("POST") == 1

    def test_an_object_for_another_key(self, api: Api, store: KubernetesStore) -> None:
        """As of a proxy that mixes up its answers: what is asked for decides about an image."""
        api.there[name_of(key())] = stored(key("other"), body("other"), 7)
        with pytest.raises(StoreError, match="answered with imagestreams-"):
            store.get(key())

    def test_a_body_that_is_not_the_key_s_is_never_written(self, api: Api, store: KubernetesStore) -> None:
        with pytest.raises(StoreError, match="are other ones"):
            store.create(key("a"), body("b"))
        assert api.requests == []

    @pytest.mark.parametrize("version", ["", "abc", None])
    def test_a_list_without_a_version(self, api: Api, store: KubernetesStore, version: str | None) -> None:
        metadata = {} if version is None else {"resourceVersion": version}
        api.lists = [Response(200, json.dumps({"metadata": metadata, "items": []}).encode())]
        with pytest.raises(StoreError):
            store.list_objects(STREAMS)


def told_of_the_clock(api: Api) -> Iterator[bytes]:
    """A watch that tells of the clock once it is there, and of nothing else."""
    while CLOCK not in api.there and not api.stopping.wait(0.01):
        yield b"\n"
    yield from api.held_open(event("ADDED", api.there[CLOCK]))


class TestTheWatch:
    @pytest.fixture
    def followed(self, api: Api, store: KubernetesStore) -> Iterator[KubernetesStore]:
        api.watches = [api.held_open()]
        yield store
        store.watch.stop()

    def test_gone_is_followed_by_a_list(self, api: Api, followed: KubernetesStore) -> None:
        first, second = stored(key("a"), body("a"), 8), stored(key("b"), body("b"), 15)
        api.lists = [page(first, version=10), page(first, second, version=20)]
        gone = {"kind": "Status", "code": 410, "message": "too old resource version"}
        api.watches = [[event("ERROR", gone)], api.held_open()]
        followed.watch.start()
        wait_until(lambda: followed.journal.complete == 20, "the second list")
        found = followed.list_objects(STREAMS)
        assert [each["metadata"]["name"] for each in found.items] == ["a", "b"]
        assert [each.version for each in followed.changes("10", STREAMS, limit=9).changes] == [15]

    def test_a_deletion_between_two_lists_makes_watchers_list(self, api: Api, followed: KubernetesStore) -> None:
        first = stored(key("a"), body("a"), 8)
        api.lists = [page(first, version=10), page(version=20)]
        gone = {"kind": "Status", "code": 410, "message": "too old resource version"}
        api.watches = [[event("ERROR", gone)], api.held_open()]
        followed.watch.start()
        wait_until(lambda: followed.journal.complete == 20, "the second list")
        with pytest.raises(ChangesExpired):
            followed.changes("10", STREAMS, limit=9)

    def test_a_list_does_not_hide_a_write_of_this_replica(self, api: Api, followed: KubernetesStore) -> None:
        """The watch stays silent: an error is better than a list without what was answered a moment ago."""
        followed.watch.start()
        assert followed.watch.wait(5)
        followed.create(key(), body())
        api.lists = [page(version=api.version)]
        with pytest.raises(StoreTimeout, match="behind the Kubernetes API"):
            followed.list_objects(STREAMS)

    def test_a_restored_etcd_that_has_passed_the_writes_of_this_replica(
        self, api: Api, followed: KubernetesStore
    ) -> None:
        """It did so by changes of other kinds, which this watch is not told: a touch of the clock is."""
        api.watches = [told_of_the_clock(api)]
        followed.watch.start()
        assert followed.watch.wait(5)
        followed.create(key(), body())
        api.version = 100
        api.lists = [page(version=100)]
        assert followed.list_objects(STREAMS).version == str(api.version)
        assert CLOCK in api.there

    def test_after_a_restore_of_etcd_lists_go_on(self, api: Api, followed: KubernetesStore) -> None:
        """The version that this replica has written is one that the API server no longer knows."""
        followed.watch.start()
        assert followed.watch.wait(5)
        api.version = 100
        followed.create(key(), body())
        assert followed.list_objects(STREAMS).version == "10", "the list of now has version 10"

    def test_decisions_before_everything_was_listed(self, store: KubernetesStore) -> None:
        streams = StoredImageStreams(store, RegistryHosts())
        assert streams.snapshot() is None
        assert isinstance(streams.image(Image(DIGEST_1), deadline_s=1), Unknown)
        assert isinstance(streams.namespace(Namespace("shop"), deadline_s=1), Unknown)
        assert "not known yet" in store.trouble()

    def test_decisions_ask_nothing_and_see_changes(self, api: Api, followed: KubernetesStore) -> None:
        tags = {"latest": [tag_event(DIGEST_1, f"org/app@{DIGEST_1}")]}
        api.lists = [
            page(
                stored(key("app", "test"), image_stream(tags=tags), 5),
                stored(key(DIGEST_1, "", "images"), image(DIGEST_1), 6),
                version=10,
            )
        ]
        followed.watch.start()
        assert followed.watch.wait(5)
        streams = StoredImageStreams(followed, RegistryHosts())
        before = len(api.requests)
        question, snapshot = StreamTag("test", "app", "latest"), streams.snapshot()
        found = streams.stream_tag(question, deadline_s=1)
        assert isinstance(found, Found)
        assert streams.stream_tag(question, deadline_s=1) is found
        assert isinstance(streams.image(Image("sha256:7"), deadline_s=1), Absent)
        assert streams.snapshot() is snapshot
        assert len(api.requests) == before

    def test_of_a_stream_that_cannot_be_read_nothing_is_known(self, api: Api, followed: KubernetesStore) -> None:
        good, bad = stored(key("good"), image_stream("good"), 5), stored(key("app"), image_stream(), 6)
        bad["spec"]["body"] = "{}"
        api.lists = [page(good, bad, version=10)]
        followed.watch.start()
        assert followed.watch.wait(5)
        streams = StoredImageStreams(followed, RegistryHosts())
        unknown = streams.stream_tag(StreamTag("test", "app", "latest"), deadline_s=1)
        assert isinstance(unknown, Unknown)
        assert "cannot be read" in unknown.why
        assert isinstance(streams.stream_tag(StreamTag("test", "good", "latest"), deadline_s=1), Absent)
        holders = streams.pull_spec_holders(PullSpecHolders(f"org/app@{DIGEST_1}"), deadline_s=1)
        assert isinstance(holders, Unknown), "the stream might hold it"
        with pytest.raises(StoreError, match="cannot be read"):
            followed.list_objects(STREAMS)
        assert "cannot be read" in followed.trouble()
