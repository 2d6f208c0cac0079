"""Pull secrets and the authentication ConfigMap, from API servers that answer as told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from imagegate.adapters.kubernetes_api.authentication import read_published
from imagegate.adapters.kubernetes_api.connection import Connection
from imagegate.adapters.kubernetes_api.fetched import Fetcher
from imagegate.adapters.kubernetes_api.host_cluster import ClusterHost
from imagegate.adapters.kubernetes_api.namespaces import PATH, ClusterNamespaces, slimmed
from imagegate.adapters.kubernetes_api.watched import Watched
from imagegate.core.admission.lookup import Absent, Found, Unknown
from tests.adapters.kubernetes_api.api import MisbehavingApi, status
from tests.support.simulator import Request, Response

TYPE = "kubernetes.io/dockerconfigjson"


class ToldApi(MisbehavingApi):
    """Gives one answer to every request."""

    given: Response

    def answer(self, request: Request) -> Response:
        return self.given

    def says(self, document: Any) -> None:
        self.given = Response(200, json.dumps(document).encode())


@pytest.fixture
def api() -> Iterator[ToldApi]:
    with ToldApi() as found:
        yield found


@pytest.fixture
def connection(api: ToldApi, tmp_path: Path) -> Connection:
    return api.connection(tmp_path)


@pytest.fixture
def host(connection: Connection) -> ClusterHost:
    watched = Watched(lambda: connection, PATH, slimmed)
    return ClusterHost(lambda: connection, ClusterNamespaces(watched, Fetcher(lambda: connection, ttl_s=0)))


def secret(name: str = "a", namespace: str = "shop", type_: str = TYPE) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": namespace}, "type": type_}


class TestSecrets:
    def test_those_of_one_type_by_name(self, api: ToldApi, host: ClusterHost) -> None:
        api.says({"metadata": {}, "items": [secret("b"), secret("a")]})
        found = host.secrets("shop", (TYPE,), deadline_s=5)
        assert isinstance(found, Found)
        assert [each["metadata"]["name"] for each in found.value] == ["a", "b"]
        [request] = api.requests
        assert request.query["fieldSelector"] == [f"type={TYPE}"]

    @pytest.mark.parametrize(
        "document",
        [
            {"metadata": {}},
            {"items": []},
            {"metadata": {}, "items": {}},
            {"metadata": {"continue": "more"}, "items": [secret()]},
            {"metadata": {}, "items": [secret(namespace="other")]},
            {"metadata": {}, "items": [secret(type_="Opaque")]},
            {"metadata": {}, "items": ["a"]},
            {"metadata": {}, "items": [{"metadata": {"namespace": "shop"}, "type": TYPE}]},
        ],
    )
    def test_lists_that_are_not_what_was_asked_for(self, api: ToldApi, host: ClusterHost, document: Any) -> None:
        api.says(document)
        assert isinstance(host.secrets("shop", (TYPE,), deadline_s=5), Unknown)

    def test_an_api_server_that_refuses(self, api: ToldApi, host: ClusterHost) -> None:
        api.given = status(403, "secrets is forbidden")
        found = host.secrets("shop", (TYPE,), deadline_s=5)
        assert isinstance(found, Unknown)
        assert "secrets is forbidden" in found.why


class TestNamespaces:
    def test_absent_only_by_the_api_server_s_word(self, api: ToldApi, host: ClusterHost) -> None:
        api.given = status(404, 'namespaces "shop" not found')
        assert isinstance(host.namespace("shop", deadline_s=5), Absent)
        api.given = status(500, "oops")
        assert isinstance(host.namespace("shop", deadline_s=5), Unknown)

    def test_what_was_fetched_is_fetched_again(self, api: ToldApi, host: ClusterHost) -> None:
        api.says({"metadata": {"name": "shop"}})
        assert isinstance(host.namespace("shop", deadline_s=5), Found)
        api.given = status(404, "gone")
        assert isinstance(host.namespace("shop", deadline_s=5), Absent)


class TestPublished:
    def test_nothing_is_published(self, api: ToldApi, connection: Connection) -> None:
        api.given = status(404, "not found")
        assert isinstance(read_published(connection), Absent)

    @pytest.mark.parametrize("document", [{}, {"data": []}, {"data": {"client-ca-file": "x"}}])
    def test_damaged(self, api: ToldApi, connection: Connection, document: Any) -> None:
        api.says(document)
        found = read_published(connection)
        assert isinstance(found, Unknown)
        assert found.why.startswith("ConfigMap kube-system/extension-apiserver-authentication")

    def test_empty(self, api: ToldApi, connection: Connection) -> None:
        api.says({"data": {}})
        found = read_published(connection)
        assert isinstance(found, Found)
        assert found.value.request_header_ca == ""
