"""The service with a real registry, a real notary-server and one whose files a test chooses."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.support.certificates import Authority
from tests.support.images import make_image, source_of
from tests.support.notary import Notary, TrustServerSimulator, start_notary
from tests.support.registry import Registry, start_registry
from tests.support.service import Answer, Service, serving

PORTIERIS = "portieris.cloud.ibm.com/v1"
CISE = "securityenforcement.admission.cloud.ibm.com/v1beta1"


@dataclass(frozen=True, slots=True)
class Signed:
    """An image in the registry and its manifest."""

    manifest: bytes
    digest: str


@dataclass(slots=True)
class TrustWorld:
    """Everything that signed images need, running; ``serve`` starts the service over the documents of a test."""

    directory: Path
    ca: Authority
    registry: Registry
    notary: Notary
    simulator: TrustServerSimulator
    _count: int = field(default=0)

    def push(self, name: str) -> Signed:
        """An image of its own in the registry."""
        folder = self.directory / f"image-{hashlib.sha256(name.encode()).hexdigest()[:12]}"
        make_image(folder, text=name)
        digest = self.registry.push(source_of(folder), name)
        return Signed(self.registry.manifest(name), digest)

    def gun(self, name: str) -> str:
        """The trust data's name of a repository of the registry."""
        return f"{self.registry.host}/{name}"

    @contextlib.contextmanager
    def serve(
        self,
        documents: Sequence[Mapping[str, Any]],
        *,
        trust: Mapping[str, Any] | None = None,
        cise: Mapping[str, Any] | None = None,
        registry: Mapping[str, Any] | None = None,
        folder: str = "",
        workers: int = 1,
        more: Mapping[str, Any] | None = None,
    ) -> Iterator[TrustService]:
        """The service with these policies and Secrets. Its denials are the originals' sentences alone.

        Args:
            trust: settings ``cise.trust``.
            cise: more settings of ``cise``.
            registry: more settings of ``registry``.
            folder: of the service; the same name twice is a restart with the same store.
            more: other settings.
        """
        self._count += 1
        directory = self.directory / (folder or f"service-{self._count}")
        (directory / "policies").mkdir(parents=True, exist_ok=True)
        policies = directory / "policies/all.yaml"
        policies.write_text(yaml.safe_dump_all([dict(document) for document in documents]))
        settings = {
            "policies": ["policies"],
            "cise": {"profile": "portieris", **(cise or {}), **({"trust": dict(trust)} if trust else {})},
            "registry": {
                "caFile": str(self.ca.bundle),
                "allowPrivateAddresses": ["127.0.0.0/8"],
                "attempts": 1,
                **(registry or {}),
            },
            "messages": {"nearestRule": False},
            **(more or {}),
        }
        (directory / "imagegate.yaml").write_text(yaml.safe_dump(settings))
        with serving(directory, "--settings", directory / "imagegate.yaml", workers=workers) as service:
            yield TrustService(service, directory, policies)


@dataclass(frozen=True, slots=True)
class TrustService:
    """A running service."""

    service: Service
    directory: Path
    policies: Path

    @property
    def store(self) -> Path:
        """Its store."""
        return self.directory / "state/imagegate/images.db"

    def put_in_force(self, documents: Sequence[Mapping[str, Any]]) -> None:
        """Change the policies and have them read again; they count a moment later."""
        self.policies.write_text(yaml.safe_dump_all([dict(document) for document in documents]))
        os.kill(self.service.running.pid, signal.SIGHUP)

    def ask(self, image: str, namespace: str = "team", *, secrets: Sequence[str] = (), path: str = "/admit") -> Answer:
        """A review of a Pod that runs ``image``."""
        return self.service.post(path, review(image, namespace, secrets))

    def message(self, image: str, namespace: str = "team", **options: Any) -> str:
        """The denial, without the newline before it; empty if the image is allowed."""
        response = self.ask(image, namespace, **options).response
        return "" if response["allowed"] else str(response["status"]["message"]).removeprefix("\n")

    def runs(self, image: str, namespace: str = "team", **options: Any) -> str:
        """What the image is rewritten to; fails if it is denied."""
        answer = self.ask(image, namespace, **options)
        assert answer.response["allowed"], answer.response
        steps = answer.patch if "patch" in answer.response else ()
        return next((str(step["value"]) for step in steps if step["path"].endswith("/image")), image)


def review(image: str, namespace: str, secrets: Sequence[str] = ()) -> dict[str, Any]:
    """The request of an API server for a Pod."""
    spec = {
        "containers": [{"name": "app", "image": image}],
        "imagePullSecrets": [{"name": name} for name in secrets],
    }
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "app", "namespace": namespace},
        "spec": spec,
    }
    asked = {
        "uid": "11111111-2222-3333-4444-555555555555",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "operation": "CREATE",
        "namespace": namespace,
        "userInfo": {"username": "alice"},
        "object": pod,
    }
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": asked}


def trust_policy(
    namespace: str, server: str, *signer_secrets: str, group: str = PORTIERIS, **more: Any
) -> dict[str, Any]:
    """An ImagePolicy that asks every image of a namespace for trust data; ``more``: other fields of ``policy``."""
    trust: dict[str, Any] = {"enabled": True, "trustServer": server}
    if signer_secrets:
        trust["signerSecrets"] = [{"name": name} for name in signer_secrets]
    return {
        "apiVersion": group,
        "kind": "ImagePolicy",
        "metadata": {"name": "trust", "namespace": namespace},
        "spec": {"repositories": [{"name": "*", "policy": {"trust": trust, **more}}]},
    }


def signer_secret(namespace: str, secret: str, signer: str, public_key: bytes) -> dict[str, Any]:
    """The Secret of a signer."""
    items = {"name": signer.encode(), "publicKey": public_key}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": secret, "namespace": namespace},
        "data": {key: base64.b64encode(value).decode() for key, value in items.items()},
    }


def pull_secret(namespace: str, name: str, host: str, user: str, password: str) -> dict[str, Any]:
    """A pull secret for one registry."""
    auths = {"auths": {host: {"username": user, "password": password}}}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "stringData": {".dockerconfigjson": json.dumps(auths)},
    }


@contextlib.contextmanager
def trust_world(directory: Path, ca: Authority) -> Iterator[TrustWorld]:
    """The servers, anonymous and over HTTPS with a private CA."""
    for part in ("registry", "notary"):
        (directory / part).mkdir()
    with (
        start_registry(directory / "registry", tls=ca) as registry,
        start_notary(directory / "notary", ca) as notary,
        TrustServerSimulator(tls=ca.server) as simulator,
    ):
        yield TrustWorld(directory, ca, registry, notary, simulator)
