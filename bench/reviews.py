"""AdmissionReviews as an API server sends them, of the sizes that occur: about 1, 4 and 30 KB."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_SPACE = uuid.UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")
_LABELS = {"app.kubernetes.io/name": "checkout", "app.kubernetes.io/part-of": "shop", "pod-template-hash": "6d5f8c9b7"}
_RESOURCES = {"limits": {"cpu": "500m", "memory": "512Mi"}, "requests": {"cpu": "100m", "memory": "128Mi"}}
_PROBE = {
    "httpGet": {"path": "/healthz", "port": 8080, "scheme": "HTTP"},
    "timeoutSeconds": 1,
    "periodSeconds": 10,
    "successThreshold": 1,
    "failureThreshold": 3,
}
_SECURITY = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
    "runAsNonRoot": True,
}


def container(name: str, image: str, *, variables: int = 8, plain: bool = False) -> dict[str, Any]:
    """One container as it is after the API server's defaults."""
    found: dict[str, Any] = {
        "name": name,
        "image": image,
        "resources": {},
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "imagePullPolicy": "IfNotPresent",
    }
    if plain:
        return found
    found |= {
        "args": ["--listen=:8080", "--log-format=json", f"--component={name}"],
        "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
        "env": [
            {"name": f"SETTING_{number}", "value": f"https://service-{number}.shop.svc.cluster.local:8443/api"}
            for number in range(variables)
        ],
        "resources": _RESOURCES,
        "volumeMounts": [
            {"name": "configuration", "readOnly": True, "mountPath": "/etc/checkout"},
            {"name": "token", "readOnly": True, "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"},
        ],
        "livenessProbe": _PROBE,
        "readinessProbe": _PROBE,
        "securityContext": _SECURITY,
    }
    return found


def pod(name: str, namespace: str, containers: Sequence[dict[str, Any]], *, plain: bool = False) -> dict[str, Any]:
    """A pod as a ReplicaSet makes it."""
    metadata: dict[str, Any] = {"name": name, "namespace": namespace, "creationTimestamp": None, "labels": _LABELS}
    spec: dict[str, Any] = {
        "volumes": [],
        "containers": list(containers),
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "serviceAccountName": "default",
        "serviceAccount": "default",
        "securityContext": {},
        "schedulerName": "default-scheduler",
        "enableServiceLinks": True,
    }
    if not plain:
        metadata["annotations"] = {
            "prometheus.io/scrape": "true",
            "checksum/config": "9f86d081884c7d659a2feaa0c55ad015",
        }
        spec["volumes"] = [
            {"name": "configuration", "configMap": {"name": "checkout", "defaultMode": 420}},
            {
                "name": "token",
                "projected": {
                    "sources": [
                        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
                        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
                    ],
                    "defaultMode": 420,
                },
            },
        ]
        spec["tolerations"] = [
            {
                "key": f"node.kubernetes.io/{what}",
                "operator": "Exists",
                "effect": "NoExecute",
                "tolerationSeconds": 300,
            }
            for what in ("not-ready", "unreachable")
        ]
    return {"kind": "Pod", "apiVersion": "v1", "metadata": metadata, "spec": spec, "status": {}}


def review(pod: dict[str, Any], *, number: int = 0, old: dict[str, Any] | None = None) -> dict[str, Any]:
    """The AdmissionReview of creating ``pod``, or of updating ``old`` to it."""
    kind = {"group": "", "version": "v1", "kind": "Pod"}
    resource = {"group": "", "version": "v1", "resource": "pods"}
    return {
        "kind": "AdmissionReview",
        "apiVersion": "admission.k8s.io/v1",
        "request": {
            "uid": str(uuid.uuid5(_SPACE, f"{pod['metadata']['name']}/{number}")),
            "kind": kind,
            "resource": resource,
            "requestKind": kind,
            "requestResource": resource,
            "name": pod["metadata"]["name"],
            "namespace": pod["metadata"]["namespace"],
            "operation": "CREATE" if old is None else "UPDATE",
            "userInfo": {
                "username": "system:serviceaccount:kube-system:replicaset-controller",
                "uid": "1f3c9f53-6d5b-4f4b-a5e5-6b1c2d3e4f50",
                "groups": ["system:serviceaccounts", "system:serviceaccounts:kube-system", "system:authenticated"],
            },
            "object": pod,
            "oldObject": old,
            "dryRun": False,
            "options": {"kind": "CreateOptions" if old is None else "UpdateOptions", "apiVersion": "meta.k8s.io/v1"},
        },
    }


def small(image: str, namespace: str, number: int) -> dict[str, Any]:
    """About 1 KB: what ``kubectl run`` makes, before controllers add to it."""
    name = f"run-{number}"
    return review(pod(name, namespace, [container("run", image, plain=True)], plain=True), number=number)


def usual(image: str, namespace: str, number: int) -> dict[str, Any]:
    """About 4 KB: a pod of a Deployment with one container."""
    name = f"checkout-6d5f8c9b7-{number:05}"
    return review(pod(name, namespace, [container("checkout", image, variables=14)]), number=number)


def updated(image: str, namespace: str, number: int) -> dict[str, Any]:
    """About 8 KB: the same pod, updated without a change of its image."""
    name = f"checkout-6d5f8c9b7-{number:05}"
    old = pod(name, namespace, [container("checkout", image, variables=14)])
    new = {**old, "metadata": {**old["metadata"], "labels": {**_LABELS, "revision": str(number)}}}
    return review(new, number=number, old=old)


def large(images: Sequence[str], namespace: str, number: int) -> dict[str, Any]:
    """About 30 KB: a pod with a container for each image (20 for this size)."""
    containers = [container(f"part-{at}", image, variables=5) for at, image in enumerate(images)]
    return review(pod(f"parts-{number}", namespace, containers), number=number)


def write(reviews: Sequence[dict[str, Any]], directory: Path, stem: str) -> list[Path]:
    """Write the reviews as files that ``bench.load`` sends in turn."""
    directory.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, document in enumerate(reviews):
        path = directory / f"{stem}-{number}.json"
        path.write_text(json.dumps(document, separators=(",", ":")), encoding="utf-8")
        paths.append(path)
    return paths
