"""The store in the Kubernetes API of a real control plane."""

from __future__ import annotations

import contextlib
import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from imagegate.adapters.kubernetes_api.connection import Connection, Credentials
from imagegate.adapters.kubernetes_api.store.objects import KubernetesStore
from tests.cluster.aggregated import docker_hub
from tests.cluster.control_plane import ControlPlane
from tests.cluster.render import CHART
from tests.support.processes import wait_until
from tests.support.registry import Registry
from tests.support.service import CONFIG, Answer, Service, serving

DEFINITION = CHART / "crds/storedobjects.imagegate.dev.yaml"
STREAMS_PATH = "/apis/image.openshift.io/v1/namespaces/default/imagestreams"
TAGS_PATH = "/apis/image.openshift.io/v1/namespaces/default/imagestreamtags"
IMPORTS_PATH = "/apis/image.openshift.io/v1/namespaces/default/imagestreamimports"
IMAGES_PATH = "/apis/image.openshift.io/v1/images"


def define(plane: ControlPlane) -> None:
    """Install the custom resource definition."""
    plane.kubectl("apply", "-f", DEFINITION)
    plane.kubectl("wait", "--for=condition=Established", "crd/storedobjects.imagegate.dev", "--timeout=60s")


def new_namespace(plane: ControlPlane) -> str:
    """An empty namespace for one store."""
    name = f"store-{uuid.uuid4().hex[:10]}"
    plane.kubectl("create", "namespace", name)
    return name


def connection_of(plane: ControlPlane) -> Connection:
    """Of the administrator."""
    return Connection(Credentials(str(plane.kubectl.configuration)))


@contextlib.contextmanager
def followed(plane: ControlPlane, namespace: str, **options: Any) -> Iterator[KubernetesStore]:
    """The store of a namespace, as a worker has it that follows it."""
    connection = connection_of(plane)
    store = KubernetesStore(lambda: connection, namespace, **options)
    store.watch.start()
    try:
        assert store.watch.wait(30)
        yield store
    finally:
        store.watch.stop()


@contextlib.contextmanager
def replica(
    plane: ControlPlane, namespace: str, directory: Path, registry: Registry, *, workers: int = 2, **more: Any
) -> Iterator[Service]:
    """A dry cluster over the store of a namespace, with the manual's example policy.

    Args:
        registry: plays Docker Hub.
        more: more settings.
    """
    directory.mkdir(exist_ok=True)
    settings = directory / "imagegate.yaml"
    document = {
        "config": str(CONFIG / "master-config.yaml"),
        "cluster": {"kubeconfig": str(plane.kubectl.configuration)},
        "store": {"kind": "kubernetes", "namespace": namespace},
        "guard": {"ownNamespace": namespace},
        "registry": docker_hub(registry),
        **more,
    }
    settings.write_text(yaml.safe_dump(document))
    with serving(directory, "--settings", settings, workers=workers) as service:
        wait_until(lambda: service.get("/readyz").status == 200, "the replica to be ready", timeout_s=60)
        yield service


def import_into(service: Service, stream: str, tag: str, image: str) -> Answer:
    """One ImageStreamImport of one image."""
    entry = {"from": {"kind": "DockerImage", "name": image}, "to": {"name": tag}}
    document = {"metadata": {"name": stream}, "spec": {"import": True, "images": [entry]}}
    return service.ask("POST", IMPORTS_PATH, json.dumps(document), {"Content-Type": "application/json"})


def set_tag(service: Service, stream: str, tag: str, source: str) -> Answer:
    """A tag that follows a tag of the same stream."""
    reference = {"kind": "ImageStreamTag", "name": source}
    document = {"metadata": {"name": f"{stream}:{tag}"}, "tag": {"name": tag, "from": reference}}
    path = f"{TAGS_PATH}/{stream}:{tag}"
    return service.ask("PUT", path, json.dumps(document), {"Content-Type": "application/json"})
