"""Mirror objects on a real API server: kinds that come and go, objects in force within a second."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import yaml

from imagegate.adapters.kubernetes_api.connection import Connection, Credentials
from imagegate.adapters.kubernetes_api.mirror_sets import ClusterMirrors
from imagegate.core.registry.mirrors import MirrorRule, MirrorUse
from tests.cluster.control_plane import ControlPlane
from tests.cluster.custom_kinds import define
from tests.support.processes import wait_until

GROUP = "config.openshift.io"
IN_FORCE_S = 1.0


def mirror_set(name: str, source: str, *mirrors: str, policy: str = "") -> str:
    entry = {"source": source, "mirrors": list(mirrors), **({"mirrorSourcePolicy": policy} if policy else {})}
    document = {
        "apiVersion": f"{GROUP}/v1",
        "kind": "ImageDigestMirrorSet",
        "metadata": {"name": name},
        "spec": {"imageDigestMirrors": [entry]},
    }
    return yaml.safe_dump(document)


@pytest.fixture
def mirrors(plane: ControlPlane) -> Iterator[ClusterMirrors]:
    connection = Connection(Credentials(str(plane.kubectl.configuration)))
    found = ClusterMirrors(lambda: connection)
    for watch in found.watches:
        watch.start()
    yield found
    for watch in found.watches:
        watch.stop()


def test_objects_are_in_force_within_a_second(plane: ControlPlane, mirrors: ClusterMirrors) -> None:
    wait_until(lambda: mirrors.rules() is not None, "the lists of kinds that are not installed")
    assert mirrors.rules() == ()
    crd = define(plane, GROUP, "v1", "ImageDigestMirrorSet", "imagedigestmirrorsets", namespaced=False)
    try:
        plane.kubectl("apply", "-f", "-", text_in=mirror_set("a", "quay.io", "m.corp"))
        wait_until(lambda: mirrors.rules() != (), "the kind to be found")
        closed = mirror_set("b", "quay.io", "n.corp", policy="NeverContactSource")
        plane.kubectl("apply", "-f", "-", text_in=closed)
        began = time.monotonic()
        expected = (MirrorRule("quay.io", ("m.corp", "n.corp"), MirrorUse.DIGEST, True),)
        wait_until(lambda: mirrors.rules() == expected, "the second object")
        assert time.monotonic() - began < IN_FORCE_S
        plane.kubectl("delete", "imagedigestmirrorset", "b")
        wait_until(lambda: mirrors.rules() == (MirrorRule("quay.io", ("m.corp",)),), "the deletion")
    finally:
        plane.kubectl("delete", "crd", crd)
