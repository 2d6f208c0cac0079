"""Manifests: strict in digests, kinds and sizes."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegate.core.registry.manifest import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    DOCKER_SCHEMA1,
    DOCKER_SCHEMA1_SIGNED,
    MANIFEST_MAX_BYTES,
    MAX_CHILDREN,
    MAX_DEPTH,
    MAX_LAYERS,
    MEDIA_TYPES,
    OCI_INDEX,
    OCI_MANIFEST,
    Manifest,
    Platform,
    bounded_json_object,
    digest_of,
    is_strict_digest,
    parse_manifest,
)
from imagegate.errors import Malformed, TooLarge
from tests.support.samples import SAMPLES

DIGEST = "sha256:" + "a" * 64


def descriptor(**changes: Any) -> dict[str, Any]:
    return {"mediaType": "application/x", "digest": DIGEST, "size": 1, **changes}


def image(**changes: Any) -> dict[str, Any]:
    return {"schemaVersion": 2, "config": descriptor(), "layers": [descriptor()], **changes}


def listed(**changes: Any) -> dict[str, Any]:
    entry = descriptor(platform={"architecture": "arm64", "os": "linux", "variant": "v8"})
    return {"schemaVersion": 2, "manifests": [entry], **changes}


def parse(document: dict[str, Any], media_type: str) -> Manifest:
    return parse_manifest(json.dumps(document).encode(), media_type)


@pytest.mark.parametrize("media_type", [OCI_MANIFEST, DOCKER_MANIFEST])
def test_an_image(media_type: str) -> None:
    manifest = parse(image(), media_type)
    assert manifest.config is not None
    assert manifest.config.digest == DIGEST
    assert [layer.size for layer in manifest.layers] == [1]
    assert not manifest.is_index


@pytest.mark.parametrize("media_type", [OCI_INDEX, DOCKER_LIST])
def test_a_list(media_type: str) -> None:
    manifest = parse(listed(), media_type)
    assert manifest.is_index
    assert [child.platform for child in manifest.children] == [Platform("arm64", "linux", "v8")]
    assert parse(listed(manifests=[descriptor()]), media_type).children[0].platform == Platform()


@pytest.mark.parametrize("sample, kind", [("tiny-docker", DOCKER_MANIFEST), ("multi-docker", DOCKER_LIST)])
def test_the_stored_samples(sample: str, kind: str) -> None:
    raw = (SAMPLES / "images" / sample / "manifest.json").read_bytes()
    for said in (kind, ""):
        manifest = parse_manifest(raw, said)
        assert manifest.media_type == kind
        assert manifest.digest == "sha256:" + hashlib.sha256(raw).hexdigest()


def test_sha512() -> None:
    raw = json.dumps(image()).encode()
    assert parse_manifest(raw, OCI_MANIFEST, algorithm="sha512").digest == "sha512:" + hashlib.sha512(raw).hexdigest()
    with pytest.raises(ValueError, match="md5"):
        digest_of(raw, "md5")


@pytest.mark.parametrize(
    "document, media_type",
    [
        (image(mediaType=OCI_INDEX), OCI_MANIFEST),
        (image(mediaType=DOCKER_MANIFEST), OCI_MANIFEST),
        (image(mediaType=7), OCI_MANIFEST),
        (image(manifests=[]), OCI_MANIFEST),
        (image(fsLayers=[]), OCI_MANIFEST),
        (listed(layers=[]), OCI_INDEX),
        (listed(config=descriptor()), OCI_INDEX),
        (image(), OCI_INDEX),
        (listed(), OCI_MANIFEST),
        (image(), "text/html"),
        (image(mediaType="text/html"), ""),
        (image(schemaVersion=1), OCI_MANIFEST),
        (image(schemaVersion=True), OCI_MANIFEST),
        (image(schemaVersion="2"), OCI_MANIFEST),
        (image(schemaVersion=2.5), OCI_MANIFEST),
        (image(config=None), OCI_MANIFEST),
        (image(config=descriptor(digest="sha256:" + "A" * 64)), OCI_MANIFEST),
        (image(config=descriptor(digest="sha256:" + "a" * 63)), OCI_MANIFEST),
        (image(config=descriptor(digest=DIGEST + "\n")), OCI_MANIFEST),
        (image(config=descriptor(digest="md5:" + "a" * 32)), OCI_MANIFEST),
        (image(config=descriptor(digest="sha256:../../etc/passwd")), OCI_MANIFEST),
        (image(config=descriptor(size=-1)), OCI_MANIFEST),
        (image(config=descriptor(size=True)), OCI_MANIFEST),
        (image(config=descriptor(size=1.5)), OCI_MANIFEST),
        (image(config=descriptor(size=2**63)), OCI_MANIFEST),
        (image(config=descriptor(mediaType=1)), OCI_MANIFEST),
        (image(layers={}), OCI_MANIFEST),
        (image(layers=[1]), OCI_MANIFEST),
        (listed(manifests=None), OCI_INDEX),
        (listed(manifests=[descriptor(platform=1)]), OCI_INDEX),
        (listed(manifests=[descriptor(platform={"os": 1})]), OCI_INDEX),
    ],
)
def test_what_is_no_manifest(document: dict[str, Any], media_type: str) -> None:
    with pytest.raises(Malformed):
        parse(document, media_type)


@pytest.mark.parametrize(
    "raw", [b"", b"null", b"[]", b'"a"', b"{", b'{"a": NaN}', b'{"schemaVersion": 2, "schemaVersion": 2}', b"\xff{}"]
)
def test_what_is_no_json_object(raw: bytes) -> None:
    with pytest.raises(Malformed):
        parse_manifest(raw, OCI_MANIFEST)


def test_limits() -> None:
    assert len(parse(image(layers=[descriptor()] * MAX_LAYERS), OCI_MANIFEST).layers) == MAX_LAYERS
    with pytest.raises(TooLarge):
        parse(image(layers=[descriptor()] * (MAX_LAYERS + 1)), OCI_MANIFEST)
    with pytest.raises(TooLarge):
        parse(listed(manifests=[descriptor()] * (MAX_CHILDREN + 1)), OCI_INDEX)
    raw = json.dumps(image()).encode()
    padded = raw + b" " * (MANIFEST_MAX_BYTES - len(raw))
    assert parse_manifest(padded, OCI_MANIFEST).raw == padded
    with pytest.raises(TooLarge):
        parse_manifest(padded + b" ", OCI_MANIFEST)


def test_depth_is_counted_outside_of_strings() -> None:
    def nested(depth: int) -> bytes:
        return b'{"a":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"

    assert bounded_json_object(nested(MAX_DEPTH), "x")
    with pytest.raises(TooLarge):
        bounded_json_object(nested(MAX_DEPTH + 1), "x")
    with pytest.raises(TooLarge):
        bounded_json_object(b'{"a":' * 200_000, "x")
    text = {"a": "[{" * 1000 + '\\"[[' * 1000}
    assert bounded_json_object(json.dumps(text).encode(), "x") == text


@pytest.mark.parametrize("piece", [b'\\"', b'"', b"\\", b"[", b'"\\', b'{"a":', b'"a",'])
def test_no_text_takes_more_than_linear_time(piece: bytes) -> None:
    """Quadratic time would be hours here."""
    with pytest.raises((Malformed, TooLarge)):
        bounded_json_object(b'{"' + piece * (MANIFEST_MAX_BYTES // len(piece)), "x")


@pytest.mark.parametrize("text, strict", [(DIGEST, True), ("sha512:" + "0" * 128, True), (None, False), (7, False)])
def test_strict_digests(text: object, strict: bool) -> None:
    assert is_strict_digest(text) is strict


# Schema 1


def url64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def schema1(**changes: Any) -> dict[str, Any]:
    history = [{"v1Compatibility": json.dumps({"id": name, "Size": size})} for name, size in (("b", 7), ("a", 5))]
    blobs = [{"blobSum": "sha256:" + letter * 64} for letter in "ba"]
    return {"schemaVersion": 1, "name": "app", "tag": "v1", "fsLayers": blobs, "history": history, **changes}


def signed(payload: bytes, *, protected: dict[str, Any] | None = None, copies: int = 1) -> bytes:
    """As libtrust writes it: the signatures are put in before the payload's last bytes."""
    body, tail = payload[:-2], payload[-2:]
    header = {"formatLength": len(body), "formatTail": url64(tail), **(protected or {})}
    entry = {"header": {"alg": "ES256"}, "signature": "x", "protected": url64(json.dumps(header).encode())}
    return body + b',\n "signatures": ' + json.dumps([entry] * copies).encode() + b"\n}"


