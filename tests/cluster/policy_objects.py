"""Custom resource definitions of both policy groups without a schema, and objects of them."""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

import yaml

from tests.cluster.control_plane import ControlPlane
from tests.support.kubectl import Kubectl
from tests.support.processes import wait_until

PORTIERIS = ("portieris.cloud.ibm.com", "v1")
CISE = ("securityenforcement.admission.cloud.ibm.com", "v1beta1")
KINDS = {"ImagePolicy": ("imagepolicies", "Namespaced"), "ClusterImagePolicy": ("clusterimagepolicies", "Cluster")}


def definitions(group: tuple[str, str]) -> list[dict[str, Any]]:
    """The definitions of one group, which let any object pass."""
    name, version = group
    anything = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    return [
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{plural}.{name}"},
            "spec": {
                "group": name,
                "scope": scope,
                "names": {"plural": plural, "singular": kind.lower(), "kind": kind, "listKind": f"{kind}List"},
                "versions": [{"name": version, "served": True, "storage": True, "schema": anything}],
            },
        }
        for kind, (plural, scope) in KINDS.items()
    ]


def install(kubectl: Kubectl, group: tuple[str, str]) -> None:
    """Install the definitions of a group, and wait until they are served."""
    found = definitions(group)
    kubectl("apply", "-f", "-", text_in=yaml.safe_dump_all(found))
    for each in found:
        kubectl("wait", "--for=condition=Established", f"crd/{each['metadata']['name']}", "--timeout=60s")


def policy(
    kind: str, name: str, *entries: Any, namespace: str = "", group: tuple[str, str] = PORTIERIS, **spec: Any
) -> dict[str, Any]:
    """An object; an entry is a name, or the whole entry."""
    repositories = [{"name": each, "policy": None} if isinstance(each, str) else each for each in entries]
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {
        "apiVersion": "/".join(group),
        "kind": kind,
        "metadata": metadata,
        "spec": {"repositories": repositories, **spec},
    }


class Writer:
    """Writes objects through the API of a control plane, over one connection."""

    def __init__(self, plane: ControlPlane) -> None:
        parts = urlsplit(plane.url)
        self._connection = http.client.HTTPSConnection(
            parts.hostname or "", parts.port, context=plane.context(), timeout=30
        )

    def apply(self, found: dict[str, Any]) -> None:
        """Server-side apply, with force."""
        self._ask("PATCH", f"{_path(found)}?fieldManager=test&force=true", found, "application/apply-patch+yaml")

    def delete(self, found: dict[str, Any]) -> None:
        """Delete an object."""
        self._ask("DELETE", _path(found), None, "application/json")

    def post(self, path: str, found: dict[str, Any]) -> None:
        """Create an object."""
        self._ask("POST", path, found, "application/json")

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _ask(self, method: str, path: str, body: Any, content_type: str) -> None:
        content = None if body is None else json.dumps(body)
        self._connection.request(method, path, content, {"Content-Type": content_type})
        answer = self._connection.getresponse()
        text = answer.read().decode()
        assert 200 <= answer.status < 300, text


def _path(found: dict[str, Any]) -> str:
    metadata = found["metadata"]
    inside = f"/namespaces/{metadata['namespace']}" if "namespace" in metadata else ""
    return f"/apis/{found['apiVersion']}{inside}/{KINDS[found['kind']][0]}/{metadata['name']}"


def remove_definitions(plane: ControlPlane, group: tuple[str, str]) -> None:
    """Remove the definitions of a group with all objects."""
    for each in definitions(group):
        plane.kubectl("delete", "crd", each["metadata"]["name"], "--ignore-not-found")
    name, version = group
    wait_until(lambda: not plane.answers(f"/apis/{name}/{version}"), "the group to be gone")
