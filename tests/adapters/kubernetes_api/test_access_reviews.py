"""Rights of users as an API server is asked for them; the real one is in tests/cluster."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from imagegate.adapters.kubernetes_api.access_reviews import ClusterAccessReviews
from imagegate.core.admission.access_review import Access
from imagegate.core.admission.lookup import Found
from imagegate.core.admission.request import AdmissionRequest, Phase
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
