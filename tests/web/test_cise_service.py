"""Signed images through the whole service: registry over HTTPS with passwords, signatures in a lookaside store,
policies and Secrets as files, the endpoints of Container Image Security Enforcement and Portieris.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from imagegate.core.admission.decision import PatchOp
from imagegate.core.admission.patch import apply_patch
from tests.support.certificates import Authority
from tests.support.gpg import GpgHome, Key
from tests.support.images import make_image, source_of
from tests.support.lookaside import Lookaside
from tests.support.registry import PASSWORD, USER, Registry, start_registry
from tests.support.service import Answer, Service, serving

NO_SIGNATURE = "simple: policy denied the request: A signature was required, but no signature exists"


@dataclass(frozen=True, slots=True)
class Setup:
    """The service and what it asks."""

    service: Service
    registry: Registry
    lookaside: Lookaside

    def image(self, name: str) -> str:
        return f"{self.registry.host}/{name}"

    def review(self, document: dict[str, Any], **changes: Any) -> dict[str, Any]:
        kind = document["kind"]
        group, resource = {"Pod": ("", "pods"), "Deployment": ("apps", "deployments")}[kind]
        asked = {
            "uid": "11111111-2222-3333-4444-555555555555",
            "kind": {"group": group, "version": "v1", "kind": kind},
            "resource": {"group": group, "version": "v1", "resource": resource},
            "operation": "CREATE",
            "namespace": "team",
            "userInfo": {"username": "alice"},
            "object": document,
            **changes,
        }
        return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": asked}

    def ask(self, path: str, document: dict[str, Any], **changes: Any) -> Answer:
        return self.service.post(path, self.review(document, **changes))


@pytest.fixture(scope="module")
def signer(gpg_home: GpgHome) -> Key:
    return gpg_home.generate("service-signer@images.test.invalid")


@pytest.fixture(scope="module")
def world(
    tmp_path_factory: pytest.TempPathFactory, ca: Authority, gpg_home: GpgHome, signer: Key, face: str
) -> Iterator[Setup]:
    """One service for all tests: an image signed by the key of the policy, and one that nobody signed."""
    directory = tmp_path_factory.mktemp("cise")
    (directory / "signatures").mkdir()
    (directory / "registry").mkdir()
    with (
        Lookaside(directory / "signatures") as lookaside,
        start_registry(directory / "registry", tls=ca, htpasswd=True, gpg_home=gpg_home.path) as registry,
    ):
        registry.skopeo.lookaside(registry.host, read=lookaside.url, write=lookaside.directory)
        for name, options in (("team/signed:1", ("--sign-by", signer.fingerprint)), ("team/unsigned:1", ())):
            folder = directory / name.partition("/")[2].partition(":")[0]
            make_image(folder, text=name, kind="dir")
            registry.push(source_of(folder), name, *options)
        settings = write_settings(directory, registry, lookaside, ca, signer)
        with serving(directory, "--settings", settings, "--worker", face) as service:
            yield Setup(service, registry, lookaside)


def write_settings(directory: Path, registry: Registry, lookaside: Lookaside, ca: Authority, signer: Key) -> Path:
    auths = {"auths": {registry.host: {"username": USER, "password": PASSWORD}}}
    simple = {"storeURL": lookaside.url, "requirements": [{"type": "signedBy", "keySecret": "key"}]}
    tagged = [registry.host + name for name in ("/team/signed:1", "/team/unsigned:1")]
    documents: list[dict[str, Any]] = [
        {
            "apiVersion": "portieris.cloud.ibm.com/v1",
            "kind": "ImagePolicy",
            "metadata": {"name": "signed", "namespace": "team"},
            "spec": {
                "repositories": [
                    *({"name": name, "policy": {"simple": simple}} for name in tagged),
                    {"name": "quay.io/*"},
                    {"name": "us.icr.io/*", "policy": {"va": {"enabled": True}}},
                ]
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "key"},
            "stringData": {"key": signer.armored.decode()},
        },
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "pull"},
            "stringData": {".dockerconfigjson": json.dumps(auths)},
        },
    ]
    for document in documents:
        document["metadata"]["namespace"] = "team"
    (directory / "policies").mkdir()
    (directory / "policies/all.yaml").write_text(yaml.safe_dump_all(documents))
    settings = {
        "policies": ["policies"],
        "cise": {"profile": "portieris"},
        "registry": {"caFile": str(ca.bundle), "allowPrivateAddresses": ["127.0.0.0/8"]},
    }
    (directory / "imagegate.yaml").write_text(yaml.safe_dump(settings))
    return directory / "imagegate.yaml"


def pod(*images: str, secrets: tuple[str, ...] = ("pull",)) -> dict[str, Any]:
    containers = [{"name": f"c{index}", "image": image} for index, image in enumerate(images)]
    spec = {"containers": containers, "imagePullSecrets": [{"name": name} for name in secrets]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "app", "namespace": "team"}, "spec": spec}


def deployment(*images: str) -> dict[str, Any]:
    template = {"metadata": {"labels": {"app": "app"}}, "spec": pod(*images)["spec"]}
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": "app"}}, "template": template}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "app", "namespace": "team"},
        "spec": spec,
    }


def patched(document: dict[str, Any], answer: Answer) -> dict[str, Any]:
    return apply_patch(copy.deepcopy(document), [PatchOp(op["op"], op["path"], op["value"]) for op in answer.patch])


@pytest.mark.parametrize("path", ["/admit", "/admit/trust", "/mutate"])
def test_signed_is_rewritten_to_the_signed_digest_and_passes_again(world: Setup, path: str) -> None:
    image, digest = world.image("team/signed:1"), world.registry.digest("team/signed:1")
    answer = world.ask(path, pod(image))
    assert answer.response["allowed"] is True
    left = patched(pod(image), answer)
    assert left["spec"]["containers"][0]["image"] == f"{world.registry.host}/team/signed@{digest}"
    for validating in ("/admit/va", "/validate"):
        assert world.ask(validating, left).response["allowed"] is True
    assert "patch" not in world.ask(path, left).response


def test_deployment_and_the_pods_it_makes(world: Setup) -> None:
    image = world.image("team/signed:1")
    left = patched(deployment(image), world.ask("/admit", deployment(image)))
    template = left["spec"]["template"]
    child = {"apiVersion": "v1", "kind": "Pod", **template}
    child["metadata"] = template["metadata"] | {"generateName": "app-", "namespace": "team"}
    assert world.ask("/admit", child).response["allowed"] is True


def test_denial_as_the_api_server_gets_it(world: Setup) -> None:
    image = world.image("team/unsigned:1")
    response = world.ask("/admit/trust", pod(image, "docker.io/x:1")).response
    assert response["allowed"] is False
    assert response["status"]["message"] == (
        f'\n"{image}": {NO_SIGNATURE}; decided by ImagePolicy team/signed repositories[1] {image}, which requires '
        f'signatures\nDeny "docker.io/x:1", no matching repositories in the ImagePolicies; nearest rule: ImagePolicy '
        f"team/signed repositories[0] {world.image('team/signed:1')} would allow it with signatures, but host "
        f"docker.io does not match {world.registry.host}"
    )
    assert not {"code", "reason"} & response["status"].keys()


def test_without_a_pull_secret(world: Setup) -> None:
    image = world.image("team/signed:1")
    message = world.ask("/admit", pod(image, secrets=())).response["status"]["message"]
    decided = (
        f"decided by ImagePolicy team/signed repositories[0] {image}, which requires signatures; the registry wants "
        "credentials: name a Secret for its host in imagePullSecrets"
    )
    assert message == f'\nDeny "{image}", no valid ImagePullSecret, 0 tried; {decided}'


def test_only_the_endpoints_of_this_path_deny_what_is_no_workload(world: Setup) -> None:
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}}
    changes = {
        "kind": {"group": "", "version": "v1", "kind": "Service"},
        "resource": {"group": "", "version": "v1", "resource": "services"},
    }
    document = pod("x") | service
    review = world.review(pod("x"), **changes, object=document)
    assert world.service.post("/mutate", review).response["allowed"] is True
    message = world.service.post("/admit", review).response["status"]["message"]
    assert message.startswith('\nThe resource "/v1/services" is not supported.')


def test_vulnerability_reports_are_asked_for_at_their_own_endpoint(world: Setup) -> None:
    assert world.ask("/admit/trust", pod("us.icr.io/a:1")).response["allowed"] is True
    for path in ("/admit/va", "/admit"):
        assert world.ask(path, pod("us.icr.io/a:1")).response["allowed"] is False


def test_a_repeated_review_asks_nobody(world: Setup) -> None:
    image = world.image("team/signed:1")
    world.ask("/admit", pod(image))
    before = len(world.lookaside.requests)
    for _ in range(3):
        assert world.ask("/admit", pod(image)).response["allowed"] is True
    assert len(world.lookaside.requests) == before


def test_names_only_entries_need_nobody(world: Setup) -> None:
    assert world.ask("/admit", pod("quay.io/x:1", secrets=())).response == {
        "uid": "11111111-2222-3333-4444-555555555555",
        "allowed": True,
    }
