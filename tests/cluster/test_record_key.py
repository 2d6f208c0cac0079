"""The key of the records of rewritten images, in a Secret of the real API server."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from imagegate.adapters.kubernetes_api.connection import Connection, Credentials
from imagegate.adapters.kubernetes_api.record_key import KeyUnavailable, shared_key
from tests.cluster.control_plane import ControlPlane
from tests.support.kubectl import Kubectl
from tests.support.processes import free_port

NAMESPACE, NAME = "record-key", "imagegate-record-key"


@pytest.fixture
def connection(plane: ControlPlane) -> Iterator[Connection]:
    plane.kubectl("create", "namespace", NAMESPACE)
    yield Connection(Credentials(str(plane.kubectl.configuration)))
    plane.kubectl("delete", "namespace", NAMESPACE)


def test_replicas_that_start_at_once_have_one_key(plane: ControlPlane, connection: Connection) -> None:
    connections = [Connection(Credentials(str(plane.kubectl.configuration))) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda each: shared_key(each, NAMESPACE, NAME, wait_s=0), connections))
    assert len(keys) == 1
    assert len(keys.pop()) == 64
    assert shared_key(connection, NAMESPACE, NAME, wait_s=0) == shared_key(connections[0], NAMESPACE, NAME, wait_s=0)


@pytest.mark.parametrize(
    "data",
    [{}, {"other": "eA=="}, {"key": ""}, {"key": base64.b64encode(b"short").decode()}, None],
)
def test_what_is_not_a_key_is_refused_and_stays(
    plane: ControlPlane, connection: Connection, data: dict[str, str] | None
) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": NAME, "namespace": NAMESPACE}, "data": data}
    plane.kubectl("create", "-f", "-", text_in=json.dumps(secret))
    with pytest.raises(KeyUnavailable, match="restore the Secret from a backup"):
        shared_key(connection, NAMESPACE, NAME, wait_s=0)
    assert plane.kubectl.json("-n", NAMESPACE, "get", "secret", NAME).get("data", {}) == (data or {})


def test_without_the_right_to_read_it_nothing_is_tried_again(
    plane: ControlPlane, connection: Connection, tmp_path: Path
) -> None:
    token = plane.kubectl("-n", NAMESPACE, "create", "token", "default").stdout.strip()
    other = Kubectl(tmp_path)
    other.use(plane.url, ca=plane.ca.bundle, token=token)
    waited: list[float] = []
    with pytest.raises(KeyUnavailable, match="forbidden"):
        shared_key(Connection(Credentials(str(other.configuration))), NAMESPACE, NAME, wait_s=60, sleep=waited.append)
    assert waited == []


def test_an_api_server_that_does_not_answer_is_asked_again(tmp_path: Path) -> None:
    nobody = Kubectl(tmp_path)
    nobody.use(f"https://127.0.0.1:{free_port()}")
    waited: list[float] = []
    with pytest.raises(KeyUnavailable, match="cannot be reached"):
        shared_key(
            Connection(Credentials(str(nobody.configuration))),
            NAMESPACE,
            NAME,
            wait_s=0.2,
            sleep=waited.append,
        )
    assert waited
