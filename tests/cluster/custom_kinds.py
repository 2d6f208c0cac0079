"""Custom resource definitions for tests: any content is stored."""

from __future__ import annotations

import yaml

from tests.cluster.control_plane import ControlPlane


def define(plane: ControlPlane, group: str, version: str, kind: str, resource: str, *, namespaced: bool) -> str:
    """Define a kind; the name of its definition."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    served = {"name": version, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    name = f"{resource}.{group}"
    document = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": name,
            "annotations": {"api-approved.kubernetes.io": "unapproved, for tests"},
        },
        "spec": {
            "group": group,
            "scope": "Namespaced" if namespaced else "Cluster",
            "names": {"kind": kind, "plural": resource, "singular": kind.lower(), "listKind": f"{kind}List"},
            "versions": [served],
        },
    }
    plane.kubectl("apply", "-f", "-", text_in=yaml.safe_dump(document))
    plane.kubectl("wait", "--for=condition=Established", "crd", name, "--timeout=60s")
    return name
