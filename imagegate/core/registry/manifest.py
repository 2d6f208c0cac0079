"""Image manifests: bytes in, values out. Docker schema 1 and 2, OCI images, manifest lists and indexes.

The digest is always computed from the bytes, never taken from a header. For a signed schema 1 manifest it is the digest
of the text that was signed, as every registry names it. Refused are documents that could be read as two kinds at once
(CVE-2021-41190), whose own ``mediaType`` contradicts the one they were served as, or that name a digest loosely.
Sources: distribution/distribution, manifest/; opencontainers/image-spec 1.1; docker/libtrust, jsonsign.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from imagegate.errors import Malformed, TooLarge

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_SCHEMA1 = "application/vnd.docker.distribution.manifest.v1+json"
DOCKER_SCHEMA1_SIGNED = "application/vnd.docker.distribution.manifest.v1+prettyjws"
SCHEMA1_LAYER = "application/vnd.docker.container.image.rootfs.diff+x-gtar"

INDEX_TYPES = frozenset({OCI_INDEX, DOCKER_LIST})
IMAGE_TYPES = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
SCHEMA1_TYPES = frozenset({DOCKER_SCHEMA1, DOCKER_SCHEMA1_SIGNED})
MEDIA_TYPES = (OCI_INDEX, DOCKER_LIST, OCI_MANIFEST, DOCKER_MANIFEST, DOCKER_SCHEMA1_SIGNED, DOCKER_SCHEMA1)

MANIFEST_MAX_BYTES = 4 * 1024 * 1024  # distribution's own limit
# Far above real manifests; hostile ones must not cost more.
MAX_DEPTH = 64
MAX_LAYERS = 4096
MAX_CHILDREN = 1024

_NAMES = {
    name.casefold(): name
    for name in (
        "schemaVersion",
        "mediaType",
        "config",
        "layers",
        "manifests",
        "digest",
        "size",
        "platform",
        "architecture",
        "os",
        "variant",
        "fsLayers",
        "blobSum",
        "history",
        "v1Compatibility",
        "signatures",
    )
}
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
# A string without an end takes the rest: looking for its end from every later quote would take quadratic time.
_BRACKETS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[{]|[\]}]', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Descriptor:
    """Description of one blob in a manifest. ``size`` is in bytes, as claimed; 0 where the format has none."""

    media_type: str
    digest: str
    size: int


@dataclass(frozen=True, slots=True)
class Platform:
    """For which machines an entry of a list is; empty where it does not say."""

    architecture: str = ""
    os: str = ""
    variant: str = ""


@dataclass(frozen=True, slots=True)
class Child:
    """One entry of a list or index."""

    descriptor: Descriptor
    platform: Platform


@dataclass(frozen=True, slots=True)
class Manifest:
    """One manifest, verified against nothing but its own form.

    Attributes:
        media_type: one of ``MEDIA_TYPES``.
        digest: of ``raw`` (of the signed text for ``DOCKER_SCHEMA1_SIGNED``).
        raw: the bytes as received.
        config: the image configuration; None for lists and schema 1.
        layers: oldest first.
        children: of a list or index, in its order.
        history: schema 1 only: the ``v1Compatibility`` objects, newest first, decoded.
    """

    media_type: str
    digest: str
    raw: bytes = field(repr=False)
    config: Descriptor | None = None
    layers: tuple[Descriptor, ...] = ()
    children: tuple[Child, ...] = ()
    history: tuple[Mapping[str, Any], ...] = field(default=(), repr=False, compare=False)

    @property
    def is_index(self) -> bool:
        """True if it is a list of manifests."""
        return self.media_type in INDEX_TYPES


def is_strict_digest(text: object) -> bool:
    """True if ``text`` is ``sha256:`` or ``sha512:`` with exactly its number of lower-case hex digits."""
    return isinstance(text, str) and _DIGEST.fullmatch(text) is not None


def digest_of(content: bytes, algorithm: str = "sha256") -> str:
    """``ALGORITHM:HEX`` of bytes; ``algorithm`` is ``sha256`` or ``sha512``."""
    if algorithm not in {"sha256", "sha512"}:
        raise ValueError(f"digest algorithm {algorithm!r}")
    return f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"


def parse_manifest(
    raw: bytes, media_type: str = "", *, algorithm: str = "sha256", max_bytes: int = MANIFEST_MAX_BYTES
) -> Manifest:
    """Read a manifest.

    Args:
        raw: the bytes as received, at most ``max_bytes``.
        media_type: as the server said, parameters (``; charset=...``) already cut off. Empty: what the document says
            of itself (a layout on disk has no headers).
        algorithm: for ``Manifest.digest``.

    Raises:
        Malformed: it has not the form it must have.
        TooLarge: more bytes, entries or depth than allowed.
    """
    if len(raw) > max_bytes:
        raise TooLarge(f"manifest is larger than {max_bytes} bytes")
    document = bounded_json_object(raw, "manifest")
    _check_spelling(document, "manifest")
    kind = _media_type(document, media_type)
    if kind in SCHEMA1_TYPES:
        return _schema1(raw, document, kind, algorithm)
    _check_unambiguous(document, kind)
    digest = digest_of(raw, algorithm)
    if kind in INDEX_TYPES:
        return Manifest(kind, digest, raw, children=_children(document))
    config = _descriptor(document.get("config"), "config")
    return Manifest(kind, digest, raw, config=config, layers=_layers(document))


def bounded_json_object(raw: bytes, what: str) -> dict[str, Any]:
    """Decode a JSON object that is at most ``MAX_DEPTH`` deep; repeated keys are refused, as is NaN.

    Raises:
        Malformed: not a JSON object.
        TooLarge: nested too deeply.
    """
    _check_depth(raw, what)
    try:
        document = json.loads(raw, object_pairs_hook=_without_repeats, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"{what} is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise Malformed(f"{what} is not a JSON object")
    return document


def _check_spelling(document: Mapping[str, Any], what: str) -> None:
    """Refuse ``CONFIG`` beside ``config``: decoders that take names in any case would read another manifest."""
    for key in document:
        if _NAMES.get(key.casefold(), key) != key:
            raise Malformed(f"{what}: {key[:40]!r} is not how {_NAMES[key.casefold()]} is written")


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("a key is repeated")
    return document


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON")


def _check_depth(raw: bytes, what: str) -> None:
    depth = 0
    for found in _BRACKETS.finditer(raw):
        sign = found.group()
        if sign in {b"{", b"["}:
            depth += 1
            if depth > MAX_DEPTH:
                raise TooLarge(f"{what} is nested deeper than {MAX_DEPTH}")
        elif sign in {b"}", b"]"}:
            depth -= 1


def _media_type(document: Mapping[str, Any], served: str) -> str:
    own = document.get("mediaType", "")
    if not isinstance(own, str):
        raise Malformed("manifest: mediaType is not a string")
    if served and served not in MEDIA_TYPES:
        raise Malformed(f"{served[:200]!r} is not the media type of an image manifest")
    kind = served or own or _guess(document)
    if kind not in MEDIA_TYPES:
        raise Malformed(f"{own[:200]!r} is not the media type of an image manifest")
    if own and own != kind and not (own in SCHEMA1_TYPES and kind in SCHEMA1_TYPES):
        raise Malformed(f"manifest served as {kind} says of itself that it is {own[:200]!r}")
    version = document.get("schemaVersion")
    expected = 1 if kind in SCHEMA1_TYPES else 2
    if version is not expected and not (isinstance(version, int) and version == expected and version is not True):
        raise Malformed(f"manifest served as {kind} has schemaVersion {str(version)[:40]}")
    return kind


def _guess(document: Mapping[str, Any]) -> str:
    """OCI documents need not name their type; Docker's must."""
    if document.get("schemaVersion") == 1:
        return DOCKER_SCHEMA1_SIGNED if "signatures" in document else DOCKER_SCHEMA1
    return OCI_INDEX if "manifests" in document else OCI_MANIFEST


