"""A registry that serves what it is told to, and misbehaves on request, as no real registry can be made to."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.support.certificates import Certificate
from tests.support.simulator import Request, Response, Simulator

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"

Misbehaviour = Callable[[Request, Response], Response]


def sha256(content: bytes) -> str:
    """``sha256:HEX``."""
    return "sha256:" + hashlib.sha256(content).hexdigest()


def image(text: str = "", *, labels: Mapping[str, str] | None = None) -> tuple[bytes, bytes]:
    """Manifest and configuration of an image with one layer that nobody fetches."""
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "created": "2018-06-01T10:00:00Z",
            "config": {"Labels": {"text": text, **(labels or {})}, "Cmd": ["/bin/true"]},
            "rootfs": {"type": "layers", "diff_ids": [sha256(text.encode())]},
        }
    ).encode()
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": {"mediaType": OCI_CONFIG, "digest": sha256(config), "size": len(config)},
            "layers": [{"mediaType": OCI_LAYER, "digest": sha256(b"layer" + text.encode()), "size": 100}],
        }
    ).encode()
    return manifest, config


def index(children: Mapping[str, bytes]) -> bytes:
    """An OCI index: ``os/architecture`` -> manifest."""
    entries = []
    for platform, manifest in children.items():
        os_name, _, architecture = platform.partition("/")
        entries.append(
            {
                "mediaType": OCI_MANIFEST,
                "digest": sha256(manifest),
                "size": len(manifest),
                "platform": {"os": os_name, "architecture": architecture},
            }
        )
    return json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).encode()


@dataclass
class Repository:
    """What is served of one repository; by reference (tag or digest) and by digest."""

    manifests: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)
    signatures: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def put(self, manifest: bytes, config: bytes = b"", *, tag: str = "", media_type: str = OCI_MANIFEST) -> str:
        """Store an image; gives its digest."""
        self.manifests[sha256(manifest)] = (manifest, media_type)
        if tag:
            self.manifests[tag] = (manifest, media_type)
            self.tags.append(tag)
        if config:
            self.blobs[sha256(config)] = config
        return sha256(manifest)


class RegistrySimulator(Simulator):
    """API v2 over ``repositories``.

    ``misbehave`` maps the beginning of a path to what is done with the honest answer; ``challenge`` is sent with 401
    unless ``authorized`` says that the request's ``Authorization`` header will do.
    """

    def __init__(self, *, tls: Certificate | None = None, port: int = 0) -> None:
        super().__init__(tls=tls, port=port)
        self.repositories: dict[str, Repository] = {}
        self.misbehave: dict[str, Misbehaviour] = {}
        self.challenge = ""
        self.authorized: Callable[[str], bool] = lambda header: True
        self.supports_signatures = False
        self.page = 0
        self.token = b'{"token": "simulated", "expires_in": 300}'

    def repository(self, name: str) -> Repository:
        """The repository, made if it is not there."""
        return self.repositories.setdefault(name, Repository())

    def answer(self, request: Request) -> Response:
        """The honest answer, then what is done with it."""
        response = self._honest(request)
        for path, act in self.misbehave.items():
            if request.path.startswith(path):
                return act(request, response)
        return response

    def _honest(self, request: Request) -> Response:
        if request.path == "/token":
            return Response(200, self.token, {"Content-Type": "application/json"})
        if not self.authorized(request.headers.get("authorization", "")):
            return Response(401, b'{"errors":[{"code":"UNAUTHORIZED"}]}', {"WWW-Authenticate": self.challenge})
        if request.path == "/v2/":
            extra = {"X-Registry-Supports-Signatures": "1"} if self.supports_signatures else {}
            return Response(200, b"{}", {"Docker-Distribution-API-Version": "registry/2.0", **extra})
        return self._content(request)

    def _content(self, request: Request) -> Response:
        for kind, serve in (
            ("/manifests/", self._manifest),
            ("/blobs/", self._blob),
            ("/tags/", self._tags),
            ("/signatures/", self._signatures),
        ):
            head, found, last = request.path.partition(kind)
            if found:
                name = head.removeprefix("/extensions").removeprefix("/v2/")
                repository = self.repositories.get(name)
                return _absent("NAME_UNKNOWN") if repository is None else serve(request, name, repository, last)
        return _absent("UNSUPPORTED")

    def _manifest(self, request: Request, name: str, repository: Repository, reference: str) -> Response:
        stored = repository.manifests.get(reference)
        if stored is None or stored[1] not in request.headers.get("accept", ""):
            return _absent("MANIFEST_UNKNOWN")
        content, media_type = stored
        return Response(200, content, {"Content-Type": media_type, "Docker-Content-Digest": sha256(content)})

    def _blob(self, request: Request, name: str, repository: Repository, digest: str) -> Response:
        content = repository.blobs.get(digest)
        return _absent("BLOB_UNKNOWN") if content is None else Response(200, content)

    def _tags(self, request: Request, name: str, repository: Repository, last: str) -> Response:
        start = int(request.query.get("from", ["0"])[0])
        end = start + self.page if self.page else len(repository.tags)
        body = json.dumps({"name": name, "tags": repository.tags[start:end]}).encode()
        headers = {"Content-Type": "application/json"}
        if end < len(repository.tags):
            headers["Link"] = f'</v2/{name}/tags/list?from={end}>; rel="next"'
        return Response(200, body, headers)

    def _signatures(self, request: Request, name: str, repository: Repository, digest: str) -> Response:
        return Response(200, json.dumps({"signatures": repository.signatures.get(digest, [])}).encode())

    def endless(self, piece: bytes = b" " * 65536) -> Iterator[bytes]:
        """A body without an end (until the simulator stops)."""
        while not self.stopping.is_set():
            yield piece

    def drip(self, content: bytes, pause_s: float) -> Iterator[bytes]:
        """A body that comes a byte at a time."""
        for position in range(len(content)):
            if self.stopping.wait(pause_s):
                return
            yield content[position : position + 1]


def gzip_bomb(size: int) -> bytes:
    """``size`` spaces, compressed about a thousandfold."""
    return gzip.compress(b" " * size, 9)


def replaced(response: Response, **changes: Any) -> Response:
    """The response with other fields; ``headers`` are added."""
    headers = {**response.headers, **changes.pop("headers", {})}
    fields = {name: getattr(response, name) for name in ("status", "body", "delay_s", "drop", "cut_after")}
    return Response(**{**fields, **changes, "headers": headers})


def _absent(code: str) -> Response:
    return Response(404, json.dumps({"errors": [{"code": code}]}).encode(), {"Content-Type": "application/json"})
