"""The API with a project, and with Docker Hub played by a real registry."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from imagegate.adapters.http.client import HttpClient
from imagegate.adapters.registry.client import HttpRegistry, RegistrySettings
from imagegate.core.registry.egress import AddressPolicy
from imagegate.core.registry.mirrors import MirrorRule, MirrorUse
from tests.support.certificates import Authority
from tests.support.image_api import Api, make_api
from tests.support.registry import Registry

NOW = datetime(2018, 6, 1, 10, tzinfo=UTC)


DEVELOPER = """
kind: AccessRules
rules:
- users: [developer]
  verbs: ["*"]
  apiGroups: [image.openshift.io]
  resources: [imagestreams, imagestreams/layers, imagestreams/secrets, imagestreamtags, imagestreamimports]
  namespaces: [test]
- users: [blind]
  verbs: [create]
  apiGroups: [image.openshift.io]
  resources: [imagestreamimports]
  namespaces: [test]
- users: [developer]
  verbs: [get, list, watch]
  apiGroups: [image.openshift.io]
  resources: [images]
"""


@pytest.fixture
def api(tmp_path: Path) -> Api:
    """Everything may be imported; no registry can be asked."""
    return with_project(make_api(tmp_path / "images.db", now=lambda: NOW, access=DEVELOPER))


@pytest.fixture
def gated(tmp_path: Path) -> Api:
    """The manual's import list."""
    rules = [("registry.access.redhat.com", False), ("*.mydomain.com", True), ("local.registry.corp:5000", False)]
    return with_project(make_api(tmp_path / "images.db", rules=rules, now=lambda: NOW, access=DEVELOPER))


@pytest.fixture
def importing(tmp_path: Path, ca: Authority, registry_tls: Registry) -> Iterator[Api]:
    """``docker.io`` is mirrored by a registry on this machine."""
    http = HttpClient(addresses=AddressPolicy.of(networks=("127.0.0.0/8",)), ca_files=(str(ca.bundle),))
    mirror = MirrorRule("docker.io", (registry_tls.host,), MirrorUse.ANY, never_contact_source=True)
    registry = HttpRegistry(http, settings=RegistrySettings(mirrors=(mirror,)))
    yield with_project(make_api(tmp_path / "images.db", registry=registry, now=lambda: NOW, access=DEVELOPER))
    http.close()


@pytest.fixture
def pushed(registry_tls: Registry) -> str:
    """The digest of ``openshift/image-policy-check:latest`` in what plays Docker Hub."""
    return registry_tls.push_sample("tiny-docker", "openshift/image-policy-check:latest")


def with_project(api: Api) -> Api:
    """The API with a namespace ``test``."""
    api.post("/api/v1/namespaces", {"metadata": {"name": "test"}})
    return api


Make = Callable[..., Api]
