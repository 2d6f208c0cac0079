"""Rights of users as an API server is asked for them; the real one is in tests/cluster."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from imagegate.adapters.kubernetes_api.access_reviews import ClusterAccessReviews
from imagegate.core.admission.access_review import Access, PathAccess
from imagegate.core.admission.lookup import Found, Unknown
from imagegate.core.admission.request import AdmissionRequest, Phase, User
from tests.adapters.kubernetes_api.api import MisbehavingApi
from tests.support.simulator import Request, Response

SCOPES = "scopes.authorization.openshift.io"


class ScopedApi(MisbehavingApi):
    """Grants everything but to tokens with a scope, as OpenShift's authorizer does for ``user:info``."""

    def answer(self, request: Request) -> Response:
        spec: dict[str, Any] = json.loads(request.body)["spec"]
        return Response(201, json.dumps({"status": {"allowed": SCOPES not in spec.get("extra", {})}}).encode())


@pytest.fixture
def api() -> Iterator[ScopedApi]:
    with ScopedApi() as found:
        yield found


def access(**more: Any) -> Access:
    user = {"username": "alice", "groups": ["admins"], **more}
    kind = {"group": "", "version": "v1", "kind": "Pod"}
    resource = {"group": "", "version": "v1", "resource": "pods"}
    request = {"uid": "1", "operation": "CREATE", "kind": kind, "resource": resource, "object": {}, "userInfo": user}
    document = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
    read = AdmissionRequest.parse(document, Phase.VALIDATE)
    return Access(read.user, "override", "imagegate", "imagepolicies", namespace="shop")


def test_a_token_with_scopes_has_not_all_rights_of_its_user(api: ScopedApi, tmp_path: Path) -> None:
    connection = api.connection(tmp_path)
    reviews = ClusterAccessReviews(lambda: connection, ttl_s=60)
    answers = []
    for asked in (access(), access(extra={SCOPES: ["user:info"]}), access()):
        found = reviews.access(asked, deadline_s=5)
        assert isinstance(found, Found)
        answers.append(found.value.allowed)
    assert answers == [True, False, True]


class ToldApi(MisbehavingApi):
    """Gives one answer to every review."""

    given: Response

    def answer(self, request: Request) -> Response:
        return self.given


@pytest.fixture
def told() -> Iterator[ToldApi]:
    with ToldApi() as found:
        yield found


@pytest.mark.parametrize("question", [access(), PathAccess(User("alice"), "get", "/apis")])
@pytest.mark.parametrize(
    "status",
    [
        {},
        {"allowed": False},
        {"allowed": "true"},
        {"allowed": 1},
        {"allowed": True, "denied": True},
        {"denied": False},
        {"allowed": None, "reason": ["x"], "evaluationError": 7},
    ],
)
def test_only_a_clear_yes_is_one(
    told: ToldApi, tmp_path: Path, question: Access | PathAccess, status: dict[str, Any]
) -> None:
    told.given = Response(201, json.dumps({"status": status}).encode())
    connection = told.connection(tmp_path)
    found = ClusterAccessReviews(lambda: connection, ttl_s=60).access(question, deadline_s=5)
    assert isinstance(found, Found)
    assert found.value.allowed is False


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"{}", b'{"status": []}', b'{"status": null}', b'{"status": {"allowed": true']
)
def test_an_answer_that_is_cut_off_or_none_is_not_known_and_not_cached(
    told: ToldApi, tmp_path: Path, content: bytes
) -> None:
    told.given = Response(201, content)
    connection = told.connection(tmp_path)
    reviews = ClusterAccessReviews(lambda: connection, ttl_s=60)
    assert isinstance(reviews.access(access(), deadline_s=5), Unknown)
    assert reviews.cached(access()) is None


def test_a_path_is_asked_about_as_no_resource(told: ToldApi, tmp_path: Path) -> None:
    told.given = Response(201, b'{"status": {"allowed": true}}')
    connection = told.connection(tmp_path)
    user = User("alice", "1", ("dev",), (("scopes", ("a",)),))
    ClusterAccessReviews(lambda: connection, ttl_s=60).access(PathAccess(user, "get", "/apis"), deadline_s=5)
    [request] = told.requests
    assert json.loads(request.body)["spec"] == {
        "user": "alice",
        "uid": "1",
        "groups": ["dev"],
        "extra": {"scopes": ["a"]},
        "nonResourceAttributes": {"verb": "get", "path": "/apis"},
    }
