"""An annotation is in force for the next review, whichever worker answers it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.service import Service
from tests.walkthrough.document_004 import IMAGE, cluster

GROUP = "/apis/image.openshift.io/v1"
JSON = {"Content-Type": "application/json"}
REVIEWS = 24


def review(number: int) -> dict[str, Any]:
    image = "172.30.1.1:5000/default/image-policy-check:latest"
    pod = {"metadata": {"generateName": "p"}, "spec": {"containers": [{"name": "c", "image": image}]}}
    request = {
        "uid": f"u{number}",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "namespace": "default",
        "operation": "CREATE",
        "userInfo": {"username": "u"},
        "object": pod,
    }
    return {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request}


def verdicts(service: Service) -> set[bool]:
    """What many reviews say, each on a connection of its own, so that all workers are asked."""
    return {service.post("/mutate", review(number)).response["allowed"] for number in range(REVIEWS)}


@pytest.mark.usefixtures("face")
def test_every_worker_sees_the_mark_at_once(tmp_path: Path) -> None:
    with cluster(tmp_path, workers=2) as (registry, service):
        digest = registry.push_sample("tiny-docker", IMAGE)
        entry = {"from": {"kind": "DockerImage", "name": IMAGE}, "to": {"name": "latest"}}
        body = {"metadata": {"name": "image-policy-check"}, "spec": {"import": True, "images": [entry]}}
        path = f"{GROUP}/namespaces/default/imagestreamimports"
        assert service.ask("POST", path, json.dumps(body), JSON).status == 201
        assert verdicts(service) == {True}
        for value, allowed in (("true", False), (None, True), ("true", False)):
            patch = json.dumps({"metadata": {"annotations": {"images.openshift.io/deny-execution": value}}})
            kind = {"Content-Type": "application/merge-patch+json"}
            assert service.ask("PATCH", f"{GROUP}/images/{digest}", patch, kind).status == 200
            assert verdicts(service) == {allowed}
