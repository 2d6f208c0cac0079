"""A private image of a pod without pull secrets is verified with the credentials of the nodes, through its mirror."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from imagegate.core.admission.request import Phase
from imagegate.service.review.both_passes import creation
from imagegate.wiring.choices import StartupOptions
from imagegate.wiring.runtime import build
from tests.support.enforcement_setup import policy
from tests.support.registry_simulator import RegistrySimulator, image

BASIC = "Basic " + base64.b64encode(b"node:secret").decode()
ENTRY = '{name: "*", policy: {simple: {requirements: [{type: insecureAcceptAnything}]}}}'


@pytest.fixture
def registry() -> Iterator[RegistrySimulator]:
    with RegistrySimulator() as found:
        found.challenge, found.authorized = 'Basic realm="x"', lambda header: header == BASIC
        found.repository("team/app").put(*image("private"), tag="v1")
        yield found


def decided(directory: Path, registry: RegistrySimulator, name: str, **more: Any) -> tuple[bool, list[str]]:
    """The verdict on a pod, and what its image was rewritten to."""
    (directory / "p.yaml").write_text(policy(ENTRY))
    credentials = {"auths": {registry.host: {"username": "node", "password": "secret"}}}
    (directory / "node.json").write_text(json.dumps(credentials))
    connection = {"insecure": [registry.host], "allowPrivateAddresses": [registry.host]}
    settings = {"policies": ["p.yaml"], "registry": {**connection, **more}}
    file = directory / "imagegate.yaml"
    file.write_text(yaml.safe_dump(settings))
    service = build(StartupOptions(settings_file=file, environ={}))
    spec = {"containers": [{"name": "c", "image": name}]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec}
    outcome = service.reviewer.decide(creation(pod, uid="1"), timeout_s=5)
    assert outcome.request.phase is Phase.MUTATE
    return outcome.allowed, [op.value for op in outcome.patch if op.path.endswith("/image")]


def test_without_credentials_it_is_denied_and_with_them_pinned(tmp_path: Path, registry: RegistrySimulator) -> None:
    name = f"{registry.host}/team/app:v1"
    assert decided(tmp_path, registry, name) == (False, [])
    allowed, (pinned,) = decided(tmp_path, registry, name, nodeCredentials=["node.json"])
    assert allowed
    assert pinned.startswith(f"{registry.host}/team/app@sha256:")


def test_a_mirror_set_and_the_credentials_of_the_mirror(tmp_path: Path, registry: RegistrySimulator) -> None:
    """The source does not exist; that it is never contacted is what its object says."""
    entry = {"source": "source.invalid", "mirrors": [registry.host], "mirrorSourcePolicy": "NeverContactSource"}
    document = {
        "apiVersion": "config.openshift.io/v1",
        "kind": "ImageTagMirrorSet",
        "spec": {"imageTagMirrors": [entry]},
    }
    (tmp_path / "mirrors.yaml").write_text(yaml.safe_dump(document))
    given = {"nodeCredentials": ["node.json"], "mirrorSets": ["mirrors.yaml"]}
    allowed, (pinned,) = decided(tmp_path, registry, "source.invalid/team/app:v1", **given)
    assert allowed
    assert pinned.startswith("source.invalid/team/app@sha256:"), "a node goes to the mirror by itself"
    assert decided(tmp_path, registry, "source.invalid/team/app:v1", nodeCredentials=["node.json"])[0] is False
