"""As much of an API server as kubectl needs to create image.openshift.io objects through a validating webhook.

It stores nothing and validates nothing: it makes the AdmissionReview, sends it to imagegate's own WSGI application,
and hands the answer on as kube-apiserver does.
"""

from __future__ import annotations

import json
from typing import Any

from werkzeug.test import Client

from imagegate.web.admission import AdmissionEndpoints
from tests.support.import_gate_setup import KINDS, review_of
from tests.support.simulator import Request, Response, Simulator

WEBHOOK = "imports.imagegate.example"
GROUP = "image.openshift.io"
BASE = f"/apis/{GROUP}/v1"


class WebhookApi(Simulator):
    """An API whose only admission control is ``endpoint`` of imagegate."""

    def __init__(self, imagegate: AdmissionEndpoints, endpoint: str = "/validate/imports", user: str = "alice") -> None:
        super().__init__()
        self._client = Client(imagegate)
        self._endpoint = endpoint
        self._user = user
        self.reviews: list[dict[str, Any]] = []

    def answer(self, request: Request) -> Response:
        """Discovery, and creation of the group's namespaced resources."""
        if request.method == "POST" and request.path.startswith(f"{BASE}/namespaces/"):
            _, namespace, resource = request.path.removeprefix(BASE + "/").split("/")
            return self._create(namespace, resource, json.loads(request.body))
        found = _DISCOVERY.get(request.path)
        return _json(404, {"kind": "Status", "code": 404, "reason": "NotFound"}) if found is None else _json(200, found)

    def _create(self, namespace: str, resource: str, document: dict[str, Any]) -> Response:
        document["metadata"].setdefault("namespace", namespace)
        sent = review_of(resource, document, namespace=namespace, user=self._user)
        self.reviews.append(sent)
        answer = self._client.post(self._endpoint, json=sent).get_json()["response"]
        if answer["allowed"]:
            return _json(201, document)
        status = answer["status"]
        status["message"] = f'admission webhook "{WEBHOOK}" denied the request: {status["message"]}'
        return _json(status["code"], status)


def _json(status: int, document: dict[str, Any]) -> Response:
    return Response(status, json.dumps(document).encode(), {"Content-Type": "application/json"})


_VERSION = {"groupVersion": f"{GROUP}/v1", "version": "v1"}
_DISCOVERY: dict[str, dict[str, Any]] = {
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": []},
    "/apis": {
        "kind": "APIGroupList",
        "apiVersion": "v1",
        "groups": [{"name": GROUP, "versions": [_VERSION], "preferredVersion": _VERSION}],
    },
    BASE: {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": f"{GROUP}/v1",
        "resources": [
            {"name": resource, "singularName": "", "namespaced": True, "kind": kind, "verbs": ["create"]}
            for resource, kind in KINDS.items()
        ],
    },
}
