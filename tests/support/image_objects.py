"""Small image streams and images for tests."""

from __future__ import annotations

import json
from typing import Any

from imagegate.core.registry.manifest import digest_of

DIGEST_1 = "sha256:" + "1" * 64
DIGEST_2 = "sha256:" + "2" * 64
DIGEST_12 = "sha256:" + "12" * 32
CREATED = "2018-06-01T10:00:00Z"


def event(digest: str, reference: str, generation: int = 1, created: str = CREATED) -> dict[str, Any]:
    """One item of a tag's history."""
    return {"created": created, "dockerImageReference": reference, "image": digest, "generation": generation}


def stream(
    name: str = "app",
    namespace: str = "test",
    *,
    tags: dict[str, list[dict[str, Any]]] | None = None,
    spec_tags: list[dict[str, Any]] | None = None,
    **metadata: Any,
) -> dict[str, Any]:
    """An ImageStream with these histories."""
    return {
        "kind": "ImageStream",
        "apiVersion": "image.openshift.io/v1",
        "metadata": {"name": name, "namespace": namespace, **metadata},
        "spec": {"lookupPolicy": {"local": False}, **({"tags": spec_tags} if spec_tags else {})},
        "status": {"tags": [{"tag": tag, "items": items} for tag, items in (tags or {}).items()]},
    }


def image(digest: str, reference: str = "quay.io/org/app", **fields: Any) -> dict[str, Any]:
    """An Image with metadata and layers."""
    metadata = {"name": digest, "creationTimestamp": CREATED, **fields.pop("metadata", {})}
    return {
        "kind": "Image",
        "apiVersion": "image.openshift.io/v1",
        "metadata": metadata,
        "dockerImageReference": f"{reference}@{digest}",
        "dockerImageManifestMediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "dockerImageMetadata": {"Id": "sha256:" + "c" * 64, "Config": {"Labels": {"a": "b"}}},
        "dockerImageLayers": [{"name": "sha256:" + "a" * 64, "size": 10, "mediaType": "layer"}],
        **fields,
    }


def spec_tag(name: str, source: str, *, kind: str = "DockerImage", **fields: Any) -> dict[str, Any]:
    """A spec tag."""
    return {"name": name, "from": {"kind": kind, "name": source}, **fields}


def pushed_image(labels: dict[str, str] | None = None, *, config: bytes | None = None, **fields: Any) -> dict[str, Any]:
    """An Image as a registry sends it after a push: manifest and configuration as texts, and no metadata."""
    config = (
        json.dumps({"architecture": "amd64", "config": {"Labels": labels or {}}}).encode() if config is None else config
    )
    layer = {"mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip", "digest": DIGEST_2, "size": 10}
    document = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": {
            "mediaType": "application/vnd.docker.container.image.v1+json",
            "digest": digest_of(config),
            "size": len(config),
        },
        "layers": [layer],
    }
    text = json.dumps(document)
    return {
        "kind": "Image",
        "apiVersion": "image.openshift.io/v1",
        "metadata": {"name": digest_of(text.encode())},
        "dockerImageReference": f"quay.io/org/app@{digest_of(text.encode())}",
        "dockerImageManifest": text,
        "dockerImageConfig": config.decode(),
        **fields,
    }
