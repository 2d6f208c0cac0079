"""Contents of a registry's answers: media types of manifests, tags, signatures. All may raise ``Malformed``."""

from __future__ import annotations

import base64
import binascii
import re

from imagegate.adapters.http.answer import HttpAnswer
from imagegate.core.kube.printable import printable
from imagegate.core.registry.manifest import DOCKER_SCHEMA1, MEDIA_TYPES, bounded_json_object
from imagegate.errors import Malformed

TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}|")
_DIGEST_AS_TAG = re.compile(r"[a-z0-9]+(?:[+._-][a-z0-9]+)*:[0-9a-f]{32,}")
_ODD_TAG_MAX_LENGTH = 256
_UNTYPED = frozenset({"", "application/json"})


def media_type(answer: HttpAnswer, shown: str) -> str:
    """The media type of a manifest; registries of schema 1 send it as JSON or without a type.

    Source: distribution/distribution 2.8, manifest/schema1; containers/image, manifest.NormalizedMIMEType.
    """
    served = answer.content_type
    if served in MEDIA_TYPES:
        return served
    if served in _UNTYPED and bounded_json_object(answer.body, "manifest").get("schemaVersion") == 1:
        return DOCKER_SCHEMA1
    page = f": {answer.sentence}" if served == "text/html" else ""
    raise Malformed(f"{shown}: {served or 'no Content-Type'!r} is not an image manifest{page}")


def tags_of(body: bytes) -> list[str]:
    """The tags of one page. A string that is no tag stays, since only its own look-up need fail.

    ``null`` (Nexus) and digests (Artifactory) are left out. Source: containers/image, docker/docker_image.go.
    """
    tags = bounded_json_object(body, "list of tags").get("tags")
    if tags is None:
        return []
    if not isinstance(tags, list) or not all(isinstance(tag, str | None) for tag in tags):
        raise Malformed("the registry's list of tags holds something else than tags")
    named = (tag for tag in tags if tag is not None and _DIGEST_AS_TAG.fullmatch(tag) is None)
    return [tag if TAG.fullmatch(tag) else printable(tag, _ODD_TAG_MAX_LENGTH) for tag in named]


def signature_blobs(body: bytes) -> tuple[bytes, ...]:
    """The atomic signatures of the signature extension. Raises ``Malformed``."""
    entries = bounded_json_object(body, "signatures").get("signatures") or []
    if not isinstance(entries, list):
        raise Malformed("signatures is not a list")
    atomic = (
        entry
        for entry in entries
        if isinstance(entry, dict) and entry.get("schemaVersion") == 2 and entry.get("type") == "atomic"
    )
    try:
        return tuple(base64.b64decode(entry["content"], validate=True) for entry in atomic)
    except (KeyError, TypeError, binascii.Error, ValueError) as error:
        raise Malformed("a signature's content is not base64") from error