PAYLOAD = json.dumps(schema1(), indent=1).encode()


def test_schema1_unsigned() -> None:
    manifest = parse_manifest(PAYLOAD, DOCKER_SCHEMA1)
    assert manifest.media_type == DOCKER_SCHEMA1
    assert manifest.digest == digest_of(PAYLOAD)
    assert [layer.digest[7] for layer in manifest.layers] == ["a", "b"]  # oldest first
    assert [layer.size for layer in manifest.layers] == [5, 7]
    assert [entry["id"] for entry in manifest.history] == ["b", "a"]


@pytest.mark.parametrize("said", [DOCKER_SCHEMA1, DOCKER_SCHEMA1_SIGNED, ""])
def test_schema1_signed_has_the_digest_of_what_was_signed(said: str) -> None:
    raw = signed(PAYLOAD, copies=2)
    manifest = parse_manifest(raw, said)
    assert manifest.digest == digest_of(PAYLOAD)
    assert manifest.digest != digest_of(raw)
    assert manifest.media_type == DOCKER_SCHEMA1_SIGNED


def test_schema1_nothing_is_read_beside_what_was_signed() -> None:
    """A key after the signed part would be outside of the digest."""
    other = json.dumps([{"blobSum": "sha256:" + "e" * 64}] * 2).encode()
    raw = signed(PAYLOAD)[:-1] + b', "fsLayersX": ' + other + b"}"
    assert {layer.digest[7] for layer in parse_manifest(raw, DOCKER_SCHEMA1_SIGNED).layers} == {"a", "b"}
    with pytest.raises(Malformed):
        parse_manifest(signed(PAYLOAD)[:-1] + b', "fsLayers": ' + other + b"}", DOCKER_SCHEMA1_SIGNED)


