"""What tests of signed images share: from an image to a verdict, and a registry with the signature extension."""

from __future__ import annotations

import base64
import json
import threading
from dataclasses import dataclass, field

import requests

from imagegate.adapters.http.client import HttpClient, HttpLimits
from imagegate.adapters.registry.auth import TokenRealms
from imagegate.adapters.registry.cache import CachedRegistry, CacheLimits
from imagegate.adapters.registry.client import HttpRegistry, RegistrySettings
from imagegate.adapters.signing.lookaside import LookasideHttp
from imagegate.adapters.signing.openpgp import OpenPgpVerifier
from imagegate.core.admission.lookup import Absent, Found, Unknown
from imagegate.core.references.openshift import ImageReference
from imagegate.core.registry.egress import AddressPolicy
from imagegate.core.registry.pull_secrets import Credential, PullSecret, PullSecretEntry
from imagegate.core.signing.identity import image_identity, signed_identity
from imagegate.core.signing.key_ring import KeyRing
from imagegate.core.signing.requirements import (
    ImageSignatures,
    LookasideStore,
    Requirement,
    SignedBy,
    conclude,
    rings,
)
from imagegate.ports.registry import Registry, RegistryAccess
from imagegate.service.evidence.signatures import SignatureReader
from tests.support.certificates import Authority, Certificate
from tests.support.simulator import Request, Response, Simulator

DEADLINE_S = 20.0
LOOPBACK = AddressPolicy.of(networks=("127.0.0.0/8",))


@dataclass(frozen=True, slots=True)
class Gate:
    """The parts that decide on signed images, as the service has them."""

    registry: Registry
    reader: SignatureReader

    def verdict(
        self,
        image: str,
        requirements: tuple[Requirement, ...],
        *,
        store: str = "",
        credential: Credential | None = None,
        secrets: tuple[PullSecret, ...] = (),
    ) -> str:
        """The verified digest, or the text of the denial: resolve, read signatures, conclude."""
        identity = image_identity(image)
        namespace, _, name = identity.path.rpartition("/")
        reference = ImageReference(identity.domain, namespace, name, identity.tag, identity.digest)
        access = RegistryAccess(secrets, anonymous_first=True)
        manifest = self.registry.manifest(reference, access=access, deadline_s=DEADLINE_S)
        if not isinstance(manifest, Found):
            assert isinstance(manifest, Absent | Unknown)
            return f"simple: {manifest.why}"
        digest = manifest.value.digest
        answer = None
        if rings(requirements):
            place = LookasideStore.create(store, credential) if store else None
            question = ImageSignatures(identity, digest, requirements, place, secrets)
            answer = self.reader.ask(question, deadline_s=DEADLINE_S)
        refusal = conclude(requirements, identity, digest, answer)
        return digest if refusal is None else refusal.text


def gate(ca: Authority | None = None, *, realms: TokenRealms | None = None, tag_ttl_s: float = 0.0) -> Gate:
    """A gate that may reach the loopback and trusts ``ca``."""
    ca_files = (str(ca.bundle),) if ca else ()
    http = HttpClient(addresses=LOOPBACK, ca_files=ca_files, limits=HttpLimits(attempts=1))
    upstream = HttpRegistry(http, settings=RegistrySettings(realms=realms))
    registry = CachedRegistry(upstream, limits=CacheLimits(tag_ttl_s=tag_ttl_s))
    return Gate(registry, SignatureReader(registry, LookasideHttp(http), OpenPgpVerifier()))


def signed_by(*armored: bytes, identity: str = "", **parameters: str) -> SignedBy:
    """The requirement with a ring of these keys."""
    return SignedBy(KeyRing.parse(b"".join(armored)), signed_identity(identity, **parameters))


def pull_secret(host: str, user: str, password: str) -> PullSecret:
    """A pull secret for one registry."""
    return PullSecret("pull", (PullSecretEntry(host, "", Credential(user, password)),))


@dataclass(slots=True)
class _Stored:
    lock: threading.Lock = field(default_factory=threading.Lock)
    by_place: dict[str, list[dict[str, object]]] = field(default_factory=dict)


class ExtensionRegistry(Simulator):
    """A real registry behind a proxy that adds the signature extension of OpenShift's registry.

    docker-registry lacks it. skopeo writes to it and reads from it: ``PUT`` and ``GET
    /extensions/v2/NAME/signatures/DIGEST`` (openshift/image-registry, docs of ``X-Registry-Supports-Signatures``).
    """

    def __init__(self, registry_url: str, *, tls: Certificate) -> None:
        super().__init__(tls=tls)
        self._upstream = registry_url
        self._stored = _Stored()

    def answer(self, request: Request) -> Response:
        """Signatures from memory, everything else from the registry behind."""
        if request.path.startswith("/extensions/v2/"):
            return self._signatures(request)
        headers = {name: value for name, value in request.headers.items() if name != "transfer-encoding"}
        answer = requests.request(
            request.method,
            f"{self._upstream}{request.target}",
            data=request.body,
            headers={**headers, "X-Forwarded-Proto": "https"},
            allow_redirects=False,
            timeout=30,
        )
        kept = {"content-type", "docker-content-digest", "location", "range", "docker-upload-uuid"}
        answered = {name: value for name, value in answer.headers.items() if name.lower() in kept}
        return Response(answer.status_code, answer.content, {**answered, "X-Registry-Supports-Signatures": "1"})

    def _signatures(self, request: Request) -> Response:
        with self._stored.lock:
            entries = self._stored.by_place.setdefault(request.path, [])
            if request.method == "PUT":
                entries.append(json.loads(request.body))
                return Response(201)
            return Response(200, json.dumps({"signatures": entries}).encode(), {"Content-Type": "application/json"})

    def put(self, repository: str, digest: str, blob: bytes, **changes: object) -> None:
        """Add a signature as a client would."""
        entry = {
            "schemaVersion": 2,
            "name": f"{digest}@{len(blob)}",
            "type": "atomic",
            "content": base64.b64encode(blob).decode(),
            **changes,
        }
        place = f"/extensions/v2/{repository}/signatures/{digest}"
        with self._stored.lock:
            self._stored.by_place.setdefault(place, []).append(entry)