def _check_unambiguous(document: Mapping[str, Any], kind: str) -> None:
    foreign = {"config", "layers", "fsLayers"} if kind in INDEX_TYPES else {"manifests", "fsLayers"}
    both = sorted(foreign & document.keys())
    if both:
        raise Malformed(f"manifest served as {kind} also has {', '.join(both)}")


def _descriptor(value: object, where: str) -> Descriptor:
    if not isinstance(value, dict):
        raise Malformed(f"manifest: {where} is not an object")
    _check_spelling(value, f"manifest: {where}")
    media_type, digest, size = value.get("mediaType", ""), value.get("digest"), value.get("size")
    if not isinstance(media_type, str):
        raise Malformed(f"manifest: {where}.mediaType is not a string")
    if not isinstance(digest, str) or not is_strict_digest(digest):
        raise Malformed(f"manifest: {where}.digest is not a digest")
    if isinstance(size, bool) or not isinstance(size, int) or not 0 <= size < 2**63:
        raise Malformed(f"manifest: {where}.size is not a number of bytes")
    return Descriptor(media_type, digest, size)


def _list(document: Mapping[str, Any], key: str, most: int) -> list[Any]:
    values = document.get(key)
    if not isinstance(values, list):
        raise Malformed(f"manifest: {key} is not a list")
    if len(values) > most:
        raise TooLarge(f"manifest: more than {most} {key}")
    return values


def _layers(document: Mapping[str, Any]) -> tuple[Descriptor, ...]:
    values = _list(document, "layers", MAX_LAYERS)
    return tuple(_descriptor(value, f"layers[{index}]") for index, value in enumerate(values))


