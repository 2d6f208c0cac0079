"""Mirror objects of a cluster: unknown before they were listed, then as they are last seen."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagegate.adapters.kubernetes_api.mirror_sets import ClusterMirrors
from imagegate.core.registry.mirrors import MirrorRule, MirrorUse
from tests.adapters.kubernetes_api.api import MisbehavingApi
from tests.support.processes import wait_until
from tests.support.simulator import Request, Response, Simulator

DIGESTS = {
    "metadata": {"name": "d", "resourceVersion": "1"},
    "spec": {"imageDigestMirrors": [{"source": "a.io", "mirrors": ["m.io"]}]},
}


class OpenShift(MisbehavingApi):
    """Has ImageDigestMirrorSets, no ImageTagMirrorSets, and no operator group."""

    down = False

    def answer(self, request: Request) -> Response:
        if self.down:
            return Response(503, b"{}")
        path = request.path.partition("?")[0]
        if "watch" in request.query:
            return Response(200, self.held_open())
        if path.endswith("/imagedigestmirrorsets"):
            return _json({"metadata": {"resourceVersion": "7"}, "items": [DIGESTS]})
        if path == "/apis":
            return _json({"groups": [{"name": "config.openshift.io"}]})
        if path == "/apis/config.openshift.io/v1":
            return _json({"resources": [{"name": "imagedigestmirrorsets"}]})
        return Response(404, b"{}")


def _json(document: object) -> Response:
    return Response(200, json.dumps(document).encode())


@pytest.fixture
def api() -> Iterator[OpenShift]:
    with OpenShift() as found:
        yield found


def mirrors(api: Simulator, tmp_path: Path) -> ClusterMirrors:
    assert isinstance(api, OpenShift)
    connection = api.connection(tmp_path)
    return ClusterMirrors(lambda: connection)


def test_kinds_that_are_not_installed_have_no_objects(api: OpenShift, tmp_path: Path) -> None:
    found = mirrors(api, tmp_path)
    assert found.rules() is None, "nothing is known before it was listed"
    for watch in found.watches:
        watch.list_once()
    assert found.rules() == (MirrorRule("a.io", ("m.io",), MirrorUse.DIGEST),)
    assert found.rules() is found.rules()
    assert list(found.broken()) == []


def test_one_kind_that_cannot_be_listed_leaves_all_unknown(api: OpenShift, tmp_path: Path) -> None:
    """Its objects may close a source."""
    found = mirrors(api, tmp_path)
    for watch in found.watches[:-1]:
        watch.list_once()
    api.down = True
    found.watches[-1].list_once()
    assert found.rules() is None


def test_the_last_state_stays_while_the_api_server_is_away(api: OpenShift, tmp_path: Path) -> None:
    found = mirrors(api, tmp_path)
    for watch in found.watches:
        watch.start()
    wait_until(lambda: found.rules() is not None, "the lists")
    api.down = True
    assert found.rules() == (MirrorRule("a.io", ("m.io",), MirrorUse.DIGEST),)
    for watch in found.watches:
        watch.stop()
