"""imagegate behind the API aggregation layer of the real API server, with its own service account and no other rights.

There is no kube-proxy: the APIService leads to a Service of type ExternalName.
"""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.control_plane import ControlPlane
from tests.cluster.webhooks import Hooked, hooked
from tests.support.kubectl import Kubectl
from tests.support.processes import wait_until
from tests.support.registry import Registry
from tests.support.service import CONFIG, ROOT

INSTALLED_IN = "imagegate"
MANIFESTS = ROOT / "openshift/overlays/image-api"
API_SERVICE = "v1.image.openshift.io"
PATHS = ("/mutate", "/validate")


@contextlib.contextmanager
def aggregated(
    plane: ControlPlane, label: str, directory: Path, registry: Registry, *, workers: int = 2
) -> Iterator[Hooked]:
    """imagegate with the manual's example policy, as webhook and as APIService.

    Args:
        label: names the webhooks and a namespace that they are asked about.
        registry: plays Docker Hub.
    """
    name = f"imagegate.{INSTALLED_IN}.svc"
    certificate = plane.ca.issue(name, names=(name, "localhost"))
    account = _service_account(plane, directory)
    settings = directory / "imagegate.yaml"
    settings.write_text(yaml.safe_dump(_settings(account, registry)))
    with hooked(
        plane, label, directory, "--settings", settings, paths=PATHS, workers=workers, certificate=certificate
    ) as found:
        _register(plane, found.service.running.port)
        try:
            wait_until(lambda: is_available(plane), "the APIService to be available", timeout_s=60)
            yield found
        finally:
            plane.kubectl("delete", "apiservice", API_SERVICE, "--ignore-not-found")


def _service_account(plane: ControlPlane, directory: Path) -> Kubectl:
    """A client with the rights of the manifests, and nothing else."""
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": INSTALLED_IN}}
    account = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": "imagegate", "namespace": INSTALLED_IN},
    }
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "imagegate-aggregated-api"},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": "imagegate-aggregated-api",
        },
        "subjects": [{"kind": "ServiceAccount", "name": "imagegate", "namespace": INSTALLED_IN}],
    }
    plane.kubectl("apply", "-f", "-", text_in=yaml.safe_dump_all([namespace, account, binding]))
    for manifest in ("rbac/aggregated-api.yaml", "aggregated-api/delegation.yaml"):
        plane.kubectl("apply", "-f", MANIFESTS / manifest)
    return token_of(plane, directory)


def token_of(plane: ControlPlane, directory: Path, account: str = "imagegate") -> Kubectl:
    """A client with a token of a service account of imagegate's."""
    token = plane.kubectl("-n", INSTALLED_IN, "create", "token", account).stdout.strip()
    home = directory / account
    home.mkdir()
    own = Kubectl(home)
    own.use(plane.url, ca=plane.ca.bundle, token=token)
    return own


def _settings(account: Kubectl, registry: Registry) -> dict[str, Any]:
    return {
        "config": str(CONFIG / "master-config.yaml"),
        "store": {"path": "images.db"},
        "cluster": {"kubeconfig": str(account.configuration), "cacheSeconds": 1},
        "imageApi": {"aggregation": {"enabled": True}},
        "registry": docker_hub(registry),
    }


def docker_hub(registry: Registry) -> dict[str, Any]:
    """The settings ``registry``, with Docker Hub played by a registry of the tests."""
    assert registry.ca is not None
    return {
        "caFile": str(registry.ca.bundle),
        "allowPrivateAddresses": ["127.0.0.0/8"],
        "mirrors": [{"source": "docker.io", "mirrors": [registry.host], "use": "any", "neverContactSource": True}],
    }


def _register(plane: ControlPlane, port: int) -> None:
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "imagegate", "namespace": INSTALLED_IN},
        "spec": {"type": "ExternalName", "externalName": "localhost"},
    }
    manifest = yaml.safe_load((MANIFESTS / "aggregated-api" / "apiservice.yaml").read_text())
    manifest["spec"]["service"]["port"] = port
    manifest["spec"]["caBundle"] = base64.b64encode(plane.ca.bundle.read_bytes()).decode()
    plane.kubectl("apply", "-f", "-", text_in=yaml.safe_dump_all([service, manifest]))


def is_available(plane: ControlPlane) -> bool:
    """Whether the API server hands requests on."""
    found = plane.kubectl.json("get", "apiservice", API_SERVICE)
    conditions = found.get("status", {}).get("conditions", [])
    return any(each["type"] == "Available" and each["status"] == "True" for each in conditions)
