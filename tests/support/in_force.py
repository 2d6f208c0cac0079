"""Policies whose verdict is easy to see, and files that change while a service runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.support.service import Service

FORBIDDEN = "quay.io/team/app:1"
ALLOWED = "docker.io/library/nginx:1"
PERMITS = """apiVersion: portieris.cloud.ibm.com/v1
kind: ClusterImagePolicy
metadata: {name: all}
spec:
  repositories:
  - {name: "quay.io/*", policy: }
  - {name: "docker.io/*", policy: }
"""
FORBIDS = PERMITS.replace('  - {name: "quay.io/*", policy: }\n', "")
BROKEN = "kind: [\n"


def replaced(path: Path, text: str) -> None:
    """Rename a new file over ``path``."""
    fresh = path.with_name(".fresh")
    fresh.write_text(text)
    fresh.replace(path)


def pod_review(image: str = FORBIDDEN) -> dict[str, Any]:
    """The creation of a pod of one image."""
    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "u-1",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "operation": "CREATE",
            "namespace": "default",
            "userInfo": {"username": "alice"},
            "object": {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": "app"},
                "spec": {"containers": [{"name": "c", "image": image}]},
            },
        },
    }


def admitted(service: Service, image: str = FORBIDDEN, *, times: int = 20) -> int:
    """How many of ``times`` pods are allowed; new connections reach all workers."""
    body = json.dumps(pod_review(image)).encode()
    return sum(service.post("/admit", body).response["allowed"] for _ in range(times))


def readyz(service: Service) -> dict[str, Any]:
    """What ``/readyz`` says."""
    found: dict[str, Any] = service.get("/readyz").json
    return found


def policies(service: Service) -> dict[str, Any]:
    """What ``/readyz`` says of policies."""
    found: dict[str, Any] = readyz(service)["policies"]
    return found
