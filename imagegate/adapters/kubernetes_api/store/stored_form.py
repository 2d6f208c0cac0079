"""Objects of the image API as custom resources: names, keys, bodies.

The name of a resource is the hash of the object's key, since names of images, of tags and of the objects of other
groups are longer or have other characters than Kubernetes permits. The key itself is in the spec, and counts only with
the name that belongs to it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import orjson

from imagegate.adapters.kubernetes_api.connection import JsonObject
from imagegate.adapters.kubernetes_api.listing import text_of
from imagegate.ports.image_store import ObjectKey, ObjectTooLarge, StoreError

GROUP = "imagegate.dev"
API_VERSION = f"{GROUP}/v1alpha1"
KIND = "StoredObject"
RESOURCE = "storedobjects"
KIND_LABEL = f"{GROUP}/kind"
"""Label with which objects of one resource are listed; what an object is, its key says."""
PLAIN, COMPRESSED = "json", "zlib"
LABEL_MAX_LENGTH = 63
COMPRESSED_FROM_BYTES = 1024
"""Shorter bodies are kept as JSON, for people who read them with kubectl."""
STORED_MAX_BYTES = 1_400_000
"""Characters of a body as it is stored. etcd takes requests of 1.5 MiB (``--max-request-bytes``); the rest is for
metadata and field managers."""
BODY_MAX_BYTES = 64 * 1024 * 1024
"""A compressed body that grows beyond this is not read."""
TermsOf = Callable[[str, str, JsonObject], Iterable[str]]


@dataclass(frozen=True, slots=True)
class Entry:
    """One object as a worker holds it."""

    name: str
    """Of the custom resource."""
    key: ObjectKey
    version: int
    """resourceVersion of the custom resource: the version of the object."""
    uid: str
    """Of the custom resource."""
    content: bytes
    """The body, JSON, as it is stored: perhaps compressed."""
    compressed: bool
    size: int
    """Bytes of the body as JSON."""
    terms: tuple[str, ...]

    def body(self) -> JsonObject:
        """The object, with its version."""
        text = zlib.decompress(self.content) if self.compressed else self.content
        found: JsonObject = orjson.loads(text)
        found["metadata"]["resourceVersion"] = str(self.version)
        return found

    def labels(self) -> dict[str, str]:
        """The object's labels."""
        labels = self.body()["metadata"].get("labels")
        return labels if isinstance(labels, dict) else {}


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A custom resource that is not what it should be. The object that it stands for is not known."""

    name: str
    """Of the custom resource."""
    key: ObjectKey
    """As its spec says; empty where it says nothing."""
    version: int
    uid: str
    why: str

    def __str__(self) -> str:
        return f"{RESOURCE}.{GROUP} {self.name} cannot be read: {self.why}; repair it, or delete it with kubectl"


class InvalidStoredObject(ValueError):
    """``str()`` says what is wrong with a custom resource."""


def name_of(key: ObjectKey) -> str:
    """The name of the custom resource for a key: the resource, for people, and SHA-256 of the whole key."""
    digest = hashlib.sha256(orjson.dumps(list(key))).hexdigest()
    return f"{key.resource}-{digest}"


def kind_label(group: str, resource: str) -> str:
    """``RESOURCE.GROUP``, or ``RESOURCE`` in the core group; a hash where that is too long for a label."""
    name = f"{resource}.{group}" if group else resource
    return name if len(name) <= LABEL_MAX_LENGTH else hashlib.sha256(name.encode()).hexdigest()[:LABEL_MAX_LENGTH]


def encoded(body: JsonObject) -> bytes:
    """The body as JSON without its version: the same object gives the same bytes."""
    metadata = {name: value for name, value in (body.get("metadata") or {}).items() if name != "resourceVersion"}
    return orjson.dumps({**body, "metadata": metadata}, option=orjson.OPT_SORT_KEYS)


def document_of(key: ObjectKey, body: JsonObject, namespace: str, *, version: str = "") -> JsonObject:
    """The custom resource for an object.

    Args:
        namespace: in which custom resources are.
        version: that it must have to be replaced.

    Raises:
        ObjectTooLarge: etcd would refuse it.
        StoreError: the object is not the one that the key names, and could not be read again.
    """
    text = encoded(body)
    if _place(body) != (key.namespace, key.name):
        raise StoreError(f"{key.resource} {key.name}: namespace and name in its metadata are other ones")
    spec: JsonObject = dict(zip(ObjectKey._fields, key, strict=True))
    if len(text) < COMPRESSED_FROM_BYTES:
        spec |= {"encoding": PLAIN, "body": text.decode()}
    else:
        spec |= {"encoding": COMPRESSED, "body": base64.b64encode(zlib.compress(text)).decode()}
    if len(spec["body"]) > STORED_MAX_BYTES:
        raise ObjectTooLarge(
            f"{key.resource} {key.name} has {len(text)} bytes, {len(spec['body'])} as it would be stored; "
            f"at most {STORED_MAX_BYTES} can be stored"
        )
    labels = {KIND_LABEL: kind_label(key.group, key.resource)}
    metadata: JsonObject = {"name": name_of(key), "namespace": namespace, "labels": labels}
    if version:
        metadata["resourceVersion"] = version
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": spec}


def read(found: JsonObject, terms_of: TermsOf) -> Entry | Unreadable:
    """The object in a custom resource."""
    metadata = found.get("metadata")
    name, version, uid = (text_of(metadata, field) for field in ("name", "resourceVersion", "uid"))
    number = int(version) if version.isdecimal() else 0
    try:
        key = _key(found.get("spec"))
    except InvalidStoredObject as error:
        return Unreadable(name, ObjectKey("", "", "", ""), number, uid, str(error))
    try:
        _check_identity(name, version, key)
        spec: JsonObject = found["spec"]
        content, compressed = _content(spec)
        text = _decompressed(content) if compressed else content
        body = _body(text, key)
        terms = tuple(sorted(set(terms_of(key.group, key.resource, body))))
    except InvalidStoredObject as error:
        return Unreadable(name, key, number, uid, str(error))
    except (AttributeError, TypeError) as error:  # a field has another type than its kind has
        return Unreadable(name, key, number, uid, f"its body does not have the form of {key.resource}: {error}")
    return Entry(name, key, number, uid, content, compressed, len(text), terms)


def _check_identity(name: str, version: str, key: ObjectKey) -> None:
    if not version.isdecimal():
        raise InvalidStoredObject(f"resourceVersion {version!r} is not a number")
    if name != name_of(key):
        raise InvalidStoredObject("its name is not that of the key in its spec")


def _key(spec: object) -> ObjectKey:
    parts = [spec.get(field) if isinstance(spec, dict) else None for field in ObjectKey._fields]
    if not all(isinstance(part, str) for part in parts) or not parts[1] or not parts[3]:
        raise InvalidStoredObject("spec has no group, resource, namespace and name")
    return ObjectKey(*map(str, parts))


def _content(spec: JsonObject) -> tuple[bytes, bool]:
    body, encoding = spec.get("body"), spec.get("encoding")
    if not isinstance(body, str):
        raise InvalidStoredObject("spec.body is not a string")
    if encoding == PLAIN:
        return body.encode("utf-8", "surrogatepass"), False
    if encoding != COMPRESSED:
        raise InvalidStoredObject(f"spec.encoding is {encoding!r}")
    try:
        return base64.b64decode(body, validate=True), True
    except (binascii.Error, ValueError) as error:
        raise InvalidStoredObject("spec.body is not base64") from error


def _decompressed(content: bytes) -> bytes:
    reader = zlib.decompressobj()
    try:
        text = reader.decompress(content, BODY_MAX_BYTES)
    except zlib.error as error:
        raise InvalidStoredObject(f"spec.body is not compressed with zlib: {error}") from error
    if not reader.eof or reader.unused_data:
        raise InvalidStoredObject(f"spec.body is cut off, has more after its end, or is over {BODY_MAX_BYTES} bytes")
    return text


def _body(text: bytes, key: ObjectKey) -> JsonObject:
    try:
        body: Any = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidStoredObject(f"spec.body is not JSON: {error}") from error
    if _place(body) != (key.namespace, key.name):
        raise InvalidStoredObject("namespace and name in spec.body are not those of its key")
    return dict(body)


def _place(body: object) -> tuple[str, str]:
    """Namespace and name in an object's metadata."""
    metadata = body.get("metadata") if isinstance(body, dict) else None
    return text_of(metadata, "namespace"), text_of(metadata, "name")
