"""Versions of trust data that were seen, kept in the Kubernetes API: no replica forgets them, nor a new one.

The files are those of the real notary-server; an older set of them is served again.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import ssl
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster.control_plane import ControlPlane
from tests.cluster.stores import define, new_namespace
from tests.support.certificates import Authority
from tests.support.processes import wait_until
from tests.support.trust_world import TrustService, TrustWorld, trust_policy, trust_world

OLDER = "is lower than current version"


class Recorded:
    """Hands requests for one repository on to the real notary-server, and keeps its answers."""

    def __init__(self, world: TrustWorld, gun: str) -> None:
        self._world, self._gun = world, gun
        self.files: dict[str, bytes | None] = {}
        world.simulator.repositories[gun] = self._file

    def _file(self, name: str) -> bytes | None:
        if name not in self.files:
            trusted = ssl.create_default_context(cafile=str(self._world.ca.bundle))
            connection = http.client.HTTPSConnection("127.0.0.1", self._world.notary.running.port, context=trusted)
            with contextlib.closing(connection):
                connection.request("GET", f"/v2/{self._gun}/_trust/tuf/{name}.json")
                answer = connection.getresponse()
                content = answer.read()
            self.files[name] = content if answer.status == 200 else None
        return self.files[name]

    def forget(self) -> dict[str, bytes | None]:
        """Ask the notary-server anew from now on; what it has answered so far."""
        files, self.files = self.files, {}
        return files


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, ca: Authority) -> Iterator[TrustWorld]:
    with trust_world(tmp_path_factory.mktemp("memory"), ca) as running:
        yield running


def replica(world: TrustWorld, settings: dict[str, Any]) -> Any:
    """A replica with a folder of its own, as a pod that is new has it."""
    return world.serve([trust_policy("team", world.simulator.url)], cise={"cache": False}, more=settings)


def verdict(service: TrustService, image: str) -> str:
    return service.message(image)


def test_a_rollback_that_only_a_replica_of_before_has_seen(plane: ControlPlane, world: TrustWorld) -> None:
    define(plane)
    namespace = new_namespace(plane)
    plane.kubectl("create", "namespace", "team")
    wait_until(lambda: plane.kubectl("-n", "team", "get", "sa", "default", check=False).returncode == 0, "the account")
    shared = {
        "cluster": {"kubeconfig": str(plane.kubectl.configuration)},
        "store": {"kind": "kubernetes", "namespace": namespace},
        "guard": {"ownNamespace": namespace},
    }
    gun = world.gun("team/app")
    signed = world.push("team/app:v1")
    world.notary.start_signing(gun)
    world.notary.sign(gun, "v1", signed.manifest, signed.digest)
    recorded = Recorded(world, gun)
    image = world.gun("team/app:v1")
    try:
        with replica(world, shared) as first, replica(world, shared) as second:
            assert verdict(first, image) == ""
            older = recorded.forget()
            world.notary.sign(gun, "v2", signed.manifest, signed.digest)
            assert verdict(first, image) == ""
            newer = recorded.forget()
            recorded.files = dict(older)
            assert OLDER in verdict(second, image), "the other replica has never seen the newer files"
            os.killpg(first.service.running.pid, signal.SIGKILL)
        with replica(world, shared) as after:
            assert OLDER in verdict(after, image)
            assert after.service.metric("imagegate_trust_first_uses_total") == 0
            recorded.files = dict(newer)
            assert verdict(after, image) == ""
        recorded.files = dict(older)
        with replica(world, {}) as alone:
            assert verdict(alone, image) == "", "with a store of its own a new replica knows nothing"
    finally:
        plane.kubectl("delete", "namespace", "team", namespace, "--wait=false")
