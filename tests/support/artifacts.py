"""Attaches reports to images as clients do: an artifact with a subject, and the index under the tag ``sha256-HEX``."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import ssl
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
EMPTY = b"{}"


def sha256(content: bytes) -> str:
    """``sha256:HEX``."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@dataclass(frozen=True, slots=True)
class Pusher:
    """A client that writes to one repository of a registry."""

    url: str
    repository: str
    ca: str | None = None
    user: str = ""
    password: str = field(default="", repr=False)

    def attach(self, subject: str, content: bytes, artifact_type: str, **more: Any) -> dict[str, Any]:
        """Push an artifact with one layer; gives its descriptor for the index of referrers."""
        manifest = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": artifact_type,
            "config": self._descriptor(EMPTY, "application/vnd.oci.empty.v1+json"),
            "layers": [self._descriptor(content, artifact_type)],
            "subject": {"mediaType": OCI_MANIFEST, "digest": subject, "size": 1},
            **more,
        }
        for blob in (EMPTY, content):
            self.blob(blob)
        raw = json.dumps(manifest).encode()
        self.manifest(sha256(raw), raw, OCI_MANIFEST)
        return {**self._descriptor(raw, OCI_MANIFEST), "artifactType": artifact_type}

    def list(self, subject: str, *descriptors: dict[str, Any]) -> None:
        """Write the index of referrers under its tag."""
        index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list(descriptors)}
        self.manifest(subject.replace(":", "-"), json.dumps(index).encode(), OCI_INDEX)

    def blob(self, content: bytes) -> None:
        """Upload a blob in one piece."""
        _, headers = self._send("POST", f"/v2/{self.repository}/blobs/uploads/", b"", "", 202)
        place = urlsplit(headers["location"])
        separator = "&" if place.query else "?"
        target = f"{place.path}?{place.query}{separator if place.query else ''}digest={sha256(content)}"
        self._send("PUT", target, content, "application/octet-stream", 201)

    def manifest(self, reference: str, content: bytes, media_type: str) -> None:
        """Upload a manifest."""
        self._send("PUT", f"/v2/{self.repository}/manifests/{reference}", content, media_type, 201)

    @staticmethod
    def _descriptor(content: bytes, media_type: str) -> dict[str, Any]:
        return {"mediaType": media_type, "digest": sha256(content), "size": len(content)}

    def _send(
        self, method: str, target: str, body: bytes, media_type: str, expected: int
    ) -> tuple[bytes, dict[str, str]]:
        parts = urlsplit(self.url)
        if parts.scheme == "https":
            context = ssl.create_default_context(cafile=self.ca)
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(parts.netloc, context=context)
        else:
            connection = http.client.HTTPConnection(parts.netloc)
        headers = {"Content-Type": media_type} if media_type else {}
        if self.user:
            pair = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
            headers["Authorization"] = f"Basic {pair}"
        try:
            connection.request(method, target, body, headers)
            answer = connection.getresponse()
            content = answer.read()
            assert answer.status == expected, (method, target, answer.status, content)
            return content, {name.lower(): value for name, value in answer.getheaders()}
        finally:
            connection.close()
