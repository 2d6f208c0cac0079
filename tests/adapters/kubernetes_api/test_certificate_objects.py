"""Certificates' objects of an API server that answers as told; the real one is in tests/cluster."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from imagegate.adapters.kubernetes_api.certificate_objects import ClusterCertificateObjects
from imagegate.adapters.kubernetes_api.own_account import owner_references
from imagegate.ports.certificates import ObjectsUnavailable, Overtaken, StoredSecret
from tests.adapters.kubernetes_api.api import MisbehavingApi, status
from tests.support.simulator import Response


@pytest.fixture
def api() -> Iterator[MisbehavingApi]:
    with MisbehavingApi() as found:
        yield found


def objects(api: MisbehavingApi, tmp_path: Path) -> ClusterCertificateObjects:
    connection = api.connection(tmp_path)
    return ClusterCertificateObjects(lambda: connection, "here", ("imagegate",), ("v1.image.openshift.io",))


def answers(api: MisbehavingApi, *documents: object) -> None:
    api.lists = [Response(200, json.dumps(each).encode()) for each in documents]


def test_a_secret(api: MisbehavingApi, tmp_path: Path) -> None:
    data = {"tls.crt": "QUJD", "broken": "***", "number": 5}
    answers(api, {"metadata": {"resourceVersion": "7", "annotations": {"a": "b", "c": 1}}, "data": data})
    found = objects(api, tmp_path).secret("x/../y")
    assert found == StoredSecret({"tls.crt": b"ABC"}, {"a": "b"}, "7")
    assert next(iter(api.requests)).target == "/api/v1/namespaces/here/secrets/x%2F..%2Fy"


@pytest.mark.parametrize("document", [{}, {"metadata": [], "data": "x"}, {"metadata": None, "data": None}])
def test_a_secret_without_what_it_should_have(api: MisbehavingApi, tmp_path: Path, document: object) -> None:
    answers(api, document)
    assert objects(api, tmp_path).secret("x") == StoredSecret({}, {}, "")


def test_no_secret(api: MisbehavingApi, tmp_path: Path) -> None:
    api.lists = [status(404, "not found")]
    assert objects(api, tmp_path).secret("x") is None


@pytest.mark.parametrize(
    "answer, kind, why",
    [
        (status(403, "secrets is forbidden"), ObjectsUnavailable, "Secret here/x cannot be read: secrets is forbidden"),
        (status(500, "no"), ObjectsUnavailable, "Secret here/x cannot be read: no"),
        (Response(200, b"{"), ObjectsUnavailable, "is not JSON"),
        (Response(200, b"[]"), ObjectsUnavailable, "is not an object"),
        (Response(200, b'"' + b"x" * (5 * 2**20) + b'"'), ObjectsUnavailable, "is larger than"),
    ],
)
def test_answers_that_are_none(
    api: MisbehavingApi, tmp_path: Path, answer: Response, kind: type[Exception], why: str
) -> None:
    api.lists = [answer]
    with pytest.raises(kind, match=why):
        objects(api, tmp_path).secret("x")


def test_nobody_answers(api: MisbehavingApi, tmp_path: Path) -> None:
    api.lists = [Response(drop=True)]
    with pytest.raises(ObjectsUnavailable, match="the API server cannot be reached"):
        objects(api, tmp_path).secret("x")


def test_writing_a_secret(api: MisbehavingApi, tmp_path: Path) -> None:
    answers(api, {"metadata": {"resourceVersion": "8"}})
    found = objects(api, tmp_path)
    assert found.put_secret("x", StoredSecret({"tls.crt": b"ABC"})).version == "8"
    found.put_secret("x", StoredSecret({"tls.crt": b"ABC"}, {"a": "b"}, "8"))
    found.annotate_secret("x", {"c": "d"})
    _account, made, replaced, annotated = api.requests
    assert (made.method, replaced.method, annotated.method) == ("POST", "PATCH", "PATCH")
    assert json.loads(made.body)["data"] == {"tls.crt": "QUJD"}
    assert "resourceVersion" not in json.loads(made.body)["metadata"]
    assert json.loads(replaced.body) == [
        {"op": "replace", "path": "/metadata/resourceVersion", "value": "8"},
        {"op": "add", "path": "/data", "value": {"tls.crt": "QUJD"}},
        {"op": "add", "path": "/metadata/annotations", "value": {"a": "b"}},
    ]
    assert json.loads(annotated.body) == {"metadata": {"annotations": {"c": "d"}}}


@pytest.mark.parametrize("version", ["", "8"])
def test_somebody_was_quicker(api: MisbehavingApi, tmp_path: Path, version: str) -> None:
    api.lists = [status(409, "already exists")]
    with pytest.raises(Overtaken):
        objects(api, tmp_path).put_secret("x", StoredSecret({}, {}, version))


def test_a_write_that_will_never_be_taken_is_not_tried_again_at_once(api: MisbehavingApi, tmp_path: Path) -> None:
    api.lists = [status(422, "data: Forbidden: field is immutable when `immutable` is set")]
    with pytest.raises(ObjectsUnavailable, match="field is immutable") as raised:
        objects(api, tmp_path).put_secret("x", StoredSecret({}, {}, "8"))
    assert not isinstance(raised.value, Overtaken)


def webhooks(*clients: object) -> dict[str, Any]:
    return {"metadata": {"resourceVersion": "3"}, "webhooks": [{"clientConfig": each} for each in clients]}


def test_objects_that_trust(api: MisbehavingApi, tmp_path: Path) -> None:
    service = {"name": "imagegate", "namespace": "here"}
    bundle = base64.b64encode(b"PEM").decode()
    api_service = {"metadata": {"resourceVersion": "4"}, "spec": {"service": service, "caBundle": bundle}}
    answers(
        api,
        webhooks({"service": service, "caBundle": bundle}, {"url": "https://127.0.0.1:9/x", "caBundle": 5}),
        webhooks({"url": "https://[::1"}, {"url": 7}, None, "x"),
        api_service,
    )
    mutating, validating, api_found = objects(api, tmp_path).trusting()
    assert [(each.host, each.bundle) for each in mutating.trusts] == [
        ("imagegate.here.svc", b"PEM"),
        ("127.0.0.1", b""),
    ]
    assert [each.host for each in validating.trusts] == ["", "", "", ""]
    assert [(each.pointer, each.host) for each in api_found.trusts] == [("/spec/caBundle", "imagegate.here.svc")]
    assert mutating.name == "MutatingWebhookConfiguration imagegate"


@pytest.mark.parametrize("listed", [None, "x", 5, {}, [None, 5]])
def test_configurations_without_webhooks(api: MisbehavingApi, tmp_path: Path, listed: object) -> None:
    answers(api, {"webhooks": listed, "spec": listed})
    for each in objects(api, tmp_path).trusting():
        assert all(trust.host == "" for trust in each.trusts)


def test_objects_that_do_not_exist_are_passed_over(api: MisbehavingApi, tmp_path: Path) -> None:
    api.lists = [status(404, "not found")]
    assert objects(api, tmp_path).trusting() == []


def test_writing_a_bundle(api: MisbehavingApi, tmp_path: Path) -> None:
    answers(api, webhooks({"url": "https://a.example"}))
    found = objects(api, tmp_path)
    [trusting, *_] = found.trusting()
    found.set_bundle(trusting, ("/webhooks/0/clientConfig/caBundle",), b"PEM")
    patch = list(api.requests)[-1]
    assert patch.method == "PATCH"
    assert json.loads(patch.body) == [
        {"op": "replace", "path": "/metadata/resourceVersion", "value": "3"},
        {"op": "add", "path": "/webhooks/0/clientConfig/caBundle", "value": "UEVN"},
    ]
    api.lists = [status(409, "the object has been modified")]
    with pytest.raises(Overtaken):
        found.set_bundle(trusting, ("/webhooks/0/clientConfig/caBundle",), b"PEM")


@pytest.mark.parametrize(
    "user, owners",
    [
        (
            {"username": "system:serviceaccount:here:imagegate", "uid": "7"},
            [{"apiVersion": "v1", "kind": "ServiceAccount", "name": "imagegate", "uid": "7"}],
        ),
        ({"username": "system:serviceaccount:elsewhere:imagegate", "uid": "7"}, []),
        ({"username": "system:serviceaccount:here:imagegate", "uid": ""}, []),
        ({"username": "here:imagegate", "uid": "7"}, []),
        ({"username": "system:serviceaccount:here", "uid": "7"}, []),
        ({"username": 5, "uid": 7}, []),
        ("admin", []),
        (None, []),
    ],
)
def test_the_owner_is_the_own_account(
    api: MisbehavingApi, tmp_path: Path, user: object, owners: list[dict[str, str]]
) -> None:
    answers(api, {"status": {"userInfo": user}})
    assert owner_references(api.connection(tmp_path), "here") == owners


def test_no_owner_where_nobody_says_who_asks(api: MisbehavingApi, tmp_path: Path) -> None:
    api.lists = [status(404, "the server could not find the requested resource")]
    assert owner_references(api.connection(tmp_path), "here") == []