def _children(document: Mapping[str, Any]) -> tuple[Child, ...]:
    values = _list(document, "manifests", MAX_CHILDREN)
    return tuple(
        Child(_descriptor(value, f"manifests[{index}]"), _platform(value, index)) for index, value in enumerate(values)
    )


def _platform(value: Mapping[str, Any], index: int) -> Platform:
    platform = value.get("platform")
    if platform is None:
        return Platform()
    if not isinstance(platform, dict):
        raise Malformed(f"manifest: manifests[{index}].platform is not an object")
    _check_spelling(platform, f"manifest: manifests[{index}].platform")
    texts = [platform.get(key, "") for key in ("architecture", "os", "variant")]
    if not all(isinstance(text, str) for text in texts):
        raise Malformed(f"manifest: manifests[{index}].platform holds something else than strings")
    return Platform(*texts)


def _schema1(raw: bytes, document: Mapping[str, Any], kind: str, algorithm: str) -> Manifest:
    """Layers and history are newest first on the wire."""
    _check_unambiguous_schema1(document)
    signed = "signatures" in document
    payload = _jws_payload(raw, document) if signed else raw
    if signed:  # what was signed is what the digest names, so only that may be read
        document = bounded_json_object(payload, "signed manifest")
        _check_spelling(document, "signed manifest")
        _check_unambiguous_schema1(document)
    blobs = _list(document, "fsLayers", MAX_LAYERS)
    history = tuple(_history(value, index) for index, value in enumerate(_list(document, "history", MAX_LAYERS)))
    if not history:
        raise Malformed("manifest: history is empty")
    if len(history) != len(blobs):
        raise Malformed(f"manifest: {len(history)} history entries for {len(blobs)} fsLayers")
    sizes = _history_sizes(history)
    layers = [_schema1_layer(value, index, sizes[index]) for index, value in enumerate(blobs)]
    own = DOCKER_SCHEMA1_SIGNED if signed else kind
    return Manifest(own, digest_of(payload, algorithm), raw, layers=tuple(reversed(layers)), history=history)


def _check_unambiguous_schema1(document: Mapping[str, Any]) -> None:
    if document.get("schemaVersion") != 1 or {"manifests", "config", "layers"} & document.keys():
        raise Malformed("manifest served as schema 1 is of another kind too")


def _history_sizes(history: tuple[Mapping[str, Any], ...]) -> list[int]:
    sizes = [entry.get("Size") for entry in history]
    return [size if isinstance(size, int) and 0 < size < 2**63 else 0 for size in sizes]


def _schema1_layer(value: object, index: int, size: int) -> Descriptor:
    if isinstance(value, dict):
        _check_spelling(value, f"manifest: fsLayers[{index}]")
    digest = value.get("blobSum") if isinstance(value, dict) else None
    if not isinstance(digest, str) or not is_strict_digest(digest):
        raise Malformed(f"manifest: fsLayers[{index}].blobSum is not a digest")
    return Descriptor(SCHEMA1_LAYER, digest, size)


def _history(value: object, index: int) -> Mapping[str, Any]:
    if isinstance(value, dict):
        _check_spelling(value, f"manifest: history[{index}]")
    text = value.get("v1Compatibility") if isinstance(value, dict) else None
    if not isinstance(text, str):
        raise Malformed(f"manifest: history[{index}].v1Compatibility is not a string")
    return bounded_json_object(text.encode("utf-8", "surrogatepass"), f"history[{index}].v1Compatibility")


def _jws_payload(raw: bytes, document: Mapping[str, Any]) -> bytes:
    """The signed text: the first ``formatLength`` bytes and ``formatTail``, the same in every signature."""
    signatures = document.get("signatures")
    if not isinstance(signatures, list) or not signatures or len(signatures) > MAX_CHILDREN:
        raise Malformed("manifest: signatures is not a list with entries")
    payloads = {_signed_text(raw, signature) for signature in signatures}
    if len(payloads) != 1:
        raise Malformed("manifest: the signatures are for different texts")
    return payloads.pop()


def _signed_text(raw: bytes, signature: object) -> bytes:
    protected = signature.get("protected") if isinstance(signature, dict) else None
    if not isinstance(protected, str):
        raise Malformed("manifest: a signature has no protected header")
    header = bounded_json_object(_base64url(protected), "protected header")
    length, tail = header.get("formatLength"), header.get("formatTail")
    if (
        isinstance(length, bool)
        or not isinstance(length, int)
        or not 0 < length < len(raw)
        or not isinstance(tail, str)
    ):
        raise Malformed("manifest: a signature's protected header has no formatLength and formatTail")
    return raw[:length] + _base64url(tail)


def _base64url(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise Malformed("manifest: a signature is not base64url") from error
