"""Settings of the image API behind an API server: what they need, and what they must not take over."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from imagegate.errors import InvalidSettings
from imagegate.settings.aggregation import AggregationSettings, ImageApiSettings, RequestHeaderSettings
from imagegate.settings.load import Settings
from imagegate.settings.sections import ClusterSettings, ServerSettings
from imagegate.wiring.aggregation import Aggregation, aggregation
from imagegate.wiring.cluster import Cluster
from tests.adapters.kubernetes_api.api import MisbehavingApi, status
from tests.support.certificates import Authority
from tests.support.simulator import Request, Response


class PublishingApi(MisbehavingApi):
    """Has the ConfigMap of an API server, and perhaps an APIService."""

    config_map: Response
    api_service: Response = status(404, "not found")

    def answer(self, request: Request) -> Response:
        return self.api_service if "apiservices" in request.path else self.config_map


@pytest.fixture
def api(ca: Authority) -> Iterator[PublishingApi]:
    with PublishingApi() as found:
        data = {
            "requestheader-client-ca-file": ca.bundle.read_text(),
            "requestheader-username-headers": '["X-Remote-User"]',
        }
        found.config_map = document({"data": data})
        yield found


def document(content: Any) -> Response:
    return Response(200, json.dumps(content).encode())


def settings(**chosen: Any) -> Settings:
    made = AggregationSettings(enabled=True, **chosen)
    return Settings(image_api=ImageApiSettings(aggregation=made))


def made(api: PublishingApi, directory: Path, chosen: Settings) -> Aggregation:
    api.connection(directory)  # writes the kubeconfig
    [kubeconfig] = [each for each in directory.iterdir() if "config" in each.name]
    with_cluster = replace(chosen, cluster=ClusterSettings(kubeconfig=str(kubeconfig)))
    return aggregation(with_cluster, Cluster(with_cluster))


class TestConfiguration:
    def test_it_comes_from_the_cluster(self, api: PublishingApi, tmp_path: Path) -> None:
        found = made(api, tmp_path, settings())
        assert [check.problem() for check in found.checks()] == [""]
        assert "BEGIN CERTIFICATE" in found.authentication.client_cas()

    def test_a_cluster_that_does_not_answer_does_not_stop_the_start(self, api: PublishingApi, tmp_path: Path) -> None:
        api.config_map = api.api_service = status(500, "oops")
        found = made(api, tmp_path, settings())
        [check] = found.checks()
        assert check.problem() == "ConfigMap kube-system/extension-apiserver-authentication: oops"
        assert not check.stops
        assert found.authentication.current is None

    def test_it_comes_from_files_which_are_followed(self, api: PublishingApi, tmp_path: Path, ca: Authority) -> None:
        bundle = tmp_path / "front-proxy.crt"
        bundle.write_text(ca.bundle.read_text())
        headers = RequestHeaderSettings(client_ca_file=str(bundle), allowed_names=("aggregator",))
        found = made(api, tmp_path, settings(request_header=headers, client_ca_file=str(ca.bundle))).authentication
        assert found.current is not None
        assert found.current.request_headers.allowed_names == ("aggregator",)
        assert found.current.client_ca == found.current.request_header_ca
        bundle.write_text("nonsense")
        found.look()
        assert "request-header client CA cannot be read" in found.problem()
        assert found.current.request_header_ca == ca.bundle.read_text()
        bundle.unlink()
        found.look()
        assert "front-proxy.crt" in found.problem()


class TestRefusals:
    def test_without_a_cluster(self) -> None:
        with pytest.raises(InvalidSettings, match="set `cluster`"):
            aggregation(settings(), None)

    def test_with_threads_for_connections(self, api: PublishingApi, tmp_path: Path) -> None:
        with pytest.raises(InvalidSettings, match=r"needs server\.worker: event-loop"):
            made(api, tmp_path, replace(settings(), server=ServerSettings(worker="gthread")))

    def test_half_of_the_files(self, api: PublishingApi, tmp_path: Path, ca: Authority) -> None:
        with pytest.raises(InvalidSettings, match=r"belongs to requestHeader\.clientCAFile"):
            made(api, tmp_path, settings(client_ca_file=str(ca.bundle)))

    def test_a_cluster_that_serves_the_api_itself(self, api: PublishingApi, tmp_path: Path) -> None:
        service = {"namespace": "openshift-apiserver", "name": "api"}
        api.api_service = document({"spec": {"service": service}})
        with pytest.raises(InvalidSettings, match=r"serves image\.openshift\.io itself, by the Service openshift-apis"):
            made(api, tmp_path, settings())

    @pytest.mark.parametrize("spec", [None, {}, {"service": None}, {"service": {"namespace": "imagegate"}}, []])
    def test_other_apiservices(self, api: PublishingApi, tmp_path: Path, spec: Any) -> None:
        api.api_service = document({"spec": spec})
        assert made(api, tmp_path, settings()).authentication.current is not None
