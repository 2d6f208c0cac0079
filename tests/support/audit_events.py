"""Events of an audit log, as kube-apiserver 1.36 writes them."""

from __future__ import annotations

from typing import Any


def pod(*images: str, name: str = "web", namespace: str = "shop") -> dict[str, Any]:
    containers = [{"name": f"c{number}", "image": image} for number, image in enumerate(images)]
    metadata = {"name": name, "namespace": namespace}
    return {"kind": "Pod", "apiVersion": "v1", "metadata": metadata, "spec": {"containers": containers}}


def event(document: dict[str, Any] | None, *, code: int = 201, message: str = "", **more: Any) -> dict[str, Any]:
    """The creation of a pod at level Request."""
    found: dict[str, Any] = {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": "Request",
        "auditID": "0f2b5bd2-7a4f-4a44-9d4c-7a1b6f6a1a11",
        "stage": "ResponseComplete",
        "requestURI": "/api/v1/namespaces/shop/pods",
        "verb": "create",
        "user": {"username": "ann", "groups": ["system:authenticated"]},
        "objectRef": {"resource": "pods", "namespace": "shop", "name": "web", "apiVersion": "v1"},
        "responseStatus": {"metadata": {}, "code": code, **({"message": message} if message else {})},
        "requestObject": document,
    }
    return {key: value for key, value in (found | more).items() if value is not None}


def denied(webhook: str, why: str = "no") -> str:
    """The message of an API server for a denial."""
    return f'admission webhook "{webhook}" denied the request: {why}'