@pytest.mark.parametrize(
    "raw",
    [
        signed(PAYLOAD, protected={"formatLength": 0}),
        signed(PAYLOAD, protected={"formatLength": True}),
        signed(PAYLOAD, protected={"formatLength": 10**9}),
        signed(PAYLOAD, protected={"formatLength": "5"}),
        signed(PAYLOAD, protected={"formatTail": "!"}),
        signed(PAYLOAD, protected={"formatTail": url64(b"x}")}),
        signed(PAYLOAD, copies=0),
        PAYLOAD[:-2] + b', "signatures": [{"protected": "!"}]}',
        PAYLOAD[:-2] + b', "signatures": [7]}',
        PAYLOAD[:-2] + b', "signatures": {}}',
        json.dumps(schema1(history=[])).encode(),
        json.dumps(schema1(history=schema1()["history"][:1])).encode(),
        json.dumps(schema1(history=[{"v1Compatibility": "{"}] * 2)).encode(),
        json.dumps(schema1(history=[{"v1Compatibility": 7}] * 2)).encode(),
        json.dumps(schema1(fsLayers=[{"blobSum": "x"}] * 2)).encode(),
        json.dumps(schema1(layers=[])).encode(),
        json.dumps(schema1(schemaVersion=2)).encode(),
    ],
)
def test_schema1_refused(raw: bytes) -> None:
    with pytest.raises(Malformed):
        parse_manifest(raw, DOCKER_SCHEMA1_SIGNED)


def test_schema1_signatures_of_two_texts() -> None:
    one, two = signed(PAYLOAD), signed(PAYLOAD, protected={"formatTail": url64(b" \n}")})
    entries = [json.loads(raw)["signatures"][0] for raw in (one, two)]
    assert parse_manifest(PAYLOAD[:-2] + b',"signatures":' + json.dumps(entries[:1]).encode() + b"}", "").history
    with pytest.raises(Malformed, match="different texts"):
        parse_manifest(PAYLOAD[:-2] + b',"signatures":' + json.dumps(entries).encode() + b"}", "")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
KEYS = st.sampled_from(
    ["schemaVersion", "mediaType", "config", "layers", "manifests", "fsLayers", "history", "signatures", "digest"]
)


@given(st.dictionaries(KEYS, JSON | st.just(2) | st.just(1)), st.sampled_from([*MEDIA_TYPES, ""]))
def test_any_document_is_read_or_refused(document: dict[str, Any], media_type: str) -> None:
    raw = json.dumps(document).encode()
    try:
        manifest = parse_manifest(raw, media_type)
    except (Malformed, TooLarge):
        return
    assert manifest.media_type in MEDIA_TYPES
    assert is_strict_digest(manifest.digest)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    with pytest.raises((Malformed, TooLarge)):
        parse_manifest(raw, OCI_MANIFEST)
