"""The API that commands are recorded against, and replayed: docker.io is mirrored by a registry of its own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from imagegate.adapters.http.client import HttpClient
from imagegate.adapters.registry.client import HttpRegistry, RegistrySettings
from imagegate.core.registry.egress import AddressPolicy
from imagegate.core.registry.mirrors import MirrorRule, MirrorUse
from tests.support.certificates import Authority
from tests.support.image_api import Api, make_api
from tests.support.registry import Registry, start_registry

NOW = datetime(2018, 6, 1, 10, tzinfo=UTC)
RULES = """
kind: AccessRules
rules:
- users: [developer]
  verbs: ["*"]
  apiGroups: [image.openshift.io]
  resources: [imagestreams, imagestreamtags, imagestreamimports]
  namespaces: [test]
"""
SAMPLES = {"tiny-docker": ("app:v1", "app:latest"), "tiny-oci": ("tool:v1",), "multi-docker": ("list:v1",)}


@contextlib.contextmanager
def importing_api(folder: Path) -> Iterator[Api]:
    """The API with a registry."""
    for name in ("ca", "registry"):
        (folder / name).mkdir()
    ca = Authority(folder / "ca")
    with start_registry(folder / "registry", tls=ca) as registry:
        push_samples(registry)
        with api_over(folder / "images.db", ca, registry) as api:
            yield api


def push_samples(registry: Registry) -> None:
    """The images of the commands."""
    for sample, names in SAMPLES.items():
        for name in names:
            registry.push_sample(sample, f"samples/{name}")


@contextlib.contextmanager
def api_over(path: Path, ca: Authority, registry: Registry) -> Iterator[Api]:
    """The API over a store at ``path``, with a project ``test``."""
    http = HttpClient(addresses=AddressPolicy.of(networks=("127.0.0.0/8",)), ca_files=(str(ca.bundle),))
    mirror = MirrorRule("docker.io", (registry.host,), MirrorUse.ANY, never_contact_source=True)
    client = HttpRegistry(http, settings=RegistrySettings(mirrors=(mirror,)))
    api = make_api(path, registry=client, now=lambda: NOW, access=RULES)
    api.post("/api/v1/namespaces", {"metadata": {"name": "test"}})
    yield api
    http.close()
